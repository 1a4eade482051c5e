"""The lines of a run: one a job as it ends, and on a terminal one below them that moves."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from simtailor.console.durations import mean_durations, write_durations
from simtailor.console.events import (
    ENDED,
    ERROR,
    JOB,
    JOB_DONE,
    PLANNED,
    PROGRESS,
    STARTED,
    STATISTICS,
)
from simtailor.console.forecast import Forecast
from simtailor.console.words import clock, last_words, result_in, shortened, title_of
from simtailor.reporting import ERASE

WIDTH = 400  # of what a job says at its end
REFRESH = 1.0  # seconds between two looks of the moving line
SILENCE = 180.0  # seconds after which a file gets a sign of life
UNTOLD = "Nothing to be done: what was asked for is there, and up to date."


@dataclass
class RunningJob:
    """A job at work: what it does in words, its log, and when it began."""

    title: str
    log: str
    began: float


class Display:
    """Turns Snakemake's records into lines.

    Args:
        stream: where to.
        terminal: whether a line below may be written anew again and again.
        own: folder of Snakemake's package, whose remarks on what it does are left out.
        durations: file that keeps what jobs took, for the next run's time.
        now: the time in seconds.

    Attributes:
        silent: set, for all, as soon as a signal ends the run: nothing more is said.
    """

    silent = False

    def __init__(
        self,
        stream: TextIO,
        terminal: bool,
        own: str | Path,
        durations: str | Path,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._terminal, self._now = stream, terminal, now
        self._own, self._durations = os.path.join(own, ""), durations
        self._lock = threading.RLock()
        self._jobs: dict[int, RunningJob] = {}
        self._seen: set[int] = set()
        self._varied: Collection[str] = ()
        self._forecast = Forecast((), 1)
        self._began, self._said = now(), now()
        self._done, self._total, self._share = 0, 0, 0.0
        self._started, self._troubled = False, False
        self._waiting: list[str] = []
        self._moving, self._closed = "", threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    def feed(self, record: logging.LogRecord) -> None:
        """Take a record of Snakemake's logger."""
        event = getattr(record, "event", None)
        told = {
            STARTED: self._start,
            STATISTICS: self._count,
            PLANNED: self._plan,
            JOB: self._begin,
            JOB_DONE: self._end,
            PROGRESS: self._progress,
            ENDED: self._finish,
        }.get(event)
        with self._lock:
            if told is not None:
                told(record)
            elif event in (None, ERROR) or record.levelno >= logging.ERROR:
                self._remark(record)

    def close(self) -> None:
        """Say what was held back, and take the moving line away; a second time is nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._ticker.join()
        with self._lock:
            if not self._started:  # no run: what a command such as --lint or --unlock says
                for text in () if self._troubled else self._waiting:
                    self._say(text)
            elif not (self._total or self._troubled):
                self._say(UNTOLD)
            self._erase()
            measured = mean_durations(self._forecast.measured())
            if measured:
                with suppress(OSError):
                    write_durations(self._durations, measured)

    def look(self) -> None:
        """Write the moving line anew, or in a file a sign of life after a long silence."""
        with self._lock:
            if not self._jobs or self.silent:
                return
            if self._terminal:
                self._erase()
                self._moving = shortened(self._at_work(), shutil.get_terminal_size().columns - 1)
                self._write(self._moving)
            elif self._now() - self._said >= SILENCE:
                self._say(self._at_work())

    def _tick(self) -> None:
        while not self._closed.wait(REFRESH):
            self.look()

    def _start(self, record: logging.LogRecord) -> None:
        self._started = True
        self._waiting = []

    def _count(self, record: logging.LogRecord) -> None:
        """Take the number of jobs by rule; the last row is their sum."""
        self._total = record.stats["total"]

    def _plan(self, record: logging.LogRecord) -> None:
        self._varied = record.varied
        self._began = self._now()
        self._forecast = Forecast(record.jobs, record.capacity)
        self._total = len(record.jobs)
        jobs = f"{self._total} job{'s' if self._total > 1 else ''}"
        self._say(
            f"{jobs}, about {clock(self._forecast.left(self._began))} with {record.means}. "
            "Ctrl-C stops; the same command then goes on. Details: logs/"
        )

    def _begin(self, record: logging.LogRecord) -> None:
        number, now = record.jobid, self._now()
        # A rule without a message has nothing to do but to ask for others' files.
        title = title_of(record.rule_msg or "", record.wildcards, self._varied)
        if number in self._seen:
            self._say(f"once more: {title}")
        self._seen.add(number)
        self._jobs[number] = RunningJob(title, next(iter(record.log), ""), now)
        self._forecast.begin(number, record.rule_name, record.threads, now)

    def _end(self, record: logging.LogRecord) -> None:
        job, now = self._jobs.pop(record.job_id, None), self._now()
        self._forecast.end(record.job_id, now)
        self._done += 1
        if job is not None and job.title:
            result = shortened(result_in(job.log), WIDTH)
            took = clock(now - job.began)
            self._say(f"{self._stand()}  {job.title}, {took}{': ' if result else ''}{result}")

    def _progress(self, record: logging.LogRecord) -> None:
        self._done, self._total = record.done, record.total  # checkpoints add jobs

    def _finish(self, record: logging.LogRecord) -> None:
        jobs = f"{self._done} job{'s' if self._done != 1 else ''}"
        self._jobs = {}
        self._say(f"Done: {jobs} in {clock(self._now() - self._began)}.")
        for line in record.files:
            self._say(f"  {line}")

    def _remark(self, record: logging.LogRecord) -> None:
        """Tell warnings and errors, what plugins say, and what is said where nothing is run."""
        text = str(record.msg or "")
        if not text:
            return
        if record.levelno > logging.INFO:
            self._troubled = self._troubled or record.levelno >= logging.ERROR
            failed = getattr(record, "jobid", None)
            self._jobs.pop(failed, None)
            self._forecast.drop(failed)
            self._say(text)
        elif not record.pathname.startswith(self._own):
            self._say(text)
        elif not self._started:
            self._waiting.append(text)

    def _stand(self) -> str:
        now = self._now()
        left = clock(self._forecast.left(now)) if self._jobs or self._done < self._total else "0 s"
        # What is done stays done, also where the rest turns out to be more than expected.
        self._share = max(self._share, min(self._forecast.share(now), 0.99))
        share = 1 if self._done >= self._total else self._share
        digits = len(str(self._total))
        return f"[{self._done:{digits}}/{self._total} {share:4.0%} {left:>6} left]"

    def _at_work(self) -> str:
        """Return the stand and the job that has run longest, with its last words."""
        job = min(self._jobs.values(), key=lambda job: job.began)
        others = f" (and {len(self._jobs) - 1} more)" if len(self._jobs) > 1 else ""
        result = last_words(job.log)
        return f"{self._stand()}  now: {job.title}{others}{': ' if result else ''}{result}"

    def _say(self, text: str) -> None:
        if self.silent:
            return
        self._erase()
        self._write(f"{text}\n")
        self._said = self._now()

    def _erase(self) -> None:
        if self._moving and not self.silent:
            self._write(ERASE)
            self._moving = ""

    def _write(self, text: str) -> None:
        with suppress(OSError):  # whoever read has gone, as `head` does; the run goes on
            self._stream.write(text)
            self._stream.flush()
