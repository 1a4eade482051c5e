"""What is known of an attribute apart from its distribution: unit, period and range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Attribute:
    """An attribute of scene graph nodes, as the renderer that reads it describes it.

    Attributes:
        unit: unit of its values, for axes and tables.
        period: 360 for an angle in degrees; 0 where the values lie on a line.
        low, high: the range that can be drawn. Not for angles, which go round.
        look: whether it changes colours and light alone, and no edge.
    """

    unit: str = ""
    period: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    look: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.period) and self.period >= 0):
            raise ValueError(f"period: expected 0 or a positive number, got {self.period!r}")
        if not self.low < self.high:
            raise ValueError(f"low: {self.low!r} is not below high: {self.high!r}")
        if self.period and self.bounded:
            raise ValueError("give either a period or a range: an angle goes round")

    @property
    def bounded(self) -> bool:
        """Whether the range has an end."""
        return math.isfinite(self.low) or math.isfinite(self.high)


ANGLE = Attribute(unit="degrees", period=360.0)
# By the name of the node and that of the attribute. What is not in it is a number on a line.
NodeAttributes = Mapping[str, Mapping[str, Attribute]]
UNKNOWN = Attribute()


def wrapped(difference: np.ndarray, period: float) -> np.ndarray:
    """Return a difference of angles in [-period / 2, period / 2); unchanged where period is 0."""
    if not period:
        return np.asarray(difference)
    return (np.asarray(difference) + period / 2) % period - period / 2


def mean_and_spread(values: np.ndarray, period: float = 0.0) -> tuple[float, float]:
    """Return mean and standard deviation, for angles around the circular mean.

    Args:
        values: [n] in the attribute's own unit.
        period: 0 for a line. For angles the mean is in [0, period).
    """
    values = np.asarray(values, dtype=np.float64)
    if not period:
        return float(values.mean()), float(values.std())
    phase = np.exp(2j * np.pi * values / period).mean()
    centre = np.angle(phase) * period / (2 * np.pi)
    deviation = wrapped(values - centre, period)
    # A tiny negative angle modulo the period is the period itself, hence twice.
    centre = float((centre + deviation.mean()) % period % period)
    return centre, float(wrapped(values - centre, period).std())


def wasserstein_distance(first: np.ndarray, second: np.ndarray, period: float = 0.0) -> float:
    """Return the Wasserstein-1 distance of two samples, on the line or on a circle.

    On a circle of circumference ``period`` the distance is the integral of
    |F - G - c| over the circle with c the median of F - G (Rabin, Delon and Gousseau,
    "Transportation distances on the circle", 2011).

    Args:
        first: [n] values, second: [m] values, both in the attribute's own unit.
        period: 0 for a line.
    """
    first, second = (np.asarray(v, dtype=np.float64).ravel() for v in (first, second))
    if period:
        first, second = first % period, second % period
    points = np.sort(np.concatenate([first, second]))
    if period:
        points = np.concatenate([[0.0], points, [period]])
    widths = np.diff(points)
    cumulative = [
        np.searchsorted(np.sort(v), points[:-1], side="right") / v.size for v in (first, second)
    ]
    difference = cumulative[0] - cumulative[1]
    shift = _weighted_median(difference, widths) if period else 0.0
    return float(np.sum(np.abs(difference - shift) * widths))


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


def unwrapped(values: np.ndarray, turn: float) -> np.ndarray:
    """Return angles cut open where the circle is emptiest; unchanged where ``turn`` is 0."""
    if not turn or not len(values):
        return values
    ordered = np.sort(values % turn)
    gaps = np.diff(ordered, append=ordered[0] + turn)
    cut = ordered[int(np.argmax(gaps))]
    return np.where(values % turn > cut, values % turn - turn, values % turn)
