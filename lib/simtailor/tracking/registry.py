"""The trackers. A new one is a file in ``simtailor.tracking.trackers`` with a registered class:

    @register_tracker("mine", installed=find_spec("mine") is not None)
    class Mine(Tracker):
        ...

The name is that of the extra of pyproject.toml, too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simtailor.discovery import import_modules_of
from simtailor.errors import UserError, nearest_name

NONE = "none"


class Tracker(ABC):
    """Takes the values of one run.

    Args:
        folder: of this tracker's files.
        run: name of the run, with / between its parts; a run of this name that is there goes on.
        settings: of the run, plain values.
    """

    @abstractmethod
    def __init__(self, folder: Path, run: str, settings: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take finite values by name at a step, such as an epoch."""

    @abstractmethod
    def close(self) -> None:
        """Write what is not written yet."""


@dataclass(frozen=True)
class RegisteredTracker:
    """A tracker's class, and whether the package is there that it needs."""

    make: type[Tracker]
    installed: bool


_TRACKERS: dict[str, RegisteredTracker] = {}


def register_tracker(name: str, *, installed: bool) -> Callable[[type[Tracker]], type[Tracker]]:
    """Register a tracker's class under a name."""

    def register(make: type[Tracker]) -> type[Tracker]:
        _TRACKERS[name] = RegisteredTracker(make, installed)
        return make

    return register


def tracker_names() -> list[str]:
    """Return what the key ``tracking`` may be."""
    import_modules_of("simtailor.tracking.trackers")
    return [NONE, *sorted(_TRACKERS)]


def check_name(name: str) -> str:
    """Return the name of a tracker.

    Raises:
        ValueError: there is none of that name.
    """
    known = tracker_names()
    if name not in known:
        raise ValueError(
            f"there is no tracker '{name}'; there are: {', '.join(known)}."
            f"{nearest_name(name, known)}"
        )
    return name


def find_tracker(name: str) -> type[Tracker] | None:
    """Return a tracker's class; None for ``none``.

    Raises:
        UserError: its package is not installed.
    """
    if check_name(name) == NONE:
        return None
    if not _TRACKERS[name].installed:
        raise UserError(
            f"'{name}' needs a package that is not installed. Install it by "
            f"SIMTAILOR_EXTRAS={name} ./run ... (in an environment of your own: "
            f"pip install -c constraints.txt -e '.[{name}]'), or set tracking: none"
        )
    return _TRACKERS[name].make
