"""A simulator that was not written for simtailor, as a child process that leaves with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
LAST_WORDS = 300  # characters of what it printed last
SETTLES = 0.5  # seconds for what closed its connection to be gone


class Child:
    """A started command, which ends when this process does, however that ends.

    Args:
        words: of the command.
        log: gets what it prints.
        environment: variables beside those of this process.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, words: Sequence[str], log: Path, environment: dict[str, str] | None = None
    ) -> None:
        self._log = log
        with open(log, "ab") as file:
            self._printed_before = file.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *words],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Number of the group of its processes."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.lives

    def kill(self) -> None:
        """End it with all that it started."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()

    def end(self) -> str:
        """End it at once; return how it had ended, and the last that it printed."""
        self.wait(SETTLES)
        code = self._process.poll()
        self.kill()
        return end_in_words(code, last_words(self._log, self._printed_before))


def end_in_words(code: int | None, words: str) -> str:
    """Return how a process ended, and its last words, as the rest of a sentence.

    Args:
        code: its status, below 0 of a signal, None where it had not ended.
    """
    text = ""
    if code is not None:
        text = f"; it ended with status {code}"
        if code < 0:
            text = f"; it was ended by {signal.Signals(-code).name}"
    return text + (f"; the last that it printed: {words}" if words else "")


def last_words(log: Path, start: int) -> str:
    """Return the last line that was printed to a log from a place on."""
    try:
        with open(log, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            begun = start if start <= end else 0  # some begin their log anew
            file.seek(max(begun, end - 10 * LAST_WORDS))
            printed = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1][:LAST_WORDS] if lines else ""
