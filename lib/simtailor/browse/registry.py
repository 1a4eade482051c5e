"""The sections of the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simtailor.discovery import import_modules_of

Entry = dict[str, Any]
Scan = Callable[["Results"], list[Entry]]


@dataclass(frozen=True)
class Section:
    """A kind of result.

    Attributes:
        name: in addresses, and of the view that draws it; title: for people.
        place: sections stand in this order.
        scan: returns an entry for each result that is there, plain values. Every entry has
            ``id`` and ``title``; ``verdict``, ``good`` (true, false or absent), ``figures`` and
            ``tables`` are drawn alike everywhere.
    """

    name: str
    title: str
    place: int
    scan: Scan


@dataclass
class Results:
    """The folder of the results while it is looked through.

    Attributes:
        folder: of the results; galleries: of the thumbnails, below it.
        problems: sentences on what could not be read.
        used: names of the galleries that the page shows.
    """

    folder: Path
    galleries: Path
    problems: list[str]
    used: set[str]


SECTIONS: dict[str, Section] = {}


def section(name: str, title: str, place: int) -> Callable[[Scan], Scan]:
    """Register the function that looks for one kind of result."""

    def register(scan: Scan) -> Scan:
        SECTIONS[name] = Section(name, title, place, scan)
        return scan

    return register


def all_sections() -> list[Section]:
    """Return the sections in their order; every module of ``sections`` is imported."""
    import_modules_of("simtailor.browse.sections")
    return sorted(SECTIONS.values(), key=lambda one: one.place)
