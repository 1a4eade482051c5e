"""The file that players write what they say to."""

from __future__ import annotations

import tempfile
from pathlib import Path

from simtailor.render.description import RenderMachine


class PlayerLog:
    """A log beside that of the job, or in a temporary folder where the job has none.

    Attributes:
        path: of the file, which is empty at first.
    """

    def __init__(self, machine: RenderMachine) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if machine.log is not None:
            self.path = machine.log.with_suffix(f".player{machine.log.suffix}")
        else:
            self._temporary = tempfile.TemporaryDirectory(prefix="simtailor-")
            self.path = Path(self._temporary.name) / "player.log"
        self.path.write_bytes(b"")

    def of(self, player: int) -> Path:
        """Return the file of one of several players, since each begins its own anew."""
        if not player:
            return self.path
        return self.path.with_name(f"{self.path.stem}-{player + 1}{self.path.suffix}")

    @property
    def hint(self) -> str:
        """Where to read on, for error messages; empty where the file does not stay."""
        return "" if self._temporary else f" What it said is in {self.path}."

    def close(self) -> None:
        """Remove what is temporary."""
        if self._temporary is not None:
            self._temporary.cleanup()
