"""Stands in for a build of ThreeDWorld: ``python -m simtailor.render.standins.tdw "-port 1071"``.

It is started as a build is, connects as a build does, and answers in ThreeDWorld's own binary
format. A fault of ``--at`` N happens where the N-th picture is asked for.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import zmq

from simtailor.render.standins.faults import FAILED, Faults, add_faults, fails_to_start
from simtailor.render.standins.tdw import answers
from simtailor.render.standins.tdw.drawing import Discs, encoded
from simtailor.render.standins.tdw.world import QuitError, World

FAULTS = {
    "crash": "ends by a signal before it answers",
    "hang": "goes on running, and answers no more",
    "slow": "takes --delay seconds for each picture",
    "resend": "asks for the same commands again",
    "malformed": "answers what is no output data",
    "half_written": "sends half of each part of its answer",
    "wrong_order": "sends the parts of its answer in another order, and one that nobody asked for",
    "no_object": "adds no object that it was told to",
    "quit": "says that it quits because of an error",
    "version": "is of another version",
    "exit": "ends at its start, with status 3",
}
VERSION, OTHER_VERSION = "1.13.0.0", "1.8.23"
ALL_AGAIN = b"\0\0\0\0ftre"  # asks for the commands once more


class Build:
    """One build.

    Args:
        given: parsed arguments.
    """

    def __init__(self, given: Namespace) -> None:
        self._given, self._faults = given, Faults(given)
        self._pictures, self._frame = 0, 0
        self._asked: int | None = None  # the picture that a message asks for
        self._world = World(given.records)
        self._drawing = Discs()
        if given.drawing == "rays":
            from simtailor.render.standins.tdw.rays import Rays  # noqa: PLC0415  takes seconds

            self._drawing = Rays(given.cache)
        self._socket = zmq.Context().socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.connect(f"tcp://localhost:{given.port}")

    def run(self) -> None:
        """Answer until it is told to end."""
        self._socket.send(b"ready")  # nobody reads this
        alive = True
        while alive:
            if not self._socket.poll(int(1000 * self._given.idle)):
                sys.exit("the stand-in heard nothing and ends")
            commands = json.loads(self._socket.recv_multipart()[0])
            parts, alive = self._reply(commands)
            self._socket.send_multipart(parts)

    def _reply(self, commands: list[dict]) -> tuple[list[bytes], bool]:
        """Return the parts of an answer, and whether it goes on."""
        asked = any(command.get("$type") == "send_images" for command in commands)
        self._asked = self._pictures + 1 if asked else None
        if self._errs("crash"):
            self._faults.crash()
        if self._errs("hang"):
            self._faults.hang()
        if asked:
            self._faults.wait()
        if self._errs("resend"):
            return [ALL_AGAIN, (0).to_bytes(4, "big")], True
        self._pictures += asked
        return self._answer(commands)

    def _errs(self, fault: str) -> bool:
        """Return whether to make a mistake where a picture is asked for."""
        return self._asked is not None and self._faults.now(fault, self._asked)

    def _answer(self, commands: list[dict]) -> tuple[list[bytes], bool]:
        frame = self._frame.to_bytes(4, "big")
        self._frame += 1
        try:
            if self._errs("quit"):
                raise QuitError("as asked for")
            for command in commands:
                self._world.command(command)
            pending, self._world.pending = self._world.pending, []
            parts = [self._part(kind, of) for kind, of in pending]
        except QuitError as error:
            print(f"the stand-in ends: {str(error) or 'as it was told'}", flush=True)
            return [answers.quit_signal(not str(error)), frame], False
        if self._errs("wrong_order"):
            parts = [b"\0\0\0\0logm", *reversed(parts)]
        if self._errs("malformed"):
            return [b"no output data"], True
        if self._errs("half_written"):
            return [part[: len(part) // 2] for part in parts] + [frame], True
        return [*parts, frame], True

    def _part(self, kind: str, of: object) -> bytes:
        world = self._world
        if kind == "version":
            version = OTHER_VERSION if self._faults.now("version") else VERSION
            return answers.version(version, "stand-in")
        if kind == "bounds":
            if self._faults.now("no_object"):
                return answers.bounds([], np.zeros((0, 7, 3)))
            return answers.bounds(of, np.stack([world.box_points(number) for number in of]))
        image, mask = self._drawing.draw(world, of)
        white = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, 2)
        files = {"_img": encoded(image, world.is_png), "_mask": encoded(white)}
        passes = [(name, files[name], world.is_png or name != "_img") for name in world.passes]
        return answers.images(of, world.size, passes)


def main() -> int:
    """Read the command line as a build does, and run."""
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("-port", type=int, default=1071)
    parser.add_argument("--drawing", choices=("rays", "discs"), default="rays")
    parser.add_argument("--records", type=Path, help="file of models, with their sizes")
    parser.add_argument("--cache", type=Path, help="folder of compiled kernels")
    add_faults(parser, FAULTS)
    # The port stands in one word with its option, as ThreeDWorld's own controller gives it.
    words = [part for word in sys.argv[1:] for part in _parted(word)]
    given = parser.parse_args(words)
    if fails_to_start(given):
        return FAILED
    Build(given).run()
    return 0


def _parted(word: str) -> list[str]:
    return word.replace("=", " ").split() if word.startswith("-port") else [word]


if __name__ == "__main__":
    sys.exit(main())
