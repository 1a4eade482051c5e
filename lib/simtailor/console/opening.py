"""What there is to open after a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from simtailor.browse.page import PAGE
from simtailor.errors import first_of
from simtailor.files import read_json

PICTURES, TABLES = (".png", ".gif", ".svg"), (".json", ".csv", ".yaml", ".md")
MOST_TARGETS, MOST_FILES = 6, 6


def what_to_open(targets: Iterable[str], results: str | Path) -> list[str]:
    """Return lines with the files that were asked for, and what they say.

    Args:
        targets: paths; those outside ``results`` are not told.
        results: folder of the results.
    """
    results = Path(results)
    page = results / PAGE
    asked = dict.fromkeys(map(Path, targets))
    inside = [p for p in asked if p.is_relative_to(results) and p != page]
    lines = [f"{page}  all results on one page, for a browser"] if page.exists() else []
    for path in inside[:MOST_TARGETS]:
        lines.append(f"{path}{_content_of(path)}")
        verdict = _verdict_of(path)
        lines += [f"  {verdict}"] if verdict else []
    if len(inside) > MOST_TARGETS:
        lines.append(f"and {len(inside) - MOST_TARGETS} more in {results}")
    return ["To open:", *lines] if lines else []


def _content_of(path: Path) -> str:
    """Return the names of a folder's pictures and tables."""
    if not path.is_dir():
        return ""
    names = sorted(file.name for file in path.iterdir() if not file.name.startswith("."))
    told = [name for kind in (PICTURES, TABLES) for name in names if name.endswith(kind)]
    return f"/  {first_of(told, MOST_FILES)}" if told else "/"


def _verdict_of(path: Path) -> str | None:
    try:
        return read_json(path / "summary.json").get("verdict")
    except (OSError, ValueError, AttributeError):
        return None
