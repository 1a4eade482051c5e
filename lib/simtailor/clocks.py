"""Machines whose clocks differ, on file systems that take the times of files from the writer.

Snakemake refuses and deletes a result that is older than what it was made of, as one from a machine
whose clock is behind may be: hours of work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

MOST = 900.0  # seconds to wait; a cluster whose clocks differ by more does not work at all
STAMP = ".snakemake_timestamp"  # in a folder; holds the folder's time


def wait_for_times(
    inputs: Iterable[str | Path], output: str | Path, report: Callable[[str], None]
) -> None:
    """Wait until what is written now is newer than all inputs.

    Args:
        inputs: files and folders; those that are absent count as old.
        output: a result; beside it a file is written to see its time.
        report: is told of a wait.
    """
    newest = max((_time_of(Path(path)) for path in inputs), default=0.0)
    until = time.monotonic() + MOST
    told = False
    while (behind := newest - _time_now(Path(output).parent)) > 0 and time.monotonic() < until:
        if not told:
            report(
                f"what is written here has times {behind:.0f} s before those of what it is made "
                "of, so the clocks of the machines differ; waiting, or the result would be refused"
            )
            told = True
        time.sleep(min(behind + 1, 10))


def _time_of(path: Path) -> float:
    for one in (path / STAMP, path):
        if one.exists():
            return one.stat().st_mtime
    return 0.0


def _time_now(folder: Path) -> float:
    """Return the time that a file gets that is written into a folder now."""
    path = folder / f".clock-{os.getpid()}"
    path.write_bytes(b"")
    try:
        return path.stat().st_mtime
    finally:
        path.unlink()
