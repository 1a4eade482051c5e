"""Progress of a long job: lines on the terminal and in the job's log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def reporter(log: str | Path, name: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that writes a line to ``log`` and, after ``name``, to standard error."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", buffering=1, encoding="utf-8", errors="backslashreplace") as file:

        def report(line: str) -> None:
            file.write(f"{line}\n")
            print(f"{name}: {line}", file=sys.stderr, flush=True)

        try:
            yield report
        except Exception as error:
            report(f"failed: {error}")
            raise
