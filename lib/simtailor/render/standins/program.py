"""Stands in for a program of ``renderer: program``; knows the attributes of 3D-TYOL.

It uses the simulator's side as any adapter does, and is as quick to start: what draws with the
ray caster is imported only for that.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from typing import Any

import numpy as np
import simtailor_simulator
from simtailor_simulator import Server

from simtailor.render.standins.faults import FAILED, Faults, add_drawing, add_faults, fails_to_start
from simtailor.render.standins.program_scenes import ATTRIBUTES, bars, graph_of

FAULTS = {
    "crash": "ends by a signal before it answers",
    "hang": "goes on running, and answers no more",
    "slow": "takes --delay seconds for each scene, and says that work goes on",
    "resend": "answers a scene twice",
    "malformed": "answers with too few bytes",
    "half_written": "ends with half of an image sent",
    "wrong_order": "answers a scene that nobody asked for",
    "error": "says that it cannot draw a scene",
    "chance": "draws by chance",
    "honest_chance": "draws by chance, and says so from the start",
    "chatter": "prints much, and what looks like an answer",
    "setup": "says that it cannot start",
    "deaf": "never connects",
    "hello": "says what cannot be of its attributes",
    "version": "speaks a version of the protocol that does not exist",
    "exit": "ends at its start, with status 3",
}


class Program:
    """What a program does.

    Args:
        given: parsed arguments.
        held: closes what draws.
    """

    def __init__(self, given: Namespace, held: ExitStack) -> None:
        self._given, self._held, self._faults = given, held, Faults(given)
        self._scenes, self._draw = 0, bars

    def run(self) -> None:
        """Draw until simtailor says that it is enough."""
        wrong = {"object": {"yaw": {"low": 3, "high": 1}}}
        self._server = server = Server(
            name="stand-in",
            version="1",
            attributes=wrong if self._faults.now("hello") else ATTRIBUTES,
            setup=self._setup,
            deterministic=self._given.fault != "honest_chance",
        )
        while server.open:
            scene = server.next_scene(None)
            if scene is not None:
                self._scenes += 1
                self._before(server)
                try:
                    self._answer(server, scene)
                except ValueError as error:
                    server.fail(scene, error)

    def _setup(self, settings: Any) -> Any:
        if self._faults.now("setup"):
            raise RuntimeError("no such material")
        if self._given.drawing == "tabletop":
            from simtailor.render.standins.scenes import tabletop  # noqa: PLC0415  takes seconds

            draw = tabletop(settings.image_size, self._given.frame_width, self._held)
            self._draw = lambda nodes, size: draw([graph_of(nodes)])[0]
        return settings

    def _before(self, server: Server) -> None:
        """Make those mistakes that happen before a scene is drawn."""
        if self._faults.now("crash", self._scenes):
            self._faults.crash()
        if self._faults.now("hang", self._scenes):
            self._faults.hang()
        if self._given.fault == "slow":
            server.progress("half way")
            self._faults.wait()
        if self._faults.now("chatter"):
            print("a line of Blender " * 50)
            os.write(1, b'{"render": 1, "scene": 0, "error": "faked"}\n' * 20)

    def _answer(self, server: Server, scene: Any) -> None:
        size, number = server.settings.image_size, self._scenes
        if self._faults.now("error", number):
            raise ValueError("the object falls off the table")
        image = self._draw(scene.nodes, size)
        if self._given.fault in ("chance", "honest_chance"):
            image = np.random.default_rng().integers(0, 256, image.shape).astype(np.uint8)
        head = {**scene.head, "parts": [["image", image.nbytes]]}
        if self._faults.now("malformed", number):
            server._send({**head, "parts": [["image", 5]]}, b"12345")
        elif self._faults.now("half_written", number):
            server._send(head, image.tobytes()[: image.nbytes // 2])
            self._faults.crash()
        elif self._faults.now("wrong_order", number):
            server._send({**head, "scene": 1000}, image.tobytes())
        else:
            server.answer(scene, image)
            if self._faults.now("resend", number):
                server.answer(scene, image)


def main() -> int:
    """Run a program."""
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    add_drawing(parser)
    add_faults(parser, FAULTS)
    given = parser.parse_args()
    if fails_to_start(given):
        return FAILED
    if given.fault == "deaf":
        time.sleep(given.idle)
        return 0
    if given.fault == "version":
        simtailor_simulator.PROTOCOL += 1
    with ExitStack() as held:
        Program(given, held).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
