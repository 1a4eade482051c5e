"""Starts a player, tells whether it lives, and ends it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from simtailor.render.child import ChildProcess
from simtailor.render.program.protocol import FaultError, LostError


class Player:
    """A started player.

    A guard ends it when this process dies. Unity writes what it says to the file that
    ``-logFile`` names; what it prints goes there, too.

    Args:
        build: the executable.
        arguments: of it.
        log: gets what it says.

    Raises:
        FaultError: it cannot be started.
    """

    def __init__(self, build: str, arguments: Sequence[str], log: Path) -> None:
        words = [os.path.abspath(build), *arguments, "-logFile", str(log.absolute())]
        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        try:
            self._child = ChildProcess(words, Path(words[0]).parent, log, environment, guarded=True)
        except OSError as error:
            raise FaultError(f"it cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._child.pid

    def check(self) -> None:
        """Check that it lives.

        Raises:
            LostError: it does not.
        """
        if self._child.poll() is not None:
            raise LostError("it has ended")

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def end(self) -> str:
        """End it at once; return how it had ended, and its last words."""
        return self._child.end()

    def close(self, ask: bool = True) -> int | None:
        """End it; return its status, None if it had to be killed.

        Args:
            ask: whether to ask by a signal; otherwise it knows that it is to end.
        """
        if ask:
            self._child.terminate()
        return self._child.leave()


def lost_text(times: int, where: str, why: str) -> str:
    """Return what is said of a player that was lost so often at the same scenes."""
    often = "once" if times == 1 else f"{times} times"
    return f"it was lost {often} at {where}: {why}"
