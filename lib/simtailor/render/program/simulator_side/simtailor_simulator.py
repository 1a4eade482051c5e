"""The simulator's side of simtailor's ``renderer: program``.

One file without dependencies, for Python 3.8 and later. An adapter draws; this file talks:

    from simtailor_simulator import ANGLE, serve

    def setup(settings):               # once: image_size, threads, device, options
        return my_simulator.load("table.usd", settings.image_size)

    def render(scene, world):          # each scene; world is what setup returned
        yaw = scene.value("object", "yaw", 0)
        return world.picture(yaw)      # rows from the top, RGB: a uint8 array or bytes

    serve(render, setup=setup, name="mine", version="1.0",
          attributes={"object": {"yaw": ANGLE, "loc_x": "cm"}})

``docs/own_simulator.md`` of simtailor has the whole story, and the messages that are sent.
What is printed goes to a log. An exception in ``render`` says that this scene cannot be drawn.
"""

import fcntl
import hashlib
import json
import os
import select
import socket
import sys
import time
import traceback
from types import SimpleNamespace

PROTOCOL = 1
ANGLE = {"unit": "degrees", "period": 360}
BYTES = {"image": 3, "mask": 1, "depth": 4}  # a pixel
FORMATS = {"image": "Bb?", "mask": "Bb?", "depth": "f", "keypoints": "f"}


class Scene:
    """What is to be drawn.

    Attributes:
        nodes: {"object": {"class": "slipper", "yaw": 90.0}, "Light": {"intensity": 0.5}}, each
            value in its attribute's own unit.
        seed: a whole number below 2**63; all chance in the picture comes from it.
        parts: what is wanted: "image" and perhaps "mask", "depth", "keypoints".
    """

    def __init__(self, nodes, seed, parts, head):
        self.nodes, self.seed, self.parts = nodes, seed, parts
        self.head, self.began = head, time.perf_counter()

    def value(self, node, attribute, default):
        """Return a value, or the default where the grammar says nothing of it."""
        return self.nodes.get(node, {}).get(attribute, default)

    def class_of(self, node, default=""):
        """Return the class of a node."""
        return self.value(node, "class", default)


class Server:
    """The connection to simtailor, for a program with a main loop of its own.

    Others call ``serve``. On each turn of the loop::

        scene = server.next_scene()
        if scene is not None:
            server.answer(scene, image)   # now, or some turns later

    until ``server.open`` is False.

    Args:
        name, version: of the simulator; another version makes all images anew.
        attributes: by node: {"object": {"yaw": ANGLE, "loc_x": "cm"}}. An attribute is its unit,
            or {"unit", "period"} of an angle, or {"unit", "low", "high"} of one with a range.
        classes: by node the classes that can be drawn: {"object": ["slipper", "mug"]}.
        most: by node how many of them a scene may have: {"object": 5}; else one.
        setup: is called with the settings before the first scene, and may take its time.
        parts: what can be drawn beside the image: "mask", "depth", "keypoints".
        image_sizes: the smallest and the largest size in pixels.
        deterministic: whether the same scene and seed always give the same bytes.
        files: that the images depend on, beside the adapter itself.
    """

    def __init__(self, *, name, version="", attributes, classes=None, most=None, setup=None,
                 parts=(), image_sizes=(8, 4096), deterministic=True, files=()):  # fmt: skip
        self.open, self.world, self.settings = True, None, None
        self._setup, self._received, self._scenes = setup, b"", []
        known = {
            node: {key: about if isinstance(about, dict) else {"unit": about}
                   for key, about in of_node.items()}
            for node, of_node in attributes.items()
        }  # fmt: skip
        self._data = _connect(os.environ.get("SIMTAILOR_CHANNEL", ""))
        main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
        own = [main] if os.path.isfile(main) else []
        files = [os.path.abspath(path) for path in [*own, *files]]
        self._send({
            "simtailor": PROTOCOL, "name": name, "version": str(version), "attributes": known,
            "classes": classes or {}, "most": most or {}, "parts": list(parts),
            "image_sizes": list(image_sizes), "deterministic": deterministic,
            "files": {path: _checksum(path) for path in files},
        })  # fmt: skip

    def next_scene(self, wait=0.0):
        """Return a scene to draw, or None; waits so many seconds for one, for ever if None."""
        if not self._scenes and self.open:
            self._read(wait)
        if not self._scenes:
            return None
        scene = self._scenes.pop(0)
        scene.began = time.perf_counter()
        return scene

    def answer(self, scene, result):
        """Give what was drawn: an image, or {"image": ..., "mask": ..., "depth": ...}."""
        result = result if isinstance(result, dict) else {"image": result}
        parts = [(name, self._bytes(name, result.get(name))) for name in scene.parts]
        head = dict(scene.head, parts=[[name, len(data)] for name, data in parts],
                    seconds=time.perf_counter() - scene.began)  # fmt: skip
        self._send(head, *(data for _, data in parts))

    def fail(self, scene, error):
        """Say that a scene cannot be drawn."""
        self._send(dict(scene.head, error=_text(error)))

    def progress(self, text=""):
        """Say that work goes on, so that simtailor waits longer."""
        self._send({"progress": text})

    def _read(self, wait):
        """Read what there is, and take the next whole message."""
        while b"\n" not in self._received:
            if not select.select([self._data], [], [], wait)[0]:
                return
            received = self._data.recv(1 << 20)
            if not received:
                self.open = False
                return
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        message = json.loads(line.decode())
        if "start" in message:
            self.settings = self.world = SimpleNamespace(**message["start"])
            try:
                if self._setup is not None:
                    self.world = self._setup(self.settings)
                self._send({"ready": True})
            except Exception as error:
                self._send({"error": _text(error)})
        for place, scene in enumerate(message.get("scenes", ())):
            head = {"render": message["render"], "scene": place}
            self._scenes.append(Scene(scene["nodes"], scene["seed"], message["parts"], head))
        if "quit" in message:
            self.open = False

    def _bytes(self, name, part):
        """Return the bytes of a part, checked for number and type."""
        if part is None:
            raise ValueError(f"render returned no {name}")
        view = memoryview(part)
        raw = isinstance(part, (bytes, bytearray))
        if not raw and view.format not in FORMATS[name]:
            expected = "float32" if FORMATS[name] == "f" else "uint8"
            raise ValueError(f"{name}: values of type '{view.format}', expected {expected}")
        size = self.settings.image_size
        wanted = size * size * BYTES[name] if name in BYTES else view.nbytes // 12 * 12
        if view.nbytes != wanted:
            raise ValueError(f"{name}: {view.nbytes} bytes, expected {wanted}")
        return view.cast("B") if view.c_contiguous else view.tobytes()

    def _send(self, head, *payload):
        self._data.sendall(b"".join([json.dumps(head).encode(), b"\n", *payload]))


def serve(render, **about):
    """Draw scenes until simtailor has enough, and end this process. See ``Server``."""
    server = serve.running = Server(**about)
    while server.open:
        scene = server.next_scene(None)
        if scene is not None:
            try:
                server.answer(scene, render(scene, server.world))
            except Exception as error:
                server.fail(scene, error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # some simulators crash or hang while Python shuts down


def progress(text=""):
    """Say from within ``setup`` or ``render`` that work goes on, so that simtailor waits longer."""
    serve.running.progress(text)


def _connect(channel):
    """Return the connection, beside a second one that ends this process with simtailor."""
    kind, _, address = channel.partition(":")
    if kind != "unix":
        sys.exit("simtailor starts this program. To try it: "
                 "python -m simtailor.render.check -- COMMAND")  # fmt: skip
    data, lifeline = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    data.connect(address)
    lifeline.connect(address)
    # When simtailor dies, the kernel sends SIGIO, which ends this process even in a long render.
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    _connect.lifeline = lifeline  # stays open as long as this process lives
    return data


def _text(error):
    """Return one line about an exception; all of it goes to the log."""
    traceback.print_exc()
    sys.stderr.flush()
    return f"{type(error).__name__}: {error}"


def _checksum(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()
