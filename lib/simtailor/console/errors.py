"""What Snakemake says on the terminal when something goes wrong: the user's side of it.

Snakemake tells of an error through its logger, with the names of its own exceptions, tracebacks
and banners. A filter on that logger puts one paragraph in their place.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from simtailor.console.events import ERROR, GROUP_ERROR, JOB, JOB_ERROR, STARTED
from simtailor.disks import full_disk, is_full
from simtailor.errors import UserError
from simtailor.reporting import failure_in

# Names of Snakemake's exceptions; this library does not import it.
NO_RULE, LOCKED = "MissingRuleException", "LockException"
OTHER = "WorkflowError"
KEPT = "What is finished is kept: after the fix, give the same command again."
# States of Slurm's jobs, and what they mean for a job that has said nothing.
STATES = {
    "TIMEOUT": "its time was over. If further attempts, which have more, fail too: "
    "--set-resources {rule}:runtime=MINUTES. What such jobs took says ./run snakemake needs.",
    "OUT_OF_MEMORY": "it needed more memory than it had asked for. If further attempts, which have "
    "more, fail too: --set-resources {rule}:mem_mb=MB. What such jobs took says ./run snakemake "
    "needs.",
    "CANCELLED": "somebody cancelled it, or the cluster did.",
    "NODE_FAIL": "its node failed.",
}


class Console(logging.Filter):
    """A filter on Snakemake's logger.

    - The banner, what is said after ``later`` and the line after the banner wait until the plan
      stands, and are left out where planning fails.
    - An exception that a ``UserError`` stands behind becomes that error's message.
    - A failed job becomes one line with rule and log; before it comes the reason, where the job
      ran on another machine and has not told it here. That the run ends is said after all.
    - After ``silence`` nothing more is said.

    Args:
        logger: Snakemake's.
        unknown_target: returns a message about the targets that no rule makes.
        locked: returns a message about the process that works in this folder.
    """

    def __init__(
        self,
        logger: logging.Logger,
        unknown_target: Callable[[], str],
        locked: Callable[[], str],
    ) -> None:
        super().__init__()
        self._logger = logger
        # By clocks it cannot be told whether a log is of this run: they differ between machines.
        self._former: dict[str, tuple[int, int] | None] = {}
        self._grouped: set[int] = set()
        self._explained = {NO_RULE: unknown_target, OTHER: unknown_target, LOCKED: locked}
        self._waiting: list[logging.LogRecord] = []
        self._planning, self._failed, self._silent = True, False, False
        for former in [f for f in logger.filters if isinstance(f, Console)]:
            logger.removeFilter(former)
        logger.addFilter(self)

    def later(self, warning: str) -> None:
        """Say something that matters only if the plan stands."""
        if self._planning:
            name = self._logger.name
            record = logging.LogRecord(name, logging.WARNING, "", 0, warning, None, None)
            self._waiting.append(record)
        else:
            self._logger.warning(warning)

    def silence(self) -> None:
        """Say nothing more."""
        self._silent = True

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is told; it may be changed."""
        if self._silent:
            return False
        event = getattr(record, "event", None)
        if event == ERROR:
            return self._of_exception(record, sys.exc_info()[1])
        if event == JOB:
            self._former |= {log: _state(log) for log in record.log}
        if event == JOB_ERROR:
            return self._of_job(record)
        if event == GROUP_ERROR:
            self._grouped |= {job["jobid"] for job in record.job_error_info}
            where = " and ".join(record.aux_logs)
            record.msg = f"Jobs that ran together failed.{f' See {where}.' if where else ''}"
            record.event = None
        if self._failed and event is None and record.levelno == logging.ERROR:
            self._failed = False
            record.msg = KEPT  # that a job failed is said already
            return True
        if self._planning and self._waits(record, event):
            self._waiting.append(record)
            return False
        self._tell_waiting()
        return True

    def _waits(self, record: logging.LogRecord, event: str | None) -> bool:
        """Return whether a record is the banner or the one line after it."""
        if event == STARTED:
            return True
        after_banner = any(getattr(r, "event", None) == STARTED for r in self._waiting[-1:])
        return after_banner and event is None and record.levelno == logging.INFO

    def _tell_waiting(self) -> None:
        started = any(getattr(record, "event", None) == STARTED for record in self._waiting)
        if started:
            self._planning = False
            waiting, self._waiting = self._waiting, []
            for record in waiting:
                self._logger.callHandlers(record)

    def _of_exception(self, record: logging.LogRecord, error: BaseException | None) -> bool:
        chain = list(_chain(error))
        mistake = next((e for e in chain if isinstance(e, UserError)), None)
        explain = self._explained.get(type(error).__name__)
        if mistake is not None:
            record.msg = str(mistake)
        elif explain is not None and (told := explain()):
            record.msg = told
        elif any(isinstance(e, subprocess.CalledProcessError) for e in chain):
            return False  # a job's script; its failure is told as the job's
        else:
            self._tell_waiting()
        self._waiting = []
        return True

    def _of_job(self, record: logging.LogRecord) -> bool:
        self._failed = True
        logs = list(record.log)
        lines = []
        # A cluster's job: its terminal is a file.
        if record.rule_msg is not None or record.jobid in self._grouped:
            new = [log for log in logs if _state(log) != self._former.get(log)]
            reason = next(filter(None, map(failure_in, new)), None)
            lines.append(reason or _without_words(record.rule_name, record.rule_msg, logs))
        where = f" See {' and '.join(logs)}." if logs else ""
        lines.append(f"Stopped in the rule {record.rule_name}.{where}")
        record.msg, record.event = "\n".join(lines), None
        return True


def _without_words(rule: str, told: str | None, logs: list[str]) -> str:
    """Return what is known of a job that has written no reason."""
    for log in logs[:1]:
        if is_full(Path(log).parent):
            return str(full_disk(log))
    state = next((word for word in re.findall("[A-Z_]+", told or "") if word in STATES), None)
    if state is not None:
        told = f"Slurm's word is {state}: {STATES[state].format(rule=rule)}"
    return f"A job ended without a word of its own. {told or ''}".rstrip()


def _state(log: str) -> tuple[int, int] | None:
    """Return time and size of a file; None where it is not there."""
    try:
        with open(log, "rb") as file:  # opened, or a network file system may tell old ones
            status = os.fstat(file.fileno())
            return status.st_mtime_ns, status.st_size
    except OSError:
        return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
