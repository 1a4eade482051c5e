"""The end of a job that makes a result."""

from __future__ import annotations

from collections.abc import Callable

from simtailor.browse.page import refresh_page, written_lately
from simtailor.clocks import wait_for_times
from simtailor.provenance import Job, write_provenance


def finish(job: Job, report: Callable[[str], None]) -> None:
    """Write where the results of a job come from, then the page of all results.

    The page is left as it is where it was just written: the run writes it at its end.
    """
    write_provenance(job)
    if not written_lately(job.config["results"]):
        refresh_page(job.config["results"], report)
    for output in job.output:
        wait_for_times(job.input, output, report)
