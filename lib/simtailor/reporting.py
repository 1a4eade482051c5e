"""Progress and failure of a long job: lines on the terminal and in the job's log."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from simtailor.errors import UserError

FAILED = "failed: "
INTERRUPTED = 130  # the status of a shell whose command was interrupted


class Reporter:
    """Writes a line to the log of a job and, after a name, to standard error.

    Attributes:
        log: path of the log.
    """

    def __init__(self, file: IO[str], log: Path, name: str) -> None:
        self._file, self.log, self._name = file, log, name

    def __call__(self, line: str) -> None:
        self._file.write(f"{line}\n")
        print(f"{self._name}: {line}", file=sys.stderr, flush=True)


@contextmanager
def reporter(log: str | Path, name: str) -> Iterator[Reporter]:
    """Yield what writes a line to ``log`` and, after ``name``, to standard error.

    An error ends the process with status 1. Of a ``UserError`` the terminal gets its message
    alone, and the log before it the traceback of its cause, if it has one: a fault of our own may
    lie behind a file that seems damaged. Of every other exception both get the traceback and what
    to do with it.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", buffering=1, encoding="utf-8", errors="backslashreplace") as file:
        report = Reporter(file, Path(log), name)
        try:
            yield report
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except UserError as error:
            if error.__cause__ is not None:
                traceback.print_exception(error.__cause__, file=file)
            report(f"{FAILED}{error}")
            raise SystemExit(1) from None
        except Exception as error:
            report(traceback.format_exc().rstrip())
            report(
                f"{FAILED}{type(error).__name__}: {error}\nsimtailor did not foresee this. "
                f"If your input is not to blame, please report it with the file {log}."
            )
            raise SystemExit(1) from None


def failure_in(log: str | Path, since: float) -> str | None:
    """Return why a job failed, as ``reporter`` wrote it; None where the log does not say.

    Args:
        log: the job's log.
        since: seconds of the epoch; an older log is of another run.
    """
    try:
        if Path(log).stat().st_mtime < since:
            return None
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    first = [i for i, line in enumerate(lines) if line.startswith(FAILED)]
    return "\n".join(lines[first[-1] :]).removeprefix(FAILED) if first else None
