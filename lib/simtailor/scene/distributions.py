"""Distributions of one attribute in a scene grammar: checked, sampled, and by their quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from simtailor.scene.attributes import Attribute

SMALLEST_MAXIMUM = 1e-6
FARTHEST, HALVINGS = 9.0, 60  # standard deviations; halvings of that range to find a quantile


@dataclass(frozen=True)
class Distribution:
    """What all have in common.

    Attributes:
        maximum: what the value is divided by to give the feature; greater than 0.
    """

    maximum: float

    form: ClassVar[str]

    def sample(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Draw float64 [count] in the attribute's own unit."""
        raise NotImplementedError

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Return the values below which ``shares`` in (0, 1) of all lie: float64 as ``shares``."""
        raise NotImplementedError

    @property
    def ends(self) -> tuple[float, ...]:
        """The values that have to lie in an attribute's range: one, or a lowest and a highest."""
        raise NotImplementedError


@dataclass(frozen=True)
class Deterministic(Distribution):
    """Always the same value."""

    value: float

    form: ClassVar[str] = "number, number, maximum"  # the second is not looked at

    def sample(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Return the value, float64 [count]; draws nothing."""
        return np.full(count, self.value)

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Return the value as often as there are shares."""
        return np.full(shares.shape, self.value)

    @property
    def ends(self) -> tuple[float, ...]:
        """The value."""
        return (self.value,)


@dataclass(frozen=True)
class Gaussian(Distribution):
    """Normal, with a standard deviation of at least 0."""

    mean: float
    deviation: float

    form: ClassVar[str] = "number, number, maximum"

    def sample(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Draw float64 [count]."""
        return random.normal(self.mean, self.deviation, count)

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Return the quantiles."""
        from scipy.special import ndtri  # noqa: PLC0415  planning reads grammars, and takes no quantiles

        return self.mean + self.deviation * ndtri(shares)

    @property
    def ends(self) -> tuple[float, ...]:
        """The mean."""
        return (self.mean,)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Equally likely from ``low`` to ``high``."""

    low: float
    high: float

    form: ClassVar[str] = "number, number, maximum"

    def sample(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Draw float64 [count]."""
        return random.uniform(self.low, self.high, count)

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Return the quantiles."""
        return self.low + (self.high - self.low) * shares

    @property
    def ends(self) -> tuple[float, ...]:
        """Both ends."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Mixture(Distribution):
    """Normal distributions with weights: two modes, or one with a long tail. Not of the published
    format.

    Attributes:
        weights: positive, of any sum; means, deviations: as many, the latter positive.
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    form: ClassVar[str] = "[[weight, mean, standard deviation], ...], maximum"

    def sample(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Draw float64 [count]."""
        shares = np.array(self.weights) / sum(self.weights)
        part = random.choice(len(shares), size=count, p=shares)
        return random.normal(np.array(self.means)[part], np.array(self.deviations)[part])

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Return the quantiles, found by halving the range."""
        from scipy.special import ndtr  # noqa: PLC0415

        weights, means, deviations = (
            np.array(v) for v in (self.weights, self.means, self.deviations)
        )
        low = np.full(shares.shape, (means - FARTHEST * deviations).min())
        high = np.full(shares.shape, (means + FARTHEST * deviations).max())
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = ndtr((middle[..., None] - means) / deviations) @ weights / weights.sum()
            low, high = (
                np.where(below < shares, middle, low),
                np.where(below < shares, high, middle),
            )
        return (low + high) / 2

    @property
    def ends(self) -> tuple[float, ...]:
        """The lowest and the highest mean."""
        return (min(self.means), max(self.means))


KINDS: dict[str, type[Distribution]] = {
    kind.__name__: kind for kind in (Deterministic, Gaussian, Uniform, Mixture)
}


def parse_distribution(entry: Sequence[Any], known: Attribute) -> Distribution:
    """Return the distribution of a list that begins with the name of a kind.

    Args:
        entry: such as ``["Gaussian", mean, deviation, maximum]``.
        known: what is known of the attribute.

    Raises:
        ValueError: it is none, with what is wrong in words for the user.
    """
    kind, values = KINDS[entry[0]], entry[1:]
    whole = _is_mixture(values) if kind is Mixture else _is_numbers(values, 3)
    if not whole:
        raise ValueError(f"expected [{entry[0]!r}, {kind.form}], got {list(entry)!r}")
    maximum = float(values[-1])
    if maximum < SMALLEST_MAXIMUM:
        raise ValueError(
            f"the maximum (last entry) must be at least {SMALLEST_MAXIMUM:g}, got {maximum:g}"
        )
    if known.period and maximum % known.period:
        raise ValueError(
            f"an angle's maximum must be a multiple of {known.period:g}, got {maximum:g}"
        )
    if kind is Mixture:
        weights, means, deviations = zip(*(map(float, part) for part in values[0]), strict=True)
        if min(weights) <= 0 or min(deviations) <= 0:
            raise ValueError("weights and standard deviations must be above 0")
        return Mixture(maximum, weights, means, deviations)
    first, second = float(values[0]), float(values[1])
    if kind is Deterministic:
        return Deterministic(maximum, first)
    if kind is Gaussian and second < 0:
        raise ValueError(f"the standard deviation must not be negative, got {second:g}")
    if kind is Uniform and second < first:
        raise ValueError(f"the lower end {first:g} is above the upper end {second:g}")
    return kind(maximum, first, second)  # type: ignore[call-arg]


def check_range(distribution: Distribution, known: Attribute) -> None:
    """Check a mutable attribute: generated values are kept in [0, maximum].

    A prior that lies outside would be cut off. Angles are wrapped, so they may begin below 0.

    Raises:
        ValueError: it lies outside, with what is wrong in words for the user.
    """
    values, highest = distribution.ends, distribution.maximum
    lowest = -highest if known.period else 0.0
    most = 2 * highest if known.period and len(values) > 1 else highest
    off = [value for value in values if not lowest <= value <= most]
    if off:
        value = max(off, key=lambda v: max(lowest - v, v - most))
        raise ValueError(
            f"{value:g} is outside [{lowest:g}, {most:g}], the range of a mutable attribute whose "
            f"maximum (last entry) is {highest:g}. Give a value in it, or another maximum."
        )
    if known.period and len(values) > 1 and values[1] - values[0] > highest:
        raise ValueError(
            f"from {values[0]:g} to {values[1]:g} is more than a turn of {highest:g}. Give at "
            "most one turn."
        )
    if highest > known.high:
        raise ValueError(
            f"the maximum (last entry) is {highest:g}, and the renderer draws at most "
            f"{known.high:g}{f' {known.unit}' if known.unit else ''}. Give at most that."
        )
    if min(values) < known.low:
        raise ValueError(
            f"{min(values):g} is below {known.low:g}, the least that the renderer draws. Give at "
            "least that."
        )


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number, and not true or false."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e30
        and math.isfinite(value)
    )


def _is_numbers(values: Any, count: int) -> bool:
    return isinstance(values, list | tuple) and len(values) == count and all(map(is_number, values))


def _is_mixture(values: Sequence[Any]) -> bool:
    return (
        len(values) == 2
        and isinstance(values[0], list)
        and len(values[0]) > 0
        and all(_is_numbers(part, 3) for part in values[0])
        and is_number(values[1])
    )
