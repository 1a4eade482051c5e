"""A start from what features foretell of attributes, for scenes that match no picture one by one.

Where places mean nothing no drawn scene is the target's picture, but the features of drawn scenes
still foretell their attributes. A regression on drawn scenes is applied to the target, and what it
says of the target is corrected by what it says of drawn scenes whose attributes are known: indirect
inference (Gourieroux, Monfort and Renault, "Indirect Inference", 1993) by predictions of a
regression, as in semi-automatic approximate Bayesian computation (Fearnhead and Prangle, 2012).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simtailor.metasim.generator import NO_SPREAD
from simtailor.metasim.objective import Objective
from simtailor.metasim.prior_scenes import PriorScenes
from simtailor.metasim.transport import Start, TransportGenerator

SCENES, ROUNDS = 600, 3  # drawn a round
FOLDS = 5
PENALTIES = (10.0, 30.0, 100.0, 300.0)  # of the regression's coefficients
FORETOLD = 0.15  # share of an attribute's variance from which the features tell something of it
LONGEST = 1.0  # spreads that a mean moves in a round
CHANGE, NARROWEST, WIDEST = (0.7, 1.4), 0.35, 1.5  # of the spread, in a round and in all


def start_by_regression(
    generator: TransportGenerator,
    objective: Objective,
    scenes: PriorScenes,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Place the entries of the generator that the features foretell, and return what was found."""
    target = np.concatenate([level.cpu().numpy() for level in objective.target], 1)
    entries = generator.layout.entries()
    shifts, scales = dict.fromkeys(entries, 0.0), dict.fromkeys(entries, 1.0)
    told: dict[str, float] = {}
    for number in range(ROUNDS):
        drawn = scenes.sample("regression", SCENES, number, generator=generator)
        moved = generator.changed(drawn)
        levels = objective.features_of(moved)
        features = np.concatenate([level.cpu().numpy() for level in levels], 1)
        for entry in entries:
            spread = float(generator.spread[entry])
            if generator.layout.period[entry] or spread <= NO_SPREAD:
                continue
            values = moved.features[:, entry[0], entry[1]].astype(np.float64)
            share, shift, scale = _corrections(features, values, target)
            if number == 0:
                told[generator.layout.entry_name(*entry)] = round(share, 3)
            if share < FORETOLD:
                continue
            width = float(values.std())
            shifts[entry] += float(np.clip(shift, -LONGEST * width, LONGEST * width))
            scale = scales[entry] * float(np.clip(scale, *CHANGE))
            scales[entry] = float(np.clip(scale, NARROWEST, WIDEST))
            generator.place(*entry, Start(shifts[entry], scales[entry]))
        report(f"start by regression: round {number + 1} of {ROUNDS}")
    named = {generator.layout.entry_name(*e): round(shifts[e], 4) for e in entries if shifts[e]}
    silent = [name for name, share in told.items() if share < FORETOLD]
    if silent:
        report(f"the features foretell hardly anything of {', '.join(silent)}")
    return {"kind": "regression", "foretold": told, "shifts": named}


def _corrections(
    features: np.ndarray, values: np.ndarray, target: np.ndarray
) -> tuple[float, float, float]:
    """Return what a regression of values on features says of the target.

    Args:
        features: of drawn scenes, [n, D]; values: of one of their entries, [n].
        target: features, [m, D].

    Returns:
        The share of the variance that is foretold, the shift of the mean in units of the values,
        and the factor on the spread.
    """
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    scaled = np.clip((features - mean) / deviation, -4, 4)
    wanted = np.clip((target - mean) / deviation, -4, 4)
    middle = values.mean()
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    fold = np.arange(len(values)) % FOLDS
    for penalty in PENALTIES:
        foretold, of_target = np.empty(len(values)), np.zeros(len(target))
        for out in range(FOLDS):
            known = fold != out
            x, y = scaled[known], values[known] - middle
            normal = x.T @ x + penalty * np.eye(x.shape[1])
            weights = np.linalg.solve(normal, x.T @ y)
            foretold[~known] = scaled[~known] @ weights
            of_target += wanted @ weights / FOLDS
        error = float(np.square(values - middle - foretold).sum())
        if best is None or error < best[0]:
            best = error, foretold, of_target
    assert best is not None
    error, foretold, of_target = best
    variance = float(values.var())
    share = 1 - error / (len(values) * variance)
    # Predictions are drawn towards the mean, by a slope that the drawn scenes tell.
    slope = max(float(np.cov(foretold, values)[0, 1]) / variance, FORETOLD)
    noise = max(float(foretold.var()) - slope**2 * variance, 0.0)
    shift = (float(of_target.mean()) - float(foretold.mean())) / slope
    spread = max(float(of_target.var()) - noise, 0.0) / (slope**2 * variance)
    return share, shift, float(np.sqrt(spread))
