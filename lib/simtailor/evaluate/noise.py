"""One model of noise: what another seed of everything would change, and what may be concluded.

An accuracy of a set is the mean over seeds, each of which draws the set's images, the
network's first weights and the order of the images anew. The variance over seeds is pooled
over the sets of a task. Choices of labelled images and the test images are the same for all that
is compared, so they are no noise in a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.05
INTERVAL = 0.95

# By the name of a set: one row a seed, float64 [seeds, episodes], in percent.
Measured = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Entry:
    """An accuracy of the reward database.

    Attributes:
        mean: percent. standard_error: of the mean, in percentage points.
        seeds, episodes, images: numbers that it rests on; images are those that test.
    """

    mean: float
    standard_error: float
    seeds: int
    episodes: int
    images: int


@dataclass(frozen=True)
class SeedNoise:
    """Variance between seeds of one set, in squared percentage points, and its freedom."""

    variance: float
    freedom: int

    @property
    def quantile(self) -> float:
        """Of Student's t: half the width of an interval, in standard errors."""
        return float(stats.t.ppf((1 + INTERVAL) / 2, self.freedom))


@dataclass(frozen=True)
class SetsAgainstSeeds:
    """One-way analysis of variance: do sets differ more than seeds of one set?"""

    f: float
    between: int
    within: int
    p: float


def seed_noise(measured: Mapping[Any, np.ndarray]) -> SeedNoise | None:
    """Return the variance between seeds, pooled over sets; None where no set has two."""
    groups = [rows.mean(1) for rows in measured.values() if len(rows) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return None
    return SeedNoise(sum(float(np.var(g)) * len(g) for g in groups) / freedom, freedom)


def entries(measured: Measured, images: int) -> dict[str, Entry]:
    """Return the entry of every set of a task.

    Where no set has two seeds, the standard error is the one over episodes, and where there
    is but one, that of so many right and wrong answers.
    """
    noise = seed_noise(measured)
    found = {}
    for name, rows in measured.items():
        mean, (seeds, episodes) = float(rows.mean()), rows.shape
        if noise is not None:
            variance = noise.variance / seeds
        elif episodes > 1:
            variance = float(rows.mean(0).var(ddof=1)) / episodes
        else:
            share = (mean * images / 100 + 1) / (images + 2)  # never 0 or 1
            variance = 1e4 * share * (1 - share) / images
        found[name] = Entry(mean, float(np.sqrt(variance)), seeds, episodes, images)
    return found


def analysis_of_variance(measured: Measured) -> SetsAgainstSeeds | None:
    """Return the analysis of a task; None where seeds are too few, or all alike, to judge."""
    noise = seed_noise(measured)
    if noise is None or noise.variance == 0 or len(measured) < 2:
        return None
    counts = np.array([len(rows) for rows in measured.values()])
    means = np.array([rows.mean() for rows in measured.values()])
    whole = (counts * means).sum() / counts.sum()
    between = len(means) - 1
    f = float((counts * (means - whole) ** 2).sum() / between / noise.variance)
    return SetsAgainstSeeds(f, between, noise.freedom, float(stats.f.sf(f, between, noise.freedom)))


def holm(chances: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number: Holm, Scandinavian J. Statistics 6 (1979)."""
    order = sorted(chances, key=chances.__getitem__)
    corrected, least = {}, 0.0
    for place, name in enumerate(order):
        least = max(least, min(1.0, (len(order) - place) * chances[name]))
        corrected[name] = least
    return {name: corrected[name] for name in chances}


@dataclass(frozen=True)
class Difference:
    """A paired difference in percentage points.

    Attributes:
        low: the lower end of its 95 % interval.
    """

    mean: float
    standard_error: float
    low: float

    @classmethod
    def of(cls, values: np.ndarray, further: float = 0.0) -> Difference:
        """Return the mean of independent differences, float64 [n].

        Args:
            further: variance of the mean beside that of the values.
        """
        mean, freedom = float(values.mean()), len(values) - 1
        error = np.sqrt(values.var(ddof=1) / len(values) + further) if freedom else np.nan
        quantile = stats.t.ppf((1 + INTERVAL) / 2, freedom) if freedom else np.nan
        return cls(mean, float(error), float(mean - quantile * error))


def paired_difference(sets: Sequence[np.ndarray], baseline: np.ndarray) -> Difference | None:
    """Return the mean of sets less a baseline, paired over episodes.

    The standard error holds what other labelled images change, over episodes, and what other
    seeds of the sets and of the baseline change.

    Args:
        sets: of each, float64 [seeds, episodes]; baseline: float64 [seeds, episodes].

    Returns:
        None where there are no two episodes to pair.
    """
    paired = np.mean([rows.mean(0) for rows in sets], axis=0) - baseline.mean(0)
    if len(paired) < 2:
        return None
    noise, further = seed_noise(dict(enumerate(sets))), 0.0
    if noise is not None:
        further += noise.variance * sum(1 / len(rows) for rows in sets) / len(sets) ** 2
    if len(baseline) > 1:
        further += float(baseline.mean(1).var(ddof=1)) / len(baseline)
    return Difference.of(paired, further)


def reported_apart(measured: Measured) -> list[float] | None:
    """Return what the best, second best, ... set by some seeds gives on another seed, percent.

    Each seed reports once and the others choose; the results are averaged. Only sets with all
    the seeds take part; None where there are no two.
    """
    seeds = max(map(len, measured.values()))
    values = np.array([rows.mean(1) for rows in measured.values() if len(rows) == seeds])
    if seeds < 2 or len(values) < 2:
        return None
    parts: list[Sequence[float]] = []
    for seed in range(seeds):
        chosen_by = np.delete(values, seed, axis=1).mean(1)
        parts.append(values[np.argsort(-chosen_by, kind="stable"), seed])
    return np.mean(parts, axis=0).tolist()
