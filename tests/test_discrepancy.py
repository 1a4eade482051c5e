"""The maximum mean discrepancy against its definition."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from simtailor.metasim.discrepancy import MaximumMeanDiscrepancy
from simtailor.metasim.features.pyramid import ImagePyramid


def sample(count: int, dimensions: int = 3, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimensions, generator=random, dtype=torch.float64) + shift


def brute_force(first, second, bandwidths, unbiased: bool) -> float:
    """Return equation 3 or 5 of Gretton et al. (2012), one pair after another."""

    def kernel(x, y) -> float:
        squared = sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True))
        return sum(math.exp(-squared / float(b)) for b in bandwidths) / len(bandwidths)

    def within(points) -> float:
        pairs = [
            kernel(x, y)
            for i, x in enumerate(points)
            for j, y in enumerate(points)
            if not unbiased or i != j
        ]
        return sum(pairs) / len(pairs)

    across = [kernel(x, y) for x in first for y in second]
    return within(first) + within(second) - 2 * sum(across) / len(across)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("with_reference", [True, False])
def test_equals_the_definition_summed_over_levels(unbiased, with_reference):
    target = [sample(7), sample(7, 5, seed=1)]
    generated = [sample(6, shift=0.4, seed=2), sample(6, 5, -0.3, seed=3)]
    reference = [sample(5, shift=3, seed=4), sample(5, 5, 3, seed=5)] if with_reference else []
    mmd = MaximumMeanDiscrepancy(target, reference, unbiased=unbiased)
    expected = sum(
        brute_force(g, t, b, unbiased)
        for g, t, b in zip(generated, target, mmd.bandwidths, strict=True)
    )
    assert float(mmd(generated)) == pytest.approx(expected, rel=1e-10)


def test_bandwidths_are_factors_on_both_medians():
    target, reference = sample(9), sample(4, shift=5, seed=1)
    mmd = MaximumMeanDiscrepancy([target], [reference], factors=[0.5, 2.0])
    within = torch.pdist(target).square().median()
    across = torch.cdist(reference, target).square().median()
    expected = torch.stack([within / 2, within * 2, across / 2, across * 2])
    torch.testing.assert_close(mmd.bandwidths[0].sort().values, expected.sort().values)


def test_images_that_are_all_equal_give_finite_numbers():
    target = torch.ones(5, 3)
    mmd = MaximumMeanDiscrepancy([target])
    generated = torch.zeros(4, 3, requires_grad=True)
    value = mmd([generated])
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(generated.grad).all()


def test_unbiased_is_zero_in_the_mean_for_equal_distributions():
    values = {True: [], False: []}
    for repeat in range(300):
        target, generated = sample(12, seed=2 * repeat), sample(12, seed=2 * repeat + 1)
        for unbiased, listed in values.items():
            listed.append(float(MaximumMeanDiscrepancy([target], unbiased=unbiased)([generated])))
    unbiased, biased = (torch.tensor(values[kind]) for kind in (True, False))
    assert abs(float(unbiased.mean())) < 4 * float(unbiased.std()) / math.sqrt(300)
    assert float(unbiased.min()) < 0
    assert float(biased.min()) > 0.02  # the published estimator never reaches 0


@pytest.mark.parametrize("unbiased", [True, False])
def test_grows_with_the_distance(unbiased):
    mmd = MaximumMeanDiscrepancy([sample(80)], [sample(80, shift=4, seed=1)], unbiased=unbiased)
    values = [float(mmd([sample(80, shift=s, seed=1)])) for s in (0, 0.5, 1, 2, 4, 8)]
    assert values == sorted(values)
    assert values[-1] > 20 * abs(values[0])


def test_sees_a_difference_in_spread_alone():
    mmd = MaximumMeanDiscrepancy([sample(200)])
    assert float(mmd([3 * sample(200, seed=1)])) > 20 * abs(float(mmd([sample(200, seed=1)])))


@pytest.mark.parametrize("unbiased", [True, False])
def test_gradient_equals_finite_differences(unbiased):
    target = [sample(6), sample(6, 2, seed=1)]
    mmd = MaximumMeanDiscrepancy(target, [sample(4, seed=4), sample(4, 2, seed=5)])
    generated = (sample(5, shift=0.5, seed=2), sample(5, 2, 0.5, seed=3))
    inputs = tuple(level.requires_grad_() for level in generated)
    assert torch.autograd.gradcheck(lambda *levels: mmd(levels), inputs)


def test_gradient_leads_to_the_target():
    mmd = MaximumMeanDiscrepancy([sample(60)], [sample(60, shift=2, seed=1)])
    shift = torch.full((3,), 2.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([shift], lr=0.2)
    for _ in range(40):
        optimiser.zero_grad()
        mmd([sample(60, seed=1) + shift]).backward()
        optimiser.step()
    assert shift.detach().abs().max() < 0.5


def test_kernel_of_a_pooled_sample_gives_the_same_discrepancy():
    target, generated = [sample(7), sample(7, 2)], [sample(5, seed=1), sample(5, 2, seed=1)]
    mmd = MaximumMeanDiscrepancy(target, unbiased=False)
    kernel = mmd.kernel([torch.cat(pair) for pair in zip(generated, target, strict=True)])
    sign = torch.tensor([1 / 5] * 5 + [-1 / 7] * 7, dtype=torch.float64)
    assert float(sign @ kernel @ sign) == pytest.approx(float(mmd(generated)))


class LargestTensor(TorchDispatchMode):
    """Records the number of elements of the largest tensor that is made."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for item in result if isinstance(result, tuple | list) else [result]:
            if isinstance(item, torch.Tensor):
                self.elements = max(self.elements, item.numel())
        return result


def test_memory_does_not_grow_with_pairs_times_pixels():
    target, generated = sample(40, 50), sample(30, 50, seed=1).requires_grad_()
    with LargestTensor() as largest:
        MaximumMeanDiscrepancy([target], [sample(20, 50)])([generated]).backward()
    assert 0 < largest.elements <= 40 * 50


def test_target_of_one_image_is_refused():
    with pytest.raises(ValueError, match="two images"):
        MaximumMeanDiscrepancy([sample(1)])


def test_pyramid_averages_and_weighs_levels_alike():
    images = torch.zeros(2, 3, 8, 8)
    images[0, :, :4] = 1
    fine, coarse = ImagePyramid([8, 2])(images)
    assert (fine.shape, coarse.shape) == ((2, 192), (2, 12))
    expected = torch.tensor([1.0, 1, 0, 0]).repeat(3) / 12**0.5
    torch.testing.assert_close(coarse[0], expected)
    distances = [float((level[0] - level[1]).square().sum()) for level in (fine, coarse)]
    assert distances == pytest.approx([0.5, 0.5])
