"""Progress and failure of a long job: lines on the terminal and in the job's log."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from simtailor.disks import want_of_space
from simtailor.errors import UserError

FAILED = "failed: "
WARNING = "warning: "  # of a library
# Set where something else shows what jobs do, by the ends of their logs.
ONLY_FAILURES = "SIMTAILOR_ONLY_FAILURES"
ERASE = "\r\x1b[K"  # takes a terminal's line away
INTERRUPTED = 130  # the status of a shell whose command was interrupted


class Reporter:
    """Writes a line to the log of a job and, after a name, to standard error.

    Attributes:
        log: path of the log.
    """

    def __init__(self, file: TextIO, log: Path, name: str) -> None:
        self._file, self.log, self._name = file, log, name

    def __call__(self, line: str) -> None:
        """Write a line to the log, and where no console shows the run to standard error."""
        self.note(line)
        if ONLY_FAILURES not in os.environ:
            self._tell(line)

    def fail(self, line: str) -> None:
        """Write a line of what ends the job to the log and to standard error."""
        self.note(line)
        self._tell(line)

    def note(self, text: str) -> None:
        """Write a line to the log alone, which is no reason to fail where its disk is full."""
        with suppress(OSError):
            self._file.write(f"{text}\n")

    def _tell(self, line: str) -> None:
        say(f"{self._name}: {line}")


@contextmanager
def reporter(log: str | Path, name: str) -> Iterator[Reporter]:
    """Yield what writes a line to ``log`` and, after ``name``, to standard error.

    Where the console of simtailor shows the run, standard error gets failures alone. What
    libraries warn of goes to the log.

    An error ends the process with status 1. Of a ``UserError`` the terminal gets its message
    alone, and the log before it the traceback of its cause, if it has one: a fault of our own may
    lie behind a file that seems damaged. Of every other exception both get the traceback and what
    to do with it.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with _opened(log) as file:
        report = Reporter(file, Path(log), name)
        try:
            with _warnings_to(file):
                yield report
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except UserError as error:
            if error.__cause__ is not None:
                report.note("".join(traceback.format_exception(error.__cause__)).rstrip())
            report.fail(f"{FAILED}{error}")
            raise SystemExit(1) from None
        except Exception as error:
            named = error.filename if isinstance(error, OSError) else None
            if full := want_of_space(error, named or log):
                report.fail(f"{FAILED}{full}")
                raise SystemExit(1) from None
            report.fail(traceback.format_exc().rstrip())
            report.fail(
                f"{FAILED}{type(error).__name__}: {error}\nsimtailor did not foresee this. "
                f"If your input is not to blame, please report it with the file {log}."
            )
            raise SystemExit(1) from None


@contextmanager
def _opened(log: str | Path) -> Iterator[TextIO]:
    """Yield the log; what a full disk kept from it is lost."""
    file = open(log, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def say(text: str, stream: TextIO | None = None) -> None:
    """Write lines to a stream, in place of the console's moving line on a terminal.

    Args:
        stream: standard error where it is not given.
    """
    stream = stream or sys.stderr
    with suppress(OSError):  # it may be a file on a full disk
        print(f"{ERASE if stream.isatty() else ''}{text}", file=stream, flush=True)


@contextmanager
def _warnings_to(file: TextIO) -> Iterator[None]:
    """Write to a file what libraries warn of, by Python's warnings or its logging."""
    handler, root = logging.StreamHandler(file), logging.getLogger()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_OneLine())
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)


class _OneLine(logging.Formatter):
    """Puts a warning into one line, so that the log's other lines are the job's own."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{WARNING}{' '.join(super().format(record).split())}"


def failure_in(log: str | Path) -> str | None:
    """Return why a job failed, as ``reporter`` wrote it; None where the log does not say."""
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    first = [i for i, line in enumerate(lines) if line.startswith(FAILED)]
    return "\n".join(lines[first[-1] :]).removeprefix(FAILED) if first else None
