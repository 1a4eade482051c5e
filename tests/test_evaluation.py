"""The comparison with held-out target images and its permutation test."""

import pytest
import torch

from simtailor.config import Experiment
from simtailor.metasim.discrepancy import MaximumMeanDiscrepancy
from simtailor.metasim.evaluation import compare_with_held_out


def features(shift: float, seed: int, count: int = 60) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(count, size, generator=random) + shift for size in (6, 3)]


@pytest.mark.parametrize("kind", ["mmd", "sliced_wasserstein", "energy"])
def test_held_out_images_are_compared_by_mmd_whatever_was_trained_on(kind):
    experiment = Experiment(
        grammar="prior.json", target={"grammar": "target.json"}, discrepancy={"kind": kind}, seed=0
    )
    before, held_out = features(2, 0), features(0, 2, 50)
    comparison = compare_with_held_out(experiment, before, features(0, 1), held_out)
    assert comparison.p_start < 0.01
    assert comparison.p_end > 0.05
    assert comparison.images == 50
    assert comparison.start == pytest.approx(
        float(MaximumMeanDiscrepancy(held_out, before, unbiased=True)(before))
    )
    assert comparison.share_left < 0.05
