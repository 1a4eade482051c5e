"""How often Snakemake looks for jobs to start: when one ends, and not all the time."""

from __future__ import annotations

from typing import Any

DEFAULT_LIMIT = (100, 1)  # jobs, seconds: what Snakemake takes where nobody says


def choose_jobs_when_some_end(scheduler: Any, limit: Any) -> None:
    """Let Snakemake's scheduler choose jobs when one ends, unless the user limits their number.

    With a limit it looks again after the limit's timespan, and every job that has ended adds such
    a look for good: after fifty jobs it chooses dozens of times a second, and asks the parameters
    of every open job each time. At the end of a run a last look is waited for.

    Args:
        scheduler: Snakemake's, before the first job starts.
        limit: its setting ``max_jobs_per_timespan``, with ``max_jobs`` and ``timespan``.
    """
    if limit is None or (limit.max_jobs, limit.timespan) == DEFAULT_LIMIT:
        scheduler.job_rate_limiter = None
