"""Did the training work? Attribute statistics, held-out discrepancy and a plain verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from simtailor.config import Experiment
from simtailor.metasim.discrepancy import MaximumMeanDiscrepancy
from simtailor.scene.attributes import attribute, mean_and_spread, wasserstein_distance
from simtailor.scene.graph import SceneGraphLayout
from simtailor.seeds import generator

PERMUTATIONS = 500
TOLD_APART_BELOW = 0.01
FEW_IMAGES = 50


@dataclass(frozen=True)
class HeldOutComparison:
    """Comparison of generated images with target images that the training never saw.

    Attributes:
        start, end: unbiased squared MMD before and after the training; about 0, and as
            often below as above, where nothing tells the sets apart.
        p_start, p_end: share of random splits of both sets whose MMD is at least as large
            (the permutation test of Gretton et al. 2012); small where they differ.
        images: number of images in each set.
    """

    start: float
    end: float
    p_start: float
    p_end: float
    images: int

    @property
    def share_left(self) -> float:
        """What is left of the discrepancy at the start, at least 0; 0 where there was none."""
        return max(self.end, 0.0) / self.start if self.start > 0 else 0.0


def compare_with_held_out(
    experiment: Experiment,
    before: list[torch.Tensor],
    after: list[torch.Tensor],
    held_out: list[torch.Tensor],
) -> HeldOutComparison:
    """Compare features of generated images, [n, D_l] a level, with those of the held-out target.

    By the MMD, whatever the training used, since it has a permutation test.
    """
    factors = experiment.discrepancy.bandwidth_factors
    discrepancy = MaximumMeanDiscrepancy(held_out, before, factors=factors, unbiased=True)
    random = generator(int(experiment.seed or 0), "permutations")
    values, shares, count = [], [], len(before[0])
    for generated in (before, after):
        values.append(float(discrepancy(generated)))
        pooled = [torch.cat([a, t]) for a, t in zip(generated, held_out, strict=True)]
        kernel = discrepancy.kernel(pooled).cpu()
        exceeding = 0
        for _ in range(PERMUTATIONS):
            order = torch.from_numpy(random.permutation(len(kernel)))
            split = _mmd_of_split(kernel, order[:count], order[count:])
            exceeding += split >= values[-1]
        shares.append((exceeding + 1) / (PERMUTATIONS + 1))
    return HeldOutComparison(*values, *shares, images=len(held_out[0]))


def _mmd_of_split(kernel: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the unbiased MMD of two parts of a pooled sample with kernel matrix [n, n]."""

    def within(part: torch.Tensor) -> torch.Tensor:
        block = kernel[part][:, part]
        return (block.sum() - block.diagonal().sum()) / (len(part) * (len(part) - 1))

    return float(within(first) + within(second) - 2 * kernel[first][:, second].mean())


def attribute_table(
    layout: SceneGraphLayout,
    prior: np.ndarray,
    generated: np.ndarray,
    target: np.ndarray | None,
) -> dict[str, dict[str, Any]]:
    """Return the statistics of every mutable entry, in the attribute's own unit.

    Args:
        prior, generated, target: values [n, N, F]; the target's are None where it is a
            folder of images.
    """
    table = {}
    for node, feature in layout.entries():
        known = attribute(layout.features[feature])

        def statistics(values: np.ndarray | None) -> dict[str, float] | None:
            if values is None:
                return None
            mean, spread = mean_and_spread(values[:, node, feature], known.period)  # noqa: B023
            return {"mean": round(mean, 6), "std": round(spread, 6)}

        def distance(values: np.ndarray) -> float | None:
            if target is None:
                return None
            pair = (values[:, node, feature], target[:, node, feature])  # noqa: B023
            return round(wasserstein_distance(*pair, known.period), 6)  # noqa: B023

        table[layout.entry_name(node, feature)] = {
            "unit": known.unit,
            "prior": statistics(prior),
            "target": statistics(target),
            "generated": statistics(generated),
            "wasserstein": distance(generated),
            "wasserstein_prior": distance(prior),
        }
    return table


def verdict(comparison: HeldOutComparison, converged_below: float) -> tuple[bool, str]:
    """Return whether the training converged, and plain sentences that say why."""
    apart = comparison.p_end < TOLD_APART_BELOW
    test = (
        f"a permutation test on {comparison.images} held-out images "
        f"{'still tells' if apart else 'cannot tell'} generated from target images apart "
        f"(p = {comparison.p_end:.3f})"
    )
    if comparison.images < FEW_IMAGES:
        test += ", though so few images show only large differences"
    if comparison.p_start >= TOLD_APART_BELOW:
        reason = "the prior's images could not be told from the target's to begin with"
        return not apart, f"{'Not converged' if apart else 'Converged'}: {reason}, and {test}."
    fell = (
        f"the discrepancy to held-out target images went from {comparison.start:.3g} to "
        f"{comparison.end:.3g} ({comparison.share_left:.1%} left; below {converged_below:.0%} "
        "counts as converged)"
    )
    if comparison.share_left < converged_below:
        return True, f"Converged: {fell}, and {test}."
    advice = (
        "Train for longer, search more candidates, or check that the renderer can reach the target."
    )
    return False, f"Not converged: {fell}; {test}. {advice}"
