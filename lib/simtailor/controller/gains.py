"""Gains of several policies over one, paired over tasks, with intervals that hold for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from simtailor.seeds import generator

RESAMPLES = 10_000
LEVEL = 0.95


def compare(gains: Mapping[str, np.ndarray], seed: int) -> dict[str, dict[str, Any]]:
    """Return the mean gain of each policy and its 95 % intervals.

    Tasks are resampled, the same for all policies. ``interval`` holds for a policy by itself;
    ``simultaneous`` holds for all at once, so the best of several may be judged by it: it reaches
    as far as the largest deviation of any policy, in units of its own standard error, does in 95 %
    of the resamples. Both are widened as Student's distribution is for so few tasks. The noise of
    the rewards is part of what varies from task to task.

    Source: Romano and Wolf, "Exact and Approximate Stepdown Methods for Multiple Hypothesis
    Testing" (2005), the single step by the maximum statistic.

    Args:
        gains: float64 [T] by policy, percent.
    """
    if not gains:
        return {}
    values = np.stack(list(gains.values()))  # [P, T]
    count = values.shape[1]
    means = values.mean(axis=1)
    errors = values.std(axis=1) / np.sqrt(count)
    rng = generator(seed, "controller", "bootstrap")
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count
    moved = drawn @ values.T - means  # [R, P]
    apart = np.abs(moved) / np.where(errors > 0, errors, np.inf)
    # A resample varies less than a new draw of tasks does.
    freedom = max(count - 1, 1)
    tail = (1 + LEVEL) / 2
    wider = stats.t.ppf(tail, freedom) / stats.norm.ppf(tail) * np.sqrt(count / freedom)
    alone = np.quantile(apart, LEVEL, axis=0) * wider * errors
    together = np.quantile(apart.max(axis=1), LEVEL) * wider * errors
    return {
        name: {
            "mean": float(mean),
            "interval": [float(mean - reach), float(mean + reach)],
            "simultaneous": [float(mean - far), float(mean + far)],
        }
        for name, mean, reach, far in zip(gains, means, alone, together, strict=True)
    }
