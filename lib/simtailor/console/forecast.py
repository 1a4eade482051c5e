"""How much of a run is done, and how long the rest takes.

What a job takes is guessed beforehand (simtailor.console.durations) and corrected by the jobs
that have ended: a rule's by its own, the others' by all. The time left is that of a made-up run
of what remains, with as many threads as there are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

LEAST = 0.1  # seconds of a job
STILL = 0.1  # share of its expected time that a job which is over it may take still
CLEAR = 3.0  # seconds; what is expected below says nothing about the speed of a machine
MOST_FACTOR = 30.0


@dataclass(frozen=True)
class ExpectedJob:
    """A job that is to run.

    Attributes:
        seconds: guessed, by the clock; size: how many times a usual job of its rule it is.
        needs: numbers of the jobs that must end first.
    """

    number: int
    rule: str
    threads: int
    seconds: float
    needs: tuple[int, ...] = ()
    size: float = 1.0


class Forecast:
    """Follows a run.

    Args:
        jobs: all that are to run, in an order in which they could.
        capacity: threads, or on a cluster jobs, at a time.
    """

    def __init__(self, jobs: Iterable[ExpectedJob], capacity: int) -> None:
        self._jobs = {job.number: job for job in jobs}
        self._capacity = max(capacity, 1)
        self._after: dict[int, list[int]] = {}
        for job in self._jobs.values():
            for needed in job.needs:
                self._after.setdefault(needed, []).append(job.number)
        self._began: dict[int, float] = {}
        self._took: dict[int, float] = {}
        # Expected and real seconds of the jobs that have ended, by rule, and under "" of those
        # that are long enough to tell the machine's speed.
        self._sums: dict[str, tuple[float, float]] = {}

    def begin(self, number: int, rule: str, threads: int, now: float) -> None:
        """Note that a job has begun; one that nobody expected is taken for a short one."""
        self._jobs.setdefault(number, ExpectedJob(number, rule, threads, LEAST))
        self._began[number] = now

    def end(self, number: int, now: float) -> None:
        """Note that a job has ended, and correct what the others are expected to take."""
        if number not in self._began:
            return
        took = self._took[number] = max(now - self._began.pop(number), LEAST)
        job = self._jobs[number]
        for key in (job.rule, "") if job.seconds >= CLEAR else (job.rule,):
            expected, real = self._sums.get(key, (0.0, 0.0))
            self._sums[key] = (expected + job.seconds, real + took)

    def drop(self, number: int | None) -> None:
        """Forget a job that has failed, or do nothing where there is none of that number."""
        self._jobs.pop(number, None)
        self._began.pop(number, None)

    def measured(self) -> list[tuple[str, float, float]]:
        """Return rule, size and seconds of the jobs that have ended."""
        return [(self._jobs[n].rule, self._jobs[n].size, took) for n, took in self._took.items()]

    def share(self, now: float) -> float:
        """Return the share of the work that is done, 0 to 1."""
        done = sum(self._took[n] * self._threads(n) for n in self._took)
        done += sum((now - began) * self._threads(n) for n, began in self._began.items())
        left = sum(self._left_of(n, now) * self._threads(n) for n in self._open())
        return done / max(done + left, LEAST)

    def left(self, now: float) -> float:
        """Return the seconds until the last job ends."""
        running = [(self._left_of(number, now), number) for number in self._began]
        heapq.heapify(running)
        free = self._capacity - sum(self._threads(number) for number in self._began)
        unmet = {n: sum(d in self._jobs and d not in self._took for d in self._jobs[n].needs)
                 for n in self._open() if n not in self._began}  # fmt: skip
        ready = [number for number, count in unmet.items() if not count]
        clock = 0.0
        while ready or running:
            kept = []
            for place, number in enumerate(ready):
                if free <= 0 and running:
                    kept += ready[place:]
                    break
                if free < self._threads(number) and running:
                    kept.append(number)
                    continue
                free -= self._threads(number)
                heapq.heappush(running, (clock + self._seconds(number), number))
            clock, ended = heapq.heappop(running)
            free += self._threads(ended)
            for number in self._after.get(ended, ()):
                if number in unmet:
                    unmet[number] -= 1
                    kept += [] if unmet[number] else [number]
            ready = kept
        return clock

    def _open(self) -> list[int]:
        return [n for n in self._jobs if n not in self._took]

    def _threads(self, number: int) -> int:
        return min(self._jobs[number].threads, self._capacity)

    def _seconds(self, number: int) -> float:
        job = self._jobs[number]
        expected, real = self._sums.get(job.rule) or self._sums.get("") or (0.0, 0.0)
        factor = real / expected if expected else 1.0
        return max(job.seconds * min(max(factor, 1 / MOST_FACTOR), MOST_FACTOR), LEAST)

    def _left_of(self, number: int, now: float) -> float:
        seconds = self._seconds(number)
        began = self._began.get(number)
        return seconds if began is None else max(seconds - (now - began), STILL * seconds)
