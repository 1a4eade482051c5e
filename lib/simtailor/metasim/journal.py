"""What a preparation under way has found, so that one that is killed goes on from there."""

from __future__ import annotations

from typing import Any

from simtailor.metasim.checkpoint import Checkpoint
from simtailor.metasim.clock import Clock
from simtailor.metasim.counted import CountedRenderer

KEY = "preparation"  # of the checkpoint, while no epoch is over


class Journal:
    """Findings by name: tensors, numbers and strings, or dictionaries and lists of them.

    Args:
        file: where they are kept.
        renderer: whose count of renders is a part of the result.
        clock: of the training.
        state: of a checkpoint that an interrupted training left, or None.
    """

    def __init__(
        self,
        file: Checkpoint,
        renderer: CountedRenderer,
        clock: Clock,
        state: dict[str, Any] | None,
    ) -> None:
        self._file, self._renderer, self._clock = file, renderer, clock
        self._found: dict[str, Any] = (state or {}).get(KEY, {})
        if self._found:
            clock.add(max(entry["seconds"] for entry in self._found.values()))

    def recall(self, name: str) -> Any:
        """Return what was kept under a name, or None; the count of renders is as it was then."""
        entry = self._found.get(name)
        if entry is None:
            return None
        self._renderer.renders = entry["renders"]
        return entry["value"]

    def keep(self, name: str, value: Any) -> None:
        """Keep a finding, in place of what had the same name."""
        renders, seconds = self._renderer.renders, self._clock.seconds
        self._found[name] = {"value": value, "renders": renders, "seconds": seconds}
        self._file.write({KEY: self._found})
