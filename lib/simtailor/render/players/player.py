"""Starts a player, tells whether it lives, and ends it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from simtailor.render.children import Child
from simtailor.render.program.protocol import FaultError, LostError

FAREWELL = 3.0  # seconds for its end after it was told


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
        try:
            self._child = Child(words, log)
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
        if not self._child.lives:
            raise LostError("it has ended")

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._child.lives

    def end(self) -> str:
        """End it at once; return how it had ended, and its last words."""
        return self._child.end()

    def leave(self) -> bool:
        """Wait for its end, which it was told of; return whether it ended by itself."""
        ended = self._child.wait(FAREWELL)
        self._child.kill()
        return ended

    def kill(self) -> None:
        """End it at once, with all that it started."""
        self._child.kill()


def lost_text(times: int, where: str, why: str) -> str:
    """Return what is said of a player that was lost so often at the same scenes."""
    often = "once" if times == 1 else f"{times} times"
    return f"it was lost {often} at {where}: {why}"
