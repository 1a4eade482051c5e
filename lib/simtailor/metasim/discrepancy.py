"""Discrepancies between the features of generated images and those of a fixed target.

A discrepancy is made once from the target's features, and called with the features of each
batch; all that depends on the target alone is computed at the start. A new one is a class
and a line in ``_FACTORIES``. geomloss (MIT) and POT (MIT, 33 MB) have such losses too, but
take both samples at every call, compute the target's part anew and know the biased
estimators only, so these are written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from simtailor.metasim.settings import Discrepancy as DiscrepancySettings
from simtailor.seeds import generator

Levels = Sequence[torch.Tensor]
SMALLEST_EXPONENT = -80.0
COINCIDE_BELOW = 1e-3  # of the typical distance: what float32 tells apart through a Gram matrix


class Discrepancy(Protocol):
    """Says how far a batch of generated images is from the target."""

    def __call__(self, generated: Levels) -> torch.Tensor:
        """Return a scalar from features of generated images, one [B, D_l] a level."""
        ...


class MaximumMeanDiscrepancy:
    """Squared maximum mean discrepancy (MMD) to the target, summed over the levels.

    Gretton et al., "A Kernel Two-Sample Test", JMLR 2012: equation 3 is the unbiased
    estimator, equation 5 the biased one. The kernel is a mean of Gaussians over several
    bandwidths, taken from the target's own distances (median heuristic) times fixed factors.

    Args:
        target: one float32 [M, D_l] a level, M at least 2.
        reference: features of the same levels for generated images at the start of
            training; the bandwidths cover the distances within the target as well as
            those between the target and the reference.
        factors: factors on the median squared distances.
        unbiased: leave the diagonals out (equation 3); else the published estimator.
        cube: so many generated images at a time were drawn together (a Latin hypercube); the
            unbiased estimator leaves out their pairs, for only the others are independent. At
            most half of the images.
    """

    def __init__(
        self,
        target: Levels,
        reference: Levels = (),
        *,
        factors: Sequence[float] = (0.05, 0.2, 0.5, 1.0, 2.0),
        unbiased: bool = True,
        cube: int = 1,
    ) -> None:
        self.target = [_Points(level) for level in target]
        self.cube = cube if unbiased else 0  # 0: all pairs count
        within = torch.stack([level.squared_distances() for level in self.target])
        medians = [
            _median_squared_distances(level, within[i], reference[i : i + 1])
            for i, level in enumerate(self.target)
        ]
        scale = torch.stack(medians).clamp_min(1e-8)
        # The factors go with both medians, so that near and far are covered.
        self.bandwidths = (scale[..., None] * scale.new_tensor(factors)).flatten(1)
        self._target_term = _mean_within(self._gaussians(within)[0], int(unbiased)).sum()

    def __call__(self, generated: Levels) -> torch.Tensor:
        """Return the squared MMD (a scalar) of generated features, one [B, D_l] a level."""
        return self._target_term + _VaryingTerms.apply(self, *generated)

    def kernel(self, features: Levels) -> torch.Tensor:
        """Return the kernel matrix [n, n] of a sample, summed over the levels."""
        squared = torch.stack([_Points(level).squared_distances() for level in features])
        return self._gaussians(squared)[0].sum(0)

    def cross_kernel(self, features: Levels) -> torch.Tensor:
        """Return the kernel matrix [n, M] between a sample and the target, over the levels."""
        pairs = zip(features, self.target, strict=True)
        squared = torch.stack([_Points(x).squared_distances(t) for x, t in pairs])
        return self._gaussians(squared)[0].sum(0)

    def _gaussians(self, squared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the kernel at squared distances [L, n, m] and its slope there, by level."""
        kernel, slope = torch.zeros_like(squared), torch.zeros_like(squared)
        rates = -1 / self.bandwidths.T[..., None, None]
        for rate in rates:
            # Smaller exponentials are no normal numbers of float32, which makes them slow.
            gaussian = (squared * rate).clamp_min_(SMALLEST_EXPONENT).exp_()
            kernel += gaussian
            slope.addcmul_(gaussian, rate)
        return kernel.div_(len(rates)), slope.div_(len(rates))


class _VaryingTerms(torch.autograd.Function):
    """The terms of the squared MMD that depend on the generated features, over all levels.

    At x, exp(-|x - y|^2 / b) has the derivative 2 (x - y) times the kernel's slope, so the
    gradient takes two matrix products a level. Differentiating step by step would keep and
    walk some fifty matrices a level.
    """

    @staticmethod
    def forward(context, mmd, *generated):
        pairs = list(zip(map(_Points, generated), mmd.target, strict=True))
        within, slope_within = mmd._gaussians(
            torch.stack([x.squared_distances() for x, _ in pairs])
        )
        across, slope_across = mmd._gaussians(
            torch.stack([x.squared_distances(target) for x, target in pairs])
        )
        context.save_for_backward(slope_within, slope_across, *generated)
        context.mmd = mmd
        return _mean_within(within, mmd.cube).sum() - 2 * across.mean((1, 2)).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient):
        within, across, *generated = context.saved_tensors
        weights = _pair_weights(within, context.mmd.cube)
        # A pair within the sample counts twice, once from either side.
        within = within * (4 * gradient * weights)
        across = across * (-4 * gradient / across[0].numel())
        own = torch.diag_embed(within.sum(2) + across.sum(2)) - within
        gradients = [
            torch.addmm(own[i] @ level, across[i], context.mmd.target[i].points, alpha=-1)
            for i, level in enumerate(generated)
        ]
        return None, *gradients


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
            level = _Points(features)
            random = generator(seed, "directions", i)
            drawn = random.standard_normal((features.shape[1], directions))
            drawn = torch.from_numpy(drawn).to(features)
            length = _typical_distance(level, reference[i : i + 1])
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
        self._target = [_Points(x - c) for x, c in zip(target, self._centres, strict=True)]
        self._lengths, self._target_term = [], []
        for i, level in enumerate(self._target):
            centred = [r - self._centres[i] for r in reference[i : i + 1]]
            self._lengths.append(_typical_distance(level, centred))
            within = _distances(level.squared_distances(), self._lengths[-1])
            self._target_term.append(_mean_within(within, int(unbiased)))

    def __call__(self, generated: Levels) -> torch.Tensor:
        """Return the energy distance (a scalar) of features, one [B, D_l] a level."""
        terms = []
        for i, (features, target) in enumerate(zip(generated, self._target, strict=True)):
            level, length = _Points(features - self._centres[i]), self._lengths[i]
            within = _mean_within(_distances(level.squared_distances(), length), self._cube)
            across = _distances(level.squared_distances(target), length).mean()
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


def at_most_half(cube: int, count: int) -> int:
    """Return the size of Latin hypercubes of which at least two make ``count`` scenes."""
    return min(cube, count // 2)


def squared_distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the squared Euclidean distances [n, m] of two samples, [n, D] and [m, D]."""
    return _Points(first).squared_distances(_Points(second))


class _Points:
    """A sample [n, D] with its squared norms."""

    def __init__(self, points: torch.Tensor) -> None:
        if len(points) < 2:
            raise ValueError("a sample needs at least two images")
        self.points, self.squared_norms = points, points.square().sum(1)

    def squared_distances(self, other: _Points | None = None) -> torch.Tensor:
        """Return squared Euclidean distances [n, m] through a Gram matrix, never [n, m, D]."""
        other = other or self
        norms = self.squared_norms[:, None] + other.squared_norms[None]
        return torch.addmm(norms, self.points, other.points.T, alpha=-2).clamp_min(0)


def _median_squared_distances(
    target: _Points, within: torch.Tensor, reference: Levels
) -> torch.Tensor:
    """Return the medians within the target and, if there is one, from the reference to it."""
    rows, columns = torch.triu_indices(*within.shape, 1)
    medians = [within[rows, columns].median()]
    medians += [_Points(r.detach()).squared_distances(target).median() for r in reference]
    return torch.stack(medians)


def _typical_distance(target: _Points, reference: Levels) -> torch.Tensor:
    """Return the larger of the median distances within the target and to the reference."""
    medians = _median_squared_distances(target, target.squared_distances(), reference)
    return medians.max().clamp_min(1e-8).sqrt()


def _distances(squared: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Return distances in units of ``length``; points that coincide have no gradient."""
    relative = squared / length.square()
    apart = relative > COINCIDE_BELOW**2
    # The inner choice keeps the infinite slope of the root at 0 out of the gradient.
    return torch.where(apart, torch.where(apart, relative, 1).sqrt(), 0)


def _mean_within(matrices: torch.Tensor, cube: int) -> torch.Tensor:
    """Return means [...] over pairs of one sample [..., n, n], as ``_pair_weights`` says."""
    return (matrices * _pair_weights(matrices, cube)).sum((-2, -1))


def _pair_weights(matrices: torch.Tensor, cube: int) -> torch.Tensor:
    """Return weights [n, n] of pairs of one sample, whose sum is 1.

    Args:
        matrices: [..., n, n], of which size, type and device are taken.
        cube: pairs of so many neighbours, in order, weigh nothing: 0 for all pairs to count,
            1 for those of different images, more for those of different Latin hypercubes.
    """
    count = matrices.shape[-1]
    if not cube:
        return matrices.new_full((count, count), 1 / count**2)
    cubes = torch.arange(count, device=matrices.device) // at_most_half(cube, count)
    apart = (cubes[:, None] != cubes).to(matrices)
    return apart / apart.sum()


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
