"""How exact a reward is: one model of noise for all beliefs.

The true reward of a set on a task is its mean over seeds (of the set's images and of the training)
and over episodes of the evaluation. A measured one differs from it by normal noise, alike for all
sets of a task.

The workflow's own study states standard errors in ``entries.json``. A database without it, such as
the published one, has one number a set and no seeds. There the noise of a task is what effects of
up to three parameters leave, as usual for a factorial experiment that was not repeated: effects of
many parameters at once are taken for noise. Source: Montgomery, "Design and Analysis of
Experiments", section 6.5 (a single replicate of the 2^k design).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from simtailor.errors import UserError

HIGHEST_ORDER = 3  # effects of more parameters at once are taken for noise
FEWEST_FREEDOM = 30  # of these, else they say too little
# Where nothing tells: the noise's share of the variance between a task's sets. The median over the
# 20 published tasks of what effects of more than three parameters leave (0.05 to 0.8).
ASSUMED_SHARE = 0.18


def entries_file(reward_db: str | Path) -> Path:
    """Return where the standard errors of a reward database are, if it has any."""
    return Path(reward_db).with_suffix("") / "entries.json"


def estimated_noise(rewards: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the noise of each task's rewards, percent: [T].

    Args:
        rewards: float64 [T, S], percent; NaN where unknown.
        values: int64 [S, P], each parameter's values counted from 0.
    """
    effects = _effects(values)
    return np.array([_noise_of_task(row, effects) for row in rewards])


def _noise_of_task(rewards: np.ndarray, effects: np.ndarray) -> float:
    known = ~np.isnan(rewards)
    measured, explained = rewards[known], effects[known]
    if known.sum() >= FEWEST_FREEDOM:
        found, _, rank, _ = np.linalg.lstsq(explained, measured, rcond=None)
        freedom = len(measured) - rank
        if freedom >= FEWEST_FREEDOM:
            return float(np.sqrt(((measured - explained @ found) ** 2).sum() / freedom))
    return float(np.sqrt(ASSUMED_SHARE) * measured.std())


def _effects(values: np.ndarray) -> np.ndarray:
    """Return columns that span the effects of up to three parameters: float64 [S, E]."""
    levels = values.max(axis=0) + 1
    single = [
        [(values[:, p] == level).astype(float) for level in range(1, levels[p])]
        for p in range(values.shape[1])
    ]
    columns = [np.ones(len(values))]
    for order in range(1, HIGHEST_ORDER + 1):
        for chosen in combinations(single, order):
            products = [np.ones(len(values))]
            for indicators in chosen:
                products = [before * now for before in products for now in indicators]
            columns += products
    return np.stack(columns, axis=1)


def read_noise(path: Path, rewards: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    """Read how exact the rewards of each task are, from ``entries.json``.

    Args:
        rewards: the database, ``{task: {set: percent}}``.

    Returns:
        float64 [T, 2], percent: the standard errors of an entry and of a single evaluation
        (one seed), root mean squares over the sets of each task.

    Raises:
        UserError: the file cannot be read, or lacks an entry of the database.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot read this file as JSON: {error}") from error
    return np.array([_noise_of_entries(path, content, task, rewards[task]) for task in rewards])


def _noise_of_entries(
    path: Path, content: object, task: str, sets: Mapping[str, float]
) -> tuple[float, float]:
    of_entry, of_one = [], []
    for name in sets:
        try:
            entry = content[task][name]
            error, seeds = float(entry["standard_error"]), int(entry["seeds"])
        except (KeyError, TypeError, ValueError) as problem:
            raise UserError(
                f"{path}: no standard error and number of seeds of set '{name}' on '{task}', "
                f"which the reward database has ({problem!r}); delete both and make them anew, or "
                "delete this file alone: then the noise is estimated from the rewards"
            ) from problem
        if not math.isfinite(error) or error < 0 or seeds < 1:
            raise UserError(
                f"{path}: set '{name}' on '{task}': expected a standard error of 0 or more and at "
                f"least one seed, got {error} and {seeds}"
            )
        of_entry.append(error**2)
        of_one.append(error**2 * seeds)
    return float(np.sqrt(np.mean(of_entry))), float(np.sqrt(np.mean(of_one)))
