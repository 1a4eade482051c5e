"""Discrepancies between the features of generated images and those of a fixed target.

A discrepancy is made once from the target's features, and called with the features of each
batch; all that depends on the target alone is computed at the start. A new one is a class
and a line in ``_FACTORIES``. geomloss (MIT) and POT (MIT, 33 MB) have such losses too, but
take both samples at every call, compute the target's part anew and know the biased
estimators only, so these are written here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from simtailor.metasim.distances import (
    Levels,
    Points,
    distances_in,
    mean_within,
    typical_distance,
)
from simtailor.metasim.mmd import MaximumMeanDiscrepancy
from simtailor.metasim.settings import Discrepancy as DiscrepancySettings
from simtailor.seeds import generator


class Discrepancy(Protocol):
    """Says how far a batch of generated images is from the target."""

    def __call__(self, generated: Levels) -> torch.Tensor:
        """Return a scalar from features of generated images, one [B, D_l] a level."""
        ...


class SlicedWassersteinDistance:
    """Squared sliced 2-Wasserstein distance to the target, averaged over levels.

    Rabin et al., "Wasserstein Barycenter and Its Application to Texture Mixing", 2011, and
    Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015: samples are
    projected on random directions, where the best transport matches sorted values. Samples
    of different sizes are matched by their quantile functions, without interpolation.

    Each level is divided by its typical distance and multiplied by its number of dimensions,
    so that a shift of all images by one typical distance counts about 1 whatever the level. The
    distance of finite samples stays above 0 even for equal distributions.

    Args:
        target, reference: as for ``MaximumMeanDiscrepancy``.
        directions: number of directions a level; seed: decides the directions.
    """

    def __init__(
        self, target: Levels, reference: Levels = (), *, directions: int = 128, seed: int = 0
    ) -> None:
        self._directions, self._sorted = [], []
        for i, features in enumerate(target):
            level = Points(features)
            random = generator(seed, "directions", i)
            drawn = random.standard_normal((features.shape[1], directions))
            drawn = torch.from_numpy(drawn).to(features)
            length = typical_distance(level, reference[i : i + 1])
            unit = drawn / drawn.norm(dim=0)
            self._directions.append(unit * features.shape[1] ** 0.5 / length)
            self._sorted.append((level.points @ self._directions[-1]).sort(0).values)
        self._quantiles: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def __call__(self, generated: Levels) -> torch.Tensor:
        """Return the squared distance (a scalar) of features, one [B, D_l] a level."""
        count = len(generated[0])
        if count not in self._quantiles:
            self._quantiles[count] = [_quantile_means(level, count) for level in self._sorted]
        terms = []
        for features, directions, (means, rest) in zip(
            generated, self._directions, self._quantiles[count], strict=True
        ):
            values = (features @ directions).sort(0).values
            terms.append((values - means).square().mean() + rest)
        return torch.stack(terms).mean()


class EnergyDistance:
    """Energy distance to the target, averaged over levels, in typical distances.

    Szekely and Rizzo, "Energy statistics: A class of statistics based on distances", 2013:
    twice the mean distance between the samples less the mean distances within each.

    Args:
        target, reference: as for ``MaximumMeanDiscrepancy``.
        unbiased: distances within leave out an image's distance to itself (U-statistic).
        cube: as for ``MaximumMeanDiscrepancy``.
    """

    def __init__(
        self, target: Levels, reference: Levels = (), *, unbiased: bool = True, cube: int = 1
    ) -> None:
        self._cube = cube if unbiased else 0
        # Distances do not change with the origin, but the rounding of Gram matrices does.
        self._centres = [level.detach().mean(0) for level in target]
        self._target = [Points(x - c) for x, c in zip(target, self._centres, strict=True)]
        self._lengths, self._target_term = [], []
        for i, level in enumerate(self._target):
            centred = [r - self._centres[i] for r in reference[i : i + 1]]
            self._lengths.append(typical_distance(level, centred))
            within = distances_in(level.squared_distances(), self._lengths[-1])
            self._target_term.append(mean_within(within, int(unbiased)))

    def __call__(self, generated: Levels) -> torch.Tensor:
        """Return the energy distance (a scalar) of features, one [B, D_l] a level."""
        terms = []
        for i, (features, target) in enumerate(zip(generated, self._target, strict=True)):
            level, length = Points(features - self._centres[i]), self._lengths[i]
            within = mean_within(distances_in(level.squared_distances(), length), self._cube)
            across = distances_in(level.squared_distances(target), length).mean()
            terms.append(2 * across - within - self._target_term[i])
        return torch.stack(terms).mean()


_FACTORIES: dict[str, Callable[[DiscrepancySettings, Levels, Levels, int, int], Discrepancy]] = {
    "mmd": lambda settings, target, reference, seed, cube: MaximumMeanDiscrepancy(
        target, reference, factors=settings.bandwidth_factors, unbiased=settings.unbiased, cube=cube
    ),
    "sliced_wasserstein": lambda settings, target, reference, seed, cube: SlicedWassersteinDistance(
        target, reference, directions=settings.directions, seed=seed
    ),
    "energy": lambda settings, target, reference, seed, cube: EnergyDistance(
        target, reference, unbiased=settings.unbiased, cube=cube
    ),
}


def make_discrepancy(
    settings: DiscrepancySettings,
    target: Levels,
    reference: Levels = (),
    *,
    seed: int = 0,
    cube: int = 1,
) -> Discrepancy:
    """Return the discrepancy that the settings name.

    Args:
        settings: the experiment's section ``discrepancy``.
        target: features of the target, one [M, D_l] a level.
        reference: features of generated images at the start, which set the scale with them.
        seed: decides random directions.
        cube: number of generated images that are drawn together, 1 if all are independent.
    """
    return _FACTORIES[settings.kind](settings, target, reference, seed, cube)


def _quantile_means(ordered: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what of sorted values [M, P] is needed to match them with ``count`` values.

    Returns:
        The means [count, P] of the quantile function over each count-th of [0, 1], and the
        mean variance about them (a scalar), which no choice of the other sample removes.
    """
    size, exact = len(ordered), ordered.double()  # in float32 differences of sums lose digits
    edges = torch.arange(count + 1, device=ordered.device) * size
    whole, part = edges // count, (edges % count).double() / count
    padded = torch.cat([exact, exact[-1:]])
    sums = torch.cat([torch.zeros_like(exact[:1]), exact.cumsum(0)])
    integral = (sums[whole] + part[:, None] * padded[whole]) / size
    means = integral.diff(dim=0) * count
    rest = (exact.square().mean(0) - means.square().mean(0)).clamp_min(0).mean()
    return means.to(ordered), rest.to(ordered)
