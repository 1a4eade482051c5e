"""Tracking of a job of the workflow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import PurePath

from simtailor.provenance import Job
from simtailor.tracking.current import tracked
from simtailor.tracking.registry import NONE

LOGS = "logs"


def tracked_job(
    job: Job, report: Callable[[str], None], run: str | None = None
) -> AbstractContextManager[None]:
    """Track what a job's script does within the block, where the configuration names a tracker.

    The tracker is no parameter of the job: another one makes no result again.

    Args:
        run: name of the run, for jobs that are parts of one; that of the job's log otherwise.
    """
    of_log = PurePath(job.log[0]).with_suffix("")
    name = run or "/".join(part for part in of_log.parts if part != LOGS)
    return tracked(job.config.get("tracking", NONE), name, dict(job.params.items()), report)
