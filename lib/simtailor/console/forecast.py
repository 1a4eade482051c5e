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
        self._began: dict[int, float] = {}
        self._took: dict[int, float] = {}
        self._factors: dict[str, float] = {}
        self._factor = 1.0

    def begin(self, number: int, rule: str, threads: int, now: float) -> None:
        """Note that a job has begun; one that nobody expected is taken for a short one."""
        self._jobs.setdefault(number, ExpectedJob(number, rule, threads, LEAST))
        self._began[number] = now

    def end(self, number: int, now: float) -> None:
        """Note that a job has ended, and correct what the others are expected to take."""
        if number not in self._began:
            return
        self._took[number] = max(now - self._began.pop(number), LEAST)
        ended = [self._jobs[n] for n in self._took]
        self._factor = self._ratio([job for job in ended if job.seconds >= CLEAR])
        for rule in {job.rule for job in ended}:
            self._factors[rule] = self._ratio([job for job in ended if job.rule == rule])

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
        clock, free = 0.0, self._capacity
        running: list[tuple[float, int]] = []
        for number in self._began:
            heapq.heappush(running, (self._left_of(number, now), number))
            free -= self._threads(number)
        waiting = [n for n in self._open() if n not in self._began]
        unmet = {n: {d for d in self._jobs[n].needs if d in self._jobs and d not in self._took}
                 for n in waiting}  # fmt: skip
        while waiting or running:
            rest = []
            for number in waiting:
                if not unmet[number] and (free >= self._threads(number) or not running):
                    free -= self._threads(number)
                    heapq.heappush(running, (clock + self._seconds(number), number))
                else:
                    rest.append(number)
            waiting = rest
            if not running:  # what they need is not part of this run
                break
            clock, ended = heapq.heappop(running)
            free += self._threads(ended)
            for needs in unmet.values():
                needs.discard(ended)
        return clock

    def _open(self) -> list[int]:
        return [n for n in self._jobs if n not in self._took]

    def _threads(self, number: int) -> int:
        return min(self._jobs[number].threads, self._capacity)

    def _seconds(self, number: int) -> float:
        job = self._jobs[number]
        return max(job.seconds * self._factors.get(job.rule, self._factor), LEAST)

    def _left_of(self, number: int, now: float) -> float:
        seconds = self._seconds(number)
        began = self._began.get(number)
        return seconds if began is None else max(seconds - (now - began), STILL * seconds)

    def _ratio(self, ended: list[ExpectedJob]) -> float:
        """Return how many times longer jobs took than expected."""
        expected = sum(job.seconds for job in ended)
        if not expected:
            return 1.0
        ratio = sum(self._took[job.number] for job in ended) / expected
        return min(max(ratio, 1 / MOST_FACTOR), MOST_FACTOR)
