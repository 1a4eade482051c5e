"""Maximum mean discrepancy (MMD) between generated and target images.

Gretton et al., "A Kernel Two-Sample Test", JMLR 2012: equation 3 is the unbiased
estimator, equation 5 the biased one. The kernel is a mean of Gaussians over several
bandwidths, taken from the target's own distances (median heuristic) times fixed factors.
Everything that depends on the target alone is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


class MaximumMeanDiscrepancy:
    """Squared MMD of a batch to a fixed target, summed over the levels of the features.

    Args:
        target: one float32 [M, D_l] a level, M at least 2.
        reference: features of the same levels for generated images at the start of
            training; the bandwidths cover the distances within the target as well as
            those between the target and the reference.
        factors: factors on the median squared distances.
        unbiased: leave the diagonals out (equation 3); else the published estimator.
    """

    def __init__(
        self,
        target: Sequence[torch.Tensor],
        reference: Sequence[torch.Tensor] = (),
        *,
        factors: Sequence[float] = (0.05, 0.2, 0.5, 1.0, 2.0),
        unbiased: bool = True,
    ) -> None:
        if len(target[0]) < 2:
            raise ValueError("the target needs at least two images")
        self.target = [level.detach() for level in target]
        self.unbiased = unbiased
        self.bandwidths = []
        for i, level in enumerate(self.target):
            within = squared_distances(level, level)
            rows, columns = torch.triu_indices(len(level), len(level), 1)
            medians = [within[rows, columns].median()]
            if len(reference):
                medians.append(squared_distances(reference[i].detach(), level).median())
            scale = torch.stack(medians).clamp_min(1e-8)
            # The factors go with both medians, so that near and far are covered.
            self.bandwidths.append((scale.unique()[:, None] * scale.new_tensor(factors)).flatten())
        self._target_term = [
            self._mean_within(self._kernel(squared_distances(level, level), i))
            for i, level in enumerate(self.target)
        ]

    def __call__(self, generated: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the squared MMD (a scalar) of generated features, one [B, D_l] a level."""
        total = generated[0].new_zeros(())
        for i, (level, target) in enumerate(zip(generated, self.target, strict=True)):
            within = self._mean_within(self._kernel(squared_distances(level, level), i))
            across = self._kernel(squared_distances(level, target), i).mean()
            total = total + within + self._target_term[i] - 2 * across
        return total

    def kernel(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the kernel matrix [n, n] of a sample, summed over the levels."""
        return torch.stack(
            [self._kernel(squared_distances(level, level), i) for i, level in enumerate(features)]
        ).sum(0)

    def _kernel(self, squared: torch.Tensor, level: int) -> torch.Tensor:
        bandwidths = self.bandwidths[level]
        kernel = torch.zeros_like(squared)
        for bandwidth in bandwidths:
            kernel = kernel + torch.exp(-squared / bandwidth)
        return kernel / len(bandwidths)

    def _mean_within(self, kernel: torch.Tensor) -> torch.Tensor:
        count = len(kernel)
        if not self.unbiased:
            return kernel.mean()
        return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))


def squared_distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return squared Euclidean distances [n, m] through a Gram matrix, never [n, m, D]."""
    squared = first.square().sum(1)[:, None] + second.square().sum(1)[None] - 2 * first @ second.T
    return squared.clamp_min(0)
