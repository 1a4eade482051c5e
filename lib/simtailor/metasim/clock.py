"""Seconds that a training took, those before an interruption included."""

from __future__ import annotations

import time


class Clock:
    """Runs from when it is made.

    Args:
        earlier: seconds before.
    """

    def __init__(self, earlier: float = 0.0) -> None:
        self._earlier, self._started = earlier, time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._earlier + time.perf_counter() - self._started

    def add(self, seconds: float) -> None:
        """Count seconds that a killed process took."""
        self._earlier += seconds
