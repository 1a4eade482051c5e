"""Looks through the results and writes the page."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

from simtailor.browse.registry import Results, all_sections
from simtailor.files import staged

ASSETS = Path(__file__).parent / "assets"
PAGE, BESIDE = "index.html", "index"
SECONDS = ".seconds"  # beside the page: how long its writing took
SHARE = 0.05  # of the time of a run that jobs may write pages


def write_page(results: str | Path) -> Path:
    """Write ``index.html`` into the folder of the results, and thumbnails into ``index``.

    It only reads what is there, and makes sheets of thumbnails for sets that have none yet.
    Several jobs may do so at once: they wait for each other.

    Returns:
        the page's path.
    """
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    galleries = folder / BESIDE / "galleries"
    galleries.mkdir(parents=True, exist_ok=True)
    with _in_turn(folder / BESIDE / ".lock"):
        started = time.monotonic()
        found = Results(folder, galleries, [], set())
        sections = []
        for one in all_sections():
            entries = one.scan(found)
            if entries:
                sections.append({"name": one.name, "title": one.title, "entries": entries})
        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        data = {"made": made, "sections": sections, "problems": found.problems}
        with staged(folder / PAGE) as staging:
            staging.write_text(_page_of(data), encoding="utf-8")
        for unused in galleries.iterdir():  # of sets that were made anew
            if unused.name not in found.used:
                shutil.rmtree(unused, ignore_errors=True)
        (folder / BESIDE / SECONDS).write_text(f"{time.monotonic() - started:.3f}\n")
    return folder / PAGE


def refresh_page(results: str | Path, report: Callable[[str], None]) -> None:
    """Write the page at the end of a job, whose result must not be lost for want of it."""
    try:
        write_page(results)
    except Exception as error:
        report(f"the page {Path(results) / PAGE} was not written: {type(error).__name__}: {error}")


def written_lately(results: str | Path) -> bool:
    """Return whether a job may leave the page as it is, for a later job or the end of the run.

    A page looks at all results: of thousands of sets it takes seconds, and each set's job would
    write it anew.
    """
    try:
        age = time.time() - (Path(results) / PAGE).stat().st_mtime
        took = float((Path(results) / BESIDE / SECONDS).read_text())
    except (OSError, ValueError):
        return False
    return 0 <= age < took / SHARE


@contextmanager
def _in_turn(path: Path) -> Iterator[None]:
    """Wait until no other process writes the page; without locks, go on."""
    with open(path, "w") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _page_of(data: dict[str, Any]) -> str:
    """Return the page with its data, style and program in it."""
    # "<" would let a name end the element that holds the data.
    inlined = json.dumps(data, separators=(",", ":"), default=str).replace("<", "\\u003c")
    program = [ASSETS / "page.js", *sorted((ASSETS / "views").glob("*.js")), ASSETS / "start.js"]
    return Template((ASSETS / "page.html").read_text()).substitute(
        style=(ASSETS / "page.css").read_text(),
        data=inlined,
        program="\n".join(path.read_text() for path in program),
    )
