"""A stand-in for ThreeDWorld's build, since none is at hand: the real protocol, other pictures.

    python build.py [-drawing rays|discs] [-records FILE] [-cache FOLDER] [-FAULT N] "-port 1071"

It is started as a build is, connects as a build does, and answers in ThreeDWorld's own binary
format. N says at which message, from 1, a fault happens; with ``-once FILE`` only while there is
no such file, which the fault makes.
"""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import answers
import numpy as np
import zmq
from drawing import Discs, encoded
from world import QuitError, World

IDLE = 60.0  # seconds without a message, after which it ends
FAULTS = ("crash", "hang", "slow", "resend", "resend_forever", "half", "unasked", "no_object",
          "quit")  # fmt: skip
SLOW = 1.5  # seconds


class Build:
    """One build.

    Args:
        options: from the command line.
    """

    def __init__(self, options: dict[str, str]) -> None:
        records = options.get("records")
        self._options, self._messages, self._frame = options, 0, 0
        self._world = World(Path(records) if records else None)
        self._drawing = Discs()
        if options.get("drawing", "rays") == "rays":
            from rays import Rays  # noqa: PLC0415  takes seconds

            self._drawing = Rays(options.get("cache"))
        self._socket = zmq.Context().socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.connect(f"tcp://localhost:{options.get('port', 1071)}")

    def run(self) -> None:
        """Answer until it is told to end."""
        self._socket.send(b"ready")  # nobody reads this
        alive = True
        while alive:
            if not self._socket.poll(int(1000 * IDLE)):
                sys.exit("the stand-in heard nothing and ends")
            message = self._socket.recv_multipart()
            self._messages += 1
            fault = self._fault()
            if fault == "crash":
                print("a crash, as asked for", flush=True)
                os.kill(os.getpid(), signal.SIGSEGV)
            if fault == "hang":
                time.sleep(3600)
            if fault == "slow":
                time.sleep(SLOW)
            if fault in ("resend", "resend_forever"):
                parts = [b"\0\0\0\0ftre", (0).to_bytes(4, "big")]
            else:
                parts, alive = self._answer(json.loads(message[0]), fault)
            self._socket.send_multipart(parts)

    def _fault(self) -> str | None:
        for name in FAULTS:
            if name in self._options:
                at, mark = int(self._options[name]), self._options.get("once")
                due = self._messages >= at if name == "resend_forever" else self._messages == at
                if due and not (mark and os.path.exists(mark)):
                    if mark:
                        Path(mark).touch()
                    return name
        return None

    def _answer(self, commands: list[dict], fault: str | None) -> tuple[list[bytes], bool]:
        """Return the parts of an answer, and whether it goes on."""
        frame = self._frame.to_bytes(4, "big")
        self._frame += 1
        try:
            if fault == "quit":
                raise QuitError("as asked for")
            for command in commands:
                self._world.command(command)
            pending, self._world.pending = self._world.pending, []
            parts = [self._part(kind, of, fault) for kind, of in pending]
        except QuitError as error:
            print(f"the stand-in ends: {str(error) or 'as it was told'}", flush=True)
            return [answers.quit_signal(not str(error)), frame], False
        if fault == "unasked":  # in another order, with something beside
            parts = [b"\0\0\0\0logm", *reversed(parts)]
        if fault == "half":
            return [part[: len(part) // 2] for part in parts] + [frame], True
        return [*parts, frame], True

    def _part(self, kind: str, of: object, fault: str | None) -> bytes:
        world = self._world
        if kind == "version":
            return answers.version(self._options.get("version", "1.13.0.0"), "stand-in")
        if kind == "bounds":
            if fault == "no_object":
                return answers.bounds([], np.zeros((0, 7, 3)))
            return answers.bounds(of, np.stack([world.box_points(number) for number in of]))
        image, mask = self._drawing.draw(world, of)
        white = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, 2)
        files = {"_img": encoded(image, world.is_png), "_mask": encoded(white)}
        passes = [(name, files[name], world.is_png or name != "_img") for name in world.passes]
        return answers.images(of, world.size, passes)


def main() -> None:
    """Read the command line as a build does, words with their values, and run."""
    line = " ".join(sys.argv[1:])
    Build(dict(re.findall(r"-(\w+)[= ](\S+)", line))).run()


if __name__ == "__main__":
    main()
