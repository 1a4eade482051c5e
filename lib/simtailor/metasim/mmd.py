"""The squared maximum mean discrepancy to a fixed target, with its gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from simtailor.metasim.distances import (
    Levels,
    Points,
    mean_within,
    median_squared_distances,
    pair_weights,
    squared_distances,
)

SMALLEST_EXPONENT = -80.0


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
        self.target = [Points(level) for level in target]
        self.cube = cube if unbiased else 0  # 0: all pairs count
        within = torch.stack([level.squared_distances() for level in self.target])
        medians = [
            median_squared_distances(level, within[i], reference[i : i + 1])
            for i, level in enumerate(self.target)
        ]
        scale = torch.stack(medians).clamp_min(1e-8)
        # The factors go with both medians, so that near and far are covered.
        self.bandwidths = (scale[..., None] * scale.new_tensor(factors)).flatten(1)
        self._target_term = mean_within(self._gaussians(within)[0], int(unbiased)).sum()

    def __call__(self, generated: Levels) -> torch.Tensor:
        """Return the squared MMD (a scalar) of generated features, one [B, D_l] a level."""
        return self._target_term + _VaryingTerms.apply(self, *generated)

    def kernel(self, features: Levels) -> torch.Tensor:
        """Return the kernel matrix [n, n] of a sample, summed over the levels."""
        squared = torch.stack([Points(level).squared_distances() for level in features])
        return self._gaussians(squared)[0].sum(0)

    def kernel_between(self, first: Levels, second: Levels) -> torch.Tensor:
        """Return the kernel matrix [n, m] between two samples, summed over the levels."""
        pairs = zip(first, second, strict=True)
        squared = torch.stack([squared_distances(x, y) for x, y in pairs])
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
        pairs = list(zip(map(Points, generated), mmd.target, strict=True))
        within, slope_within = mmd._gaussians(
            torch.stack([x.squared_distances() for x, _ in pairs])
        )
        across, slope_across = mmd._gaussians(
            torch.stack([x.squared_distances(target) for x, target in pairs])
        )
        context.save_for_backward(slope_within, slope_across, *generated)
        context.mmd = mmd
        return mean_within(within, mmd.cube).sum() - 2 * across.mean((1, 2)).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient):
        within, across, *generated = context.saved_tensors
        weights = pair_weights(within, context.mmd.cube)
        # A pair within the sample counts twice, once from either side.
        within = within * (4 * gradient * weights)
        across = across * (-4 * gradient / across[0].numel())
        own = torch.diag_embed(within.sum(2) + across.sum(2)) - within
        gradients = [
            torch.addmm(own[i] @ level, across[i], context.mmd.target[i].points, alpha=-1)
            for i, level in enumerate(generated)
        ]
        return None, *gradients
