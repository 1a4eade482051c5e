"""Cores and memory of this machine against what the jobs ask for."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from simtailor.devices import cores_here
from simtailor.preflight.asked import Asked
from simtailor.preflight.findings import Finding, check, missing, ok, unknown

MEGABYTE = 1e6


@check("cores")
def cores(asked: Asked) -> Iterator[Finding]:
    """Compare ``--cores`` with the machine."""
    if not asked.run.here:
        return
    there, wanted = cores_here(), asked.run.cores
    if wanted is None or wanted <= there:
        yield ok(f"{wanted or there} of {there} cores")
    else:
        yield missing(
            f"--cores {wanted}, but there are {there}: jobs would wait for one another",
            f"Give --cores {there}.",
        )


@check("memory")
def memory(asked: Asked) -> Iterator[Finding]:
    """Compare the largest job, and the most memory that jobs side by side may take."""
    known = [rule for rule in asked.run.rules if rule.memory_mb]
    if not asked.run.here or not known:
        return
    there = psutil.virtual_memory().total / MEGABYTE
    largest = max(known, key=lambda rule: rule.memory_mb)
    if largest.memory_mb > there:
        yield missing(
            f"a job of {largest.name} may take {largest.memory_mb / 1e3:,.1f} GB, and this machine "
            f"has {there / 1e3:,.1f} GB",
            "Make fewer or smaller images, or run on a larger machine.",
        )
        return
    count = min(asked.run.cores or cores_here(), cores_here())
    most = max(known, key=lambda rule: rule.memory_mb * (count // min(rule.cores or 1, count)))
    jobs = count // min(most.cores or 1, count)
    said = (
        f"{jobs} job(s) of {most.name} side by side may take {jobs * most.memory_mb / 1e3:,.1f} of "
        f"{there / 1e3:,.1f} GB"
    )
    if jobs * most.memory_mb <= there:
        yield ok(said)
    else:
        yield unknown(said, f"To be safe, add --resources mem_mb={int(0.9 * there)}.")
