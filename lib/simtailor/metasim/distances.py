"""Distances between the features of two samples, and means over pairs, for the discrepancies."""

from __future__ import annotations

from collections.abc import Sequence

import torch

Levels = Sequence[torch.Tensor]
COINCIDE_BELOW = 1e-3  # of the typical distance: what float32 tells apart through a Gram matrix


def squared_distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the squared Euclidean distances [n, m] of two samples, [n, D] and [m, D]."""
    return Points(first).squared_distances(Points(second))


class Points:
    """A sample [n, D] with its squared norms."""

    def __init__(self, points: torch.Tensor) -> None:
        if len(points) < 2:
            raise ValueError("a sample needs at least two images")
        self.points, self.squared_norms = points, points.square().sum(1)

    def squared_distances(self, other: Points | None = None) -> torch.Tensor:
        """Return squared Euclidean distances [n, m] through a Gram matrix, never [n, m, D]."""
        other = other or self
        norms = self.squared_norms[:, None] + other.squared_norms[None]
        return torch.addmm(norms, self.points, other.points.T, alpha=-2).clamp_min(0)


def median_squared_distances(
    target: Points, within: torch.Tensor, reference: Levels
) -> torch.Tensor:
    """Return the medians within the target and, if there is one, from the reference to it."""
    rows, columns = torch.triu_indices(*within.shape, 1)
    medians = [within[rows, columns].median()]
    medians += [Points(r.detach()).squared_distances(target).median() for r in reference]
    return torch.stack(medians)


def typical_distance(target: Points, reference: Levels) -> torch.Tensor:
    """Return the larger of the median distances within the target and to the reference."""
    medians = median_squared_distances(target, target.squared_distances(), reference)
    return medians.max().clamp_min(1e-8).sqrt()


def distances_in(squared: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Return distances in units of ``length``; points that coincide have no gradient."""
    relative = squared / length.square()
    apart = relative > COINCIDE_BELOW**2
    # The inner choice keeps the infinite slope of the root at 0 out of the gradient.
    return torch.where(apart, torch.where(apart, relative, 1).sqrt(), 0)


def mean_within(matrices: torch.Tensor, cube: int) -> torch.Tensor:
    """Return means [...] over pairs of one sample [..., n, n], as ``pair_weights`` says."""
    return (matrices * pair_weights(matrices, cube)).sum((-2, -1))


def pair_weights(matrices: torch.Tensor, cube: int) -> torch.Tensor:
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


def at_most_half(cube: int, count: int) -> int:
    """Return the size of Latin hypercubes of which at least two make ``count`` scenes."""
    return min(cube, count // 2)
