"""The run of this process that is tracked, if one is."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simtailor.tracking.registry import NONE, Tracker, find_tracker

FOLDER = Path("logs/tracking")
# Tells processes that a job starts for its training what is tracked.
INHERITED = "SIMTAILOR_TRACKING"
_RUNS: list[_Run] = []  # the innermost last


class _Run:
    """A run whose tracker is opened with its first values."""

    def __init__(
        self, name: str, run: str, settings: Mapping[str, Any], report: Callable[[str], None]
    ) -> None:
        self._name, self._run, self._settings, self._report = name, run, settings, report
        self._make, self._tracker = find_tracker(name), None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        finite = {key: float(v) for key, v in values.items() if math.isfinite(v)}
        if self._make is not None and finite:
            self._guarded(lambda: self._opened(self._make).log(step, finite))

    def close(self) -> None:
        if self._tracker is not None:
            self._guarded(self._tracker.close)

    def _opened(self, make: type[Tracker]) -> Tracker:
        if self._tracker is None:
            self._tracker = make(FOLDER / self._name, self._run, self._settings)
        return self._tracker

    def _guarded(self, act: Callable[[], None]) -> None:
        """Act; what a tracker cannot do must not end a training."""
        try:
            act()
        except Exception as error:
            self._make = self._tracker = None
            self._report(
                f"warning: nothing more is tracked: {self._name}: {type(error).__name__}: {error}"
            )


def track(step: int, values: Mapping[str, float]) -> None:
    """Give values by name, at a step, to the tracker of this run; do nothing where none is."""
    if _RUNS:
        _RUNS[-1].log(step, values)


@contextmanager
def tracked(
    name: str, run: str, settings: Mapping[str, Any], report: Callable[[str], None]
) -> Iterator[None]:
    """Give what is tracked within the block to a tracker.

    Args:
        name: of the tracker, or ``none``.
        run, settings: as of ``Tracker``.
        report: is told what goes wrong.
    """
    if name == NONE:
        yield
        return
    plain = json.loads(json.dumps(dict(settings), default=str))
    opened = _Run(name, run, plain, report)
    os.environ[INHERITED] = json.dumps({"name": name, "run": run, "settings": plain})
    _RUNS.append(opened)
    try:
        yield
    finally:
        _RUNS.pop()
        del os.environ[INHERITED]
        opened.close()


@contextmanager
def tracked_by_parent(report: Callable[[str], None]) -> Iterator[None]:
    """Track what the process that started this one tracks."""
    told = os.environ.get(INHERITED)
    if told is None:
        yield
        return
    with tracked(**json.loads(told), report=report):
        yield
    os.environ[INHERITED] = told
