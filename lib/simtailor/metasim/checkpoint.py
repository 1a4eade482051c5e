"""The state of a training under way, and its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from simtailor.files import staged


class Checkpoint:
    """A file that a killed training goes on from.

    Args:
        path: of the file; None keeps nothing.
        fingerprint: of all that the training depends on; a file with another one is not read.
    """

    def __init__(self, path: str | Path | None, fingerprint: str) -> None:
        self.path = None if path is None else Path(path)
        self.fingerprint = fingerprint

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file; a process that is killed meanwhile leaves the old one."""
        if self.path is not None:
            with staged(self.path) as staging:
                torch.save({"fingerprint": self.fingerprint, **state}, staging)

    def read(self, report: Callable[[str], None]) -> dict[str, Any] | None:
        """Return the state of an interrupted training of the same settings, or None."""
        if self.path is None or not self.path.exists():
            return None
        try:
            # To the CPU: loading into generator and optimiser moves what belongs elsewhere.
            state = torch.load(self.path, weights_only=True, map_location="cpu")
        except Exception as error:
            report(f"{self.path} cannot be read ({error}); starting anew")
            return None
        if state.pop("fingerprint") != self.fingerprint:
            report(f"{self.path} belongs to other settings; starting anew")
            return None
        return state
