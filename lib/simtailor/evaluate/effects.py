"""Which simulation parameter helps which task: main effects with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from simtailor.evaluate.noise import SeedNoise
from simtailor.simulation.parameters import MATERIALS, SimulationParameters


@dataclass(frozen=True)
class Effect:
    """What one value of a parameter changes against the parameter's lowest value.

    Attributes:
        task, parameter: names; value against reference: the two values compared.
        effect: change of the accuracy in percentage points, all else equal; low, high: its
            95 % interval, None where too few sets leave no degree of freedom.
    """

    task: str
    parameter: str
    value: int
    reference: int
    effect: float
    low: float | None
    high: float | None

    @property
    def label(self) -> str:
        """The parameter as figures name it; of materials, with the value."""
        if self.parameter == "materials":
            return f"materials: {MATERIALS[self.value]}"
        return self.parameter


def main_effects(
    task: str,
    rewards: Mapping[str, float],
    noise: SeedNoise | None = None,
    seeds: Mapping[str, int] | None = None,
) -> list[Effect]:
    """Fit accuracy = constant + one step a value of each parameter, by least squares.

    The steps between values are estimated from all sets at once. Where every set has several
    seeds, their variance is the noise, and an effect is the mean over the study's sets. Else
    interactions of parameters count as noise, so the intervals say how far a main effect
    stands out of them. Source: ordinary least squares with Student's t intervals. A step is
    left out where the sets do not tell it from others: of two sets that differ in two
    parameters, neither is to blame.

    Args:
        rewards: accuracy in percent by the name of the set.
        noise: variance between seeds of one set; seeds: their number by the name of the set.
    """
    sets = np.array([SimulationParameters.parse(name).as_tuple() for name in rewards])
    accuracies = np.array(list(rewards.values()))
    names = list(SimulationParameters().as_dict())
    terms = [
        (place, value, min(levels))
        for place, levels in enumerate(sorted(set(column)) for column in sets.T.tolist())
        for value in levels[1:]
    ]
    design = np.column_stack(
        [np.ones(len(sets)), *(sets[:, place] == value for place, value, _ in terms)]
    )
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ design.T @ accuracies
    freedom = len(sets) - np.linalg.matrix_rank(design)
    # A coefficient is estimable if its unit vector lies in the row space of the design.
    estimable = np.isclose(inverse @ design.T @ design, np.eye(len(inverse))).all(axis=1)[1:]
    half = [None] * len(terms)
    counts = np.array([(seeds or {}).get(name, 1) for name in rewards])
    if noise is not None and counts.min() > 1:
        shares = (inverse @ design.T) ** 2 / counts
        half = (noise.quantile * np.sqrt(noise.variance * shares.sum(axis=1)[1:])).tolist()
    elif freedom > 0:
        variance = ((accuracies - design @ coefficients) ** 2).sum() / freedom
        errors = np.sqrt(variance * np.diag(inverse)[1:])
        half = (stats.t.ppf(0.975, freedom) * errors).tolist()
    return [
        Effect(
            task, names[place], value, reference, float(effect),
            None if h is None else float(effect - h), None if h is None else float(effect + h),
        )
        for (place, value, reference), effect, h, told in zip(
            terms, coefficients[1:], half, estimable, strict=True
        )
        if told
    ]  # fmt: skip
