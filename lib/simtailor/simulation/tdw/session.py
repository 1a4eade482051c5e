"""The controller's side of ThreeDWorld's protocol, guarded: no answer is waited for without end.

The controller listens, the build connects. Each message of the controller is a list of commands,
each answer holds what these asked for. Unlike the package's controller, this one listens on the
loopback interface alone, sees when the build ends, and fetches nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import zmq

from simtailor.errors import UserError
from simtailor.render.children import Child
from simtailor.simulation.tdw.outputs import Answer, LostError
from simtailor.simulation.tdw.records import KEY
from simtailor.simulation.tdw.settings import ThreeDWorld

ADDRESS = "tcp://127.0.0.1"
SPOKEN = "1.13."  # versions of the build
LOOK_EVERY = 200  # milliseconds, whether it still lives
MOST_RESENDS = 10
FAREWELL = 10.0  # seconds for its end after it was asked
Command = dict[str, Any]


class NotStartedError(LostError):
    """The build was never ready."""


class Session:
    """The connection to one build.

    Args:
        settings: which build, and how long to wait for it.
        log: gets what a build prints that is started here.
        report: is told what the user should do or know.

    Raises:
        NotStartedError: it does not connect, or ends.
        UserError: it cannot be started, or the port is taken, or it is another version.
    """

    def __init__(self, settings: ThreeDWorld, log: Path, report: Callable[[str], None]) -> None:
        self._settings = settings
        self._child: Child | None = None
        self._socket = zmq.Context.instance().socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        try:
            port = self._bind()
            self._start(port, log, report)
            self._receive(settings.start_timeout, "it does not connect")  # its greeting
            answer = self.ask(
                [{"$type": "set_error_handling"}, {"$type": "send_version", "frequency": "once"}]
            )
            self.version, unity = answer.version()
            if not self.version.startswith(SPOKEN):
                raise UserError(
                    f"{KEY}.tdw.build: this build is version {self.version} of ThreeDWorld; needed "
                    f"is {SPOKEN}x, whose messages the package tdw reads"
                )
            report(f"ThreeDWorld {self.version}, Unity {unity}, is connected")
        except LostError as error:
            raise NotStartedError(f"{error}{self.kill()}") from error
        except BaseException:
            self.kill()
            raise

    def ask(self, commands: Sequence[Command]) -> Answer:
        """Send commands, and return the answer.

        Raises:
            LostError: none comes that can be read.
        """
        message = json.dumps(commands).encode()
        for _ in range(MOST_RESENDS):
            self._socket.send(message)
            answer = Answer(self._receive(self._settings.timeout))
            if not answer.wants_all_again:
                answer.check_quit()
                return answer
        raise LostError(f"it asked {MOST_RESENDS} times for the same commands")

    def close(self) -> None:
        """Ask the build to end, and see that it does."""
        if not self._socket.closed and (self._child is None or self._child.lives):
            self._socket.setsockopt(zmq.LINGER, 1000)
            try:
                self._socket.send(json.dumps([{"$type": "terminate"}]).encode())
            except zmq.ZMQError:
                pass  # it waits for no commands
            else:
                self._wait_for_end()
        self.kill()

    def kill(self) -> str:
        """End the build at once; return how it had ended, and the last that it printed."""
        self._socket.close()
        return "" if self._child is None else self._child.end()

    def _wait_for_end(self) -> None:
        until = time.monotonic() + FAREWELL
        while time.monotonic() < until and not self._socket.poll(LOOK_EVERY):
            if self._child is not None and not self._child.lives:
                return
        if self._child is not None:
            self._child.wait(max(0.0, until - time.monotonic()))

    def _bind(self) -> int:
        if self._settings.build is not None:
            return self._socket.bind_to_random_port(ADDRESS)
        port = self._settings.port
        try:
            self._socket.bind(f"{ADDRESS}:{port}")
        except zmq.ZMQError as error:
            raise UserError(
                f"{KEY}.tdw.port: {port} cannot be listened on ({error}). Where you start the "
                "build yourself, one job runs at a time: give --cores 1, or another port"
            ) from error
        return port

    def _start(self, port: int, log: Path, report: Callable[[str], None]) -> None:
        settings = self._settings
        if settings.build is None:
            report(
                f"waiting {settings.start_timeout:g} s for a build of ThreeDWorld; start it now: "
                f"./TDW.x86_64 -port {port}"
            )
            return
        # The port in one word with its option, as the package's controller gives it.
        words = [str(Path(settings.build).resolve()), *settings.arguments, f"-port {port}"]
        try:
            self._child = Child(words, log)
        except OSError as error:
            raise UserError(f"{KEY}.tdw.build: {settings.build} cannot be started: {error}") from (
                error
            )

    def _receive(self, seconds: float, otherwise: str = "it gave no sign of life") -> list[bytes]:
        until = time.monotonic() + seconds
        while not self._socket.poll(LOOK_EVERY):
            # What it sent last may have come after the look.
            if self._child is not None and not self._child.lives and not self._socket.poll(0):
                raise LostError("it ended")
            if time.monotonic() > until:
                raise LostError(f"{otherwise} within {seconds:g} s")
        return self._socket.recv_multipart()
