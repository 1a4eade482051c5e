"""The start of one entry that fits a sample of its values, straight or bent."""

from __future__ import annotations

import numpy as np
from scipy.stats import shapiro

from simtailor.metasim.starts.policy import STARTS, StartPolicy
from simtailor.metasim.transport import CURVE_END, SEGMENTS, Start, TransportGenerator
from simtailor.scene.attributes import wrapped

HALF_OF_A_GAUSSIAN = 0.6745  # spreads on either side of the mean that hold half of it


def like_gaussian(values: np.ndarray, policy: StartPolicy = STARTS) -> bool:
    """Return whether a sample may be Gaussian, a few far outliers apart (Shapiro and Wilk 1965)."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    width = max((high - low) / (2 * HALF_OF_A_GAUSSIAN), 1e-9)
    values = values[np.abs(values - middle) <= policy.far * width]
    if len(values) < policy.fewest_to_bend or np.ptp(values) == 0:
        return True
    return bool(shapiro(values).pvalue > policy.not_gaussian)


def straight_start(
    values: np.ndarray,
    generator: TransportGenerator,
    entry: tuple[int, int],
    policy: StartPolicy = STARTS,
) -> Start:
    """Return the start at the mean of ``values``, as wide as they are, far ones left out.

    What is far is measured from the shortest interval with half of the sample (Andrews et al.,
    "Robust Estimates of Location", 1972), which ignores matches in another pose that looks
    nearly the same.
    """
    ordered = np.sort(values)
    half = (len(ordered) + 1) // 2
    lengths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    first = int(np.argmin(lengths))
    centre = np.median(ordered[first : first + half])
    near = values[np.abs(values - centre) <= policy.far * lengths[first] / (2 * HALF_OF_A_GAUSSIAN)]
    spread = max(float(generator.spread[entry]), 1e-9)
    scale = float(np.clip(near.std() / spread, policy.narrowest, policy.widest))
    return Start(_short_way(float(near.mean()), generator, entry), scale, matches=len(near))


def bent_start(
    values: np.ndarray,
    standardised: np.ndarray,
    generator: TransportGenerator,
    entry: tuple[int, int],
    policy: StartPolicy = STARTS,
) -> Start:
    """Return the start whose curve maps the prior's quantiles to those of ``values``.

    Args:
        values: [m] of the entry, unwrapped.
        standardised: [n] of the prior's sample, in spreads from its mean.
    """
    scale = straight_start(values, generator, entry, policy).scale
    narrow = min(1.0, scale)  # a narrow start takes small steps
    spread = max(float(generator.spread[entry]), 1e-9)
    shares = (np.arange(len(values)) + 0.5) / len(values)
    places = np.quantile(standardised, shares)
    inside = np.abs(places) < 0.98 * CURVE_END
    heights = (np.sort(values) - np.median(values))[inside] / spread
    # Beyond the sample the curve goes on as the straight start would.
    ends = np.array([-CURVE_END, CURVE_END])
    places = np.concatenate([ends[:1], places[inside], ends[1:]])
    first, last = heights[0], heights[-1]
    below, above = first - scale * (places[1] + CURVE_END), last + scale * (CURVE_END - places[-2])
    heights = np.concatenate([[below], heights, [above]])
    chosen = _knots(places, heights, SEGMENTS + 1)
    places, heights = places[chosen], heights[chosen]
    # The generator's curve passes through 0, wherever this one does.
    centre = np.median(values) + spread * np.interp(0.0, places, heights)
    shift = _short_way(float(centre), generator, entry)
    return Start(shift, narrow, (places, heights / narrow), len(values))


def _knots(places: np.ndarray, heights: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the points that a piecewise linear curve needs most, sorted.

    One after another, the point that lies furthest from the curve so far is added (Ramer
    1972; Douglas and Peucker 1973).
    """
    chosen = [0, len(places) - 1]
    while len(chosen) < count:
        off = np.abs(heights - np.interp(places, places[chosen], heights[chosen]))
        off[chosen] = -1
        chosen = sorted([*chosen, int(np.argmax(off))])
    return np.array(chosen)


def _short_way(value: float, generator: TransportGenerator, entry: tuple[int, int]) -> float:
    return float(wrapped(value - float(generator.mean[entry]), float(generator.turn[entry])))
