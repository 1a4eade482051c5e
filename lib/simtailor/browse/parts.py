"""What all sections read: folders, summaries, figures and tables."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from simtailor.browse.registry import Entry, Results
from simtailor.errors import UserError
from simtailor.files import read_json
from simtailor.simulation.names import set_in_words, set_of
from simtailor.simulation.parameters import PARAMETER_NAMES, SimulationParameters

MOST_ROWS = 400  # of a table on the page; the file has all
# What a folder that is not as it should be makes a section raise.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, UserError)


def folders(results: Results, *parts: str) -> Iterator[Path]:
    """Yield the finished folders in a folder of the results, sorted by name."""
    yield from sorted(
        path
        for path in results.folder.joinpath(*parts).glob("*")
        if path.is_dir() and not path.name.startswith(".")
    )


def entries_of(results: Results, found: Iterator[Path], read: Callable[[Path], Entry]) -> list:
    """Return an entry for each path; what cannot be read is noted as a problem."""
    entries = []
    for path in found:
        try:
            entries.append(read(path))
        except UNREADABLE as error:
            kind = type(error).__name__
            results.problems.append(f"{path} cannot be shown: {kind}: {error}")
    return entries


def address(results: Results, path: Path) -> str:
    """Return a path as the page names it."""
    return path.relative_to(results.folder).as_posix()


def figures_in(results: Results, folder: Path, *patterns: str) -> list[dict[str, str]]:
    """Return the figures of a folder, first those of the first pattern."""
    paths = [p for pattern in patterns or ("*.png", "*.gif") for p in sorted(folder.glob(pattern))]
    return [
        {"file": address(results, path), "title": path.stem.replace("_", " ")} for path in paths
    ]


def tables_in(results: Results, folder: Path, *patterns: str) -> list[dict[str, Any]]:
    """Return the CSV files of a folder: file, title, columns, rows, and how many rows there are."""
    found = []
    for path in (p for pattern in patterns or ("*.csv",) for p in sorted(folder.glob(pattern))):
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            columns, *rows = list(csv.reader(file)) or [[]]
        found.append(
            {
                "file": address(results, path),
                "title": path.stem.replace("_", " "),
                "columns": columns,
                "rows": rows[:MOST_ROWS],
                "count": len(rows),
            }
        )
    return found


def summary_of(folder: Path, name: str = "summary.json") -> dict[str, Any]:
    """Return a folder's summary; empty where it has none."""
    path = folder / name
    return read_json(path) if path.exists() else {}


def facts_of(values: dict[str, Any]) -> list[list[Any]]:
    """Return the plain values among others, as rows of name and value."""
    return [
        [name.replace("_", " "), value]
        for name, value in values.items()
        if isinstance(value, (str, int, float)) and name not in ("verdict", "description")
    ]


def titles_of_sets(names: Iterable[str]) -> dict[str, str]:
    """Return what sets or their backbones are called, by the parameters in which they differ."""
    names = list(names)
    values = [SimulationParameters.parse(set_of(name)).as_tuple() for name in names]
    varied = [
        name
        for name, of_all in zip(PARAMETER_NAMES, zip(*values, strict=True), strict=False)
        if len(set(of_all)) > 1
    ]
    return {name: set_in_words(name, varied) for name in names}
