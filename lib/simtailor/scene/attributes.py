"""What is known of an attribute apart from its distribution: unit, and whether it is an angle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Attribute:
    """An attribute of scene graph nodes.

    Attributes:
        unit: unit of its values, for axes and tables.
        period: 360 for an angle in degrees; 0 where the values lie on a line.
    """

    unit: str = ""
    period: float = 0.0


ANGLE = Attribute(unit="degrees", period=360.0)
KNOWN_ATTRIBUTES = {
    "yaw": ANGLE,
    "pitch": ANGLE,
    "roll": ANGLE,
    "camera_pitch": ANGLE,
    "camera_roll": ANGLE,
    "loc_x": Attribute(unit="cm"),
    "loc_y": Attribute(unit="px"),
    "loc_z": Attribute(unit="cm"),
    "x": Attribute(unit="px"),
    "y": Attribute(unit="px"),
    "intensity": Attribute(unit="of the nominal light"),
    "size_x": Attribute(unit="px"),
    "size_y": Attribute(unit="px"),
}


def attribute(name: str) -> Attribute:
    """Return what is known of ``name``; an unknown attribute lies on a line and has no unit."""
    return KNOWN_ATTRIBUTES.get(name, Attribute())


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
