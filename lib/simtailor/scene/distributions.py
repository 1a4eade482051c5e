"""Distributions of attributes, and their form in the published grammars."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from simtailor.errors import UserError
from simtailor.scene.attributes import Attribute

DISTRIBUTIONS = ("Deterministic", "Gaussian", "Uniform")
SMALLEST_MAXIMUM = 1e-6
Failure = Callable[[str, str], UserError]  # of a key and what is wrong with it


@dataclass(frozen=True)
class Distribution:
    """Distribution of one attribute.

    Attributes:
        kind: ``Deterministic``, ``Gaussian`` or ``Uniform``.
        first: the value, the mean or the lower end.
        second: unused, the standard deviation or the upper end.
        maximum: what the value is divided by to give the feature; greater than 0.
    """

    kind: str
    first: float
    second: float
    maximum: float

    def sample(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Draw float64 [count] in the attribute's own unit."""
        if self.kind == "Gaussian":
            return random.normal(self.first, self.second, count)
        if self.kind == "Uniform":
            return random.uniform(self.first, self.second, count)
        return np.full(count, self.first)

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Return the values below which ``shares`` in (0, 1) of all lie: float64 as ``shares``."""
        if self.kind == "Gaussian":
            return self.first + self.second * ndtri(shares)
        if self.kind == "Uniform":
            return self.first + (self.second - self.first) * shares
        return np.full(shares.shape, self.first)


def parse_distribution(
    name: str, entry: list[Any], known: Attribute, fail: Failure
) -> Distribution:
    """Return the distribution that an attribute's entry says.

    Raises:
        UserError: it is malformed, as ``fail`` puts it.
    """
    key = f"attributes.{name}"
    if len(entry) != 4 or not all(is_number(v) for v in entry[1:]):
        raise fail(key, f"expected [{entry[0]!r}, number, number, maximum], got {entry!r}")
    kind, first, second, maximum = entry[0], *(float(v) for v in entry[1:])
    if maximum < SMALLEST_MAXIMUM:
        raise fail(
            key, f"the maximum (last entry) must be at least {SMALLEST_MAXIMUM:g}, got {maximum:g}"
        )
    if known.period and maximum % known.period:
        raise fail(
            key, f"an angle's maximum must be a multiple of {known.period:g}, got {maximum:g}"
        )
    if kind == "Gaussian" and second < 0:
        raise fail(key, f"the standard deviation must not be negative, got {second:g}")
    if kind == "Uniform" and second < first:
        raise fail(key, f"the lower end {first:g} is above the upper end {second:g}")
    return Distribution(kind, first, second, maximum)


def is_number(value: Any) -> bool:
    """Return whether a value of JSON is a number to compute with."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e30
        and math.isfinite(value)
    )


def check_range(name: str, distribution: Distribution, known: Attribute, fail: Failure) -> None:
    """Check a mutable attribute: generated values are kept in [0, maximum].

    A prior that lies outside would be cut off. Angles are wrapped, so they may begin below 0.
    """
    values = [distribution.first]
    if distribution.kind == "Uniform":
        values.append(distribution.second)
    key, highest = f"attributes.{name}", distribution.maximum
    lowest = -highest if known.period else 0.0
    most = 2 * highest if known.period and len(values) > 1 else highest
    off = [value for value in values if not lowest <= value <= most]
    if off:
        value = max(off, key=lambda v: max(lowest - v, v - most))
        raise fail(
            key,
            f"{value:g} is outside [{lowest:g}, {most:g}], the range of a mutable attribute whose "
            f"maximum (last entry) is {highest:g}. Give a value in it, or another maximum.",
        )
    if known.period and len(values) > 1 and values[1] - values[0] > highest:
        raise fail(
            key,
            f"from {values[0]:g} to {values[1]:g} is more than a turn of {highest:g}. Give at "
            "most one turn.",
        )
    if highest > known.high:
        raise fail(
            key,
            f"the maximum (last entry) is {highest:g}, and the renderer draws at most "
            f"{known.high:g}{f' {known.unit}' if known.unit else ''}. Give at most that.",
        )
    if min(values) < known.low:
        raise fail(key, f"{min(values):g} is below {known.low:g}, the least that the renderer "
                        "draws. Give at least that.")  # fmt: skip
