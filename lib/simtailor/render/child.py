"""A process that draws for us: its start, its last words, and its end with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

GUARD = Path(__file__).parent / "players" / "guard.py"
FAREWELL = 3.0  # seconds for its end after it was asked
DYING = 0.5  # seconds in which what has closed its connections is gone
LAST_WORDS = 300  # characters of what it printed last


class ChildProcess:
    """A started process, the first of a group of its own.

    Args:
        words: of the command.
        folder: that it runs in.
        log: gets what it prints.
        environment: its variables.
        guarded: whether a guard ends it when this process dies, since it would not do so itself.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        words: Sequence[str],
        folder: str | Path,
        log: Path,
        environment: Mapping[str, str],
        guarded: bool = False,
    ) -> None:
        self._log, self._killed = log, False
        watched, self._lifeline = os.pipe() if guarded else (-1, -1)
        guard = [sys.executable, "-I", "-S", str(GUARD), str(watched)] if guarded else []
        try:
            with open(log, "ab") as file:
                self._printed_before = file.tell()
                self._process = subprocess.Popen(
                    [*guard, *words],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=environment,
                    start_new_session=True,
                    pass_fds=(watched,) if guarded else (),
                )
        except BaseException:
            self._cut_lifeline()
            raise
        finally:
            if guarded:
                os.close(watched)

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return its status, None while it lives."""
        return self._process.poll()

    def end(self) -> str:
        """End it at once, with all that it started; return how it had ended, and its last words."""
        with suppress(subprocess.TimeoutExpired):
            # What closed its connection needs a moment to be gone; what hangs does not end.
            self._process.wait(DYING)
        code = self._process.poll()
        self.kill()
        text = ""
        if code is not None:
            text = f"; it ended with status {code}"
            if code < 0:
                text = f"; it was ended by {signal.Signals(-code).name}"
        words = self._last_words()
        return text + (f"; the last that it printed: {words}" if words else "")

    def leave(self) -> int | None:
        """Wait for its end after it was asked, end it otherwise; return its status by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(FAREWELL)
        code = self._process.poll()
        self.kill()
        return code

    def terminate(self) -> None:
        """Ask it to end, by a signal; ``leave`` waits for that."""
        with suppress(ProcessLookupError, PermissionError):
            if not self._killed:
                os.killpg(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it with all that it started."""
        if not self._killed:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._killed = True  # another process may have its number now
        self._cut_lifeline()

    def _cut_lifeline(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _last_words(self) -> str:
        try:
            with open(self._log, "rb") as file:
                end = file.seek(0, os.SEEK_END)
                start = self._printed_before if end >= self._printed_before else 0  # begun anew
                file.seek(max(start, end - 10 * LAST_WORDS))
                printed = file.read().decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        return lines[-1][:LAST_WORDS] if lines else ""
