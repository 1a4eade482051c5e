"""Discrepancies against their definitions and other implementations."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from simtailor.metasim.discrepancy import (
    EnergyDistance,
    MaximumMeanDiscrepancy,
    SlicedWassersteinDistance,
    make_discrepancy,
)
from simtailor.metasim.settings import Discrepancy


def sample(count: int, dimensions: int = 3, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimensions, generator=random, dtype=torch.float64) + shift


SETTINGS = [
    {"kind": "mmd", "unbiased": True},
    {"kind": "mmd", "unbiased": False},
    {"kind": "energy", "unbiased": True},
    {"kind": "energy", "unbiased": False},
    {"kind": "sliced_wasserstein"},
    {"kind": "mmd", "cube": 2},
    {"kind": "energy", "cube": 2},
]


def make(settings: dict, target, reference=()):
    """Return a discrepancy by the keys of the configuration, and ``cube``."""
    cube, keys = settings.get("cube", 1), {k: v for k, v in settings.items() if k != "cube"}
    return make_discrepancy(Discrepancy(**keys), target, reference, cube=cube)


def hypercubes(count: int, size: int, seed: int) -> torch.Tensor:
    """Return Latin hypercubes of a Gaussian: [count, 3], ``size`` at a time."""
    engine = scipy.stats.qmc.LatinHypercube(3, rng=seed)
    uniform = [engine.random(size) for _ in range(count // size)]
    return torch.from_numpy(scipy.stats.norm.ppf(np.concatenate(uniform)))


class LargestTensor(TorchDispatchMode):
    """Records the number of elements of the largest tensor that is made, views apart."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        given = {a.untyped_storage().data_ptr() for a in arguments if isinstance(a, torch.Tensor)}
        for item in result if isinstance(result, tuple | list) else [result]:
            if isinstance(item, torch.Tensor) and item.untyped_storage().data_ptr() not in given:
                self.elements = max(self.elements, item.numel())
        return result


def brute_force(first, second, bandwidths, unbiased: bool, cube: int = 1) -> float:
    """Return equation 3 or 5 of Gretton et al. (2012), one pair after another."""

    def kernel(x, y) -> float:
        squared = sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True))
        return sum(math.exp(-squared / float(b)) for b in bandwidths) / len(bandwidths)

    def within(points, cube) -> float:
        pairs = [
            kernel(x, y)
            for i, x in enumerate(points)
            for j, y in enumerate(points)
            if not unbiased or i // cube != j // cube
        ]
        return sum(pairs) / len(pairs)

    across = [kernel(x, y) for x in first for y in second]
    return within(first, cube) + within(second, 1) - 2 * sum(across) / len(across)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize(("cube", "counted"), [(1, 1), (2, 2), (3, 3), (50, 3)])
@pytest.mark.parametrize("with_reference", [True, False])
def test_equals_the_definition_summed_over_levels(unbiased, cube, counted, with_reference):
    """Of six images at most three make a hypercube."""
    target = [sample(7), sample(7, 5, seed=1)]
    generated = [sample(6, shift=0.4, seed=2), sample(6, 5, -0.3, seed=3)]
    reference = [sample(5, shift=3, seed=4), sample(5, 5, 3, seed=5)] if with_reference else []
    mmd = MaximumMeanDiscrepancy(target, reference, unbiased=unbiased, cube=cube)
    expected = sum(
        brute_force(g, t, b, unbiased, counted)
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


@pytest.mark.parametrize("kind", [MaximumMeanDiscrepancy, EnergyDistance])
def test_unbiased_is_zero_in_the_mean_for_equal_distributions(kind):
    values = {True: [], False: []}
    for repeat in range(300):
        target, generated = sample(12, seed=2 * repeat), sample(12, seed=2 * repeat + 1)
        for unbiased, listed in values.items():
            listed.append(float(kind([target], unbiased=unbiased)([generated])))
    unbiased, biased = (torch.tensor(values[flag]) for flag in (True, False))
    assert abs(float(unbiased.mean())) < 4 * float(unbiased.std()) / math.sqrt(300)
    assert float(unbiased.min()) < 0
    assert float(biased.min()) > 0.02  # the published estimator never reaches 0


@pytest.mark.parametrize("kind", [MaximumMeanDiscrepancy, EnergyDistance])
def test_unbiased_is_zero_in_the_mean_for_hypercubes_too(kind):
    """Images of one hypercube are further apart than independent ones."""
    target = sample(2000, seed=1)
    generated = [[hypercubes(50, 10, seed)] for seed in range(300)]
    together, apart = (
        torch.tensor([float(discrepancy(levels)) for levels in generated])
        for discrepancy in (kind([target], cube=1), kind([target], cube=10))
    )
    error = float(apart.std()) / math.sqrt(300)
    assert abs(float(apart.mean())) < 4 * error
    assert float(together.mean()) < -8 * error


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_grows_with_the_distance(settings):
    discrepancy = make(settings, [sample(80)], [sample(80, shift=4, seed=1)])
    values = [float(discrepancy([sample(80, shift=s, seed=1)])) for s in (0, 0.5, 1, 2, 4, 8)]
    assert values == sorted(values)
    assert values[-1] > 20 * abs(values[0])


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_sees_a_difference_in_spread_alone(settings):
    discrepancy = make(settings, [sample(200)])
    same, wider = sample(200, seed=1), 3 * sample(200, seed=1)
    assert float(discrepancy([wider])) > 15 * abs(float(discrepancy([same])))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_gradient_equals_finite_differences(settings):
    target = [sample(6), sample(6, 2, seed=1)]
    discrepancy = make(settings, target, [sample(4, seed=4), sample(4, 2, seed=5)])
    generated = (sample(5, shift=0.5, seed=2), sample(5, 2, 0.5, seed=3))
    inputs = tuple(level.requires_grad_() for level in generated)
    assert torch.autograd.gradcheck(lambda *levels: discrepancy(levels), inputs)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_gradient_leads_to_the_target(settings):
    discrepancy = make(settings, [sample(60)], [sample(60, shift=2, seed=1)])
    shift = torch.full((3,), 2.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([shift], lr=0.2)
    for _ in range(40):
        optimiser.zero_grad()
        discrepancy([sample(60, seed=1) + shift]).backward()
        optimiser.step()
    assert shift.detach().abs().max() < 0.5


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("distance", [0.0, 3.0])
def test_images_that_are_all_equal_give_finite_numbers(settings, distance):
    discrepancy = make(settings, [torch.ones(5, 3)])
    generated = torch.full((4, 3), 1 + distance, requires_grad=True)
    value = discrepancy([generated])
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(generated.grad).all()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_unit_of_a_level_does_not_matter(settings):
    def value(factor: float) -> float:
        target, reference, generated = (
            [sample(9, seed=seed), factor * sample(9, 4, shift, seed + 1)]
            for seed, shift in ((0, 0), (2, 3), (4, 2))
        )
        return float(make(settings, target, reference)(generated))

    assert value(1000) == pytest.approx(value(1), rel=1e-9)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_target_is_not_computed_with_again(settings):
    target, generated = sample(40, 50), sample(3, 50, seed=1).requires_grad_()
    discrepancy = make(settings, [target], [sample(20, 50)])
    discrepancy([generated])  # quantiles for batches of 3 images are kept from here on
    with LargestTensor() as largest:
        discrepancy([generated]).backward()
    # Neither M x D, nor M x M, nor the target's projections M x 128.
    assert 0 < largest.elements <= max(3 * 50, 3 * 40, 3 * 128)


def test_kernel_of_a_pooled_sample_gives_the_same_discrepancy():
    target, generated = [sample(7), sample(7, 2)], [sample(5, seed=1), sample(5, 2, seed=1)]
    mmd = MaximumMeanDiscrepancy(target, unbiased=False)
    kernel = mmd.kernel([torch.cat(pair) for pair in zip(generated, target, strict=True)])
    sign = torch.tensor([1 / 5] * 5 + [-1 / 7] * 7, dtype=torch.float64)
    assert float(sign @ kernel @ sign) == pytest.approx(float(mmd(generated)))


def test_memory_does_not_grow_with_pairs_times_pixels():
    target, generated = sample(40, 50), sample(30, 50, seed=1).requires_grad_()
    with LargestTensor() as largest:
        MaximumMeanDiscrepancy([target], [sample(20, 50)])([generated]).backward()
    assert 0 < largest.elements <= 40 * 50


@given(st.integers(1, 12), st.integers(2, 12), st.integers(0, 99))
def test_sliced_wasserstein_of_any_sizes_is_the_best_transport(count, size, seed):
    target, generated = sample(size, 1, seed=seed), sample(count, 1, 0.5, seed + 1)
    distance = SlicedWassersteinDistance([target], directions=3)
    # Repeated until both have as many points, which sorting then matches the best way.
    pairs = zip(
        sorted(generated.flatten().tolist() * size),
        sorted(target.flatten().tolist() * count),
        strict=True,
    )
    squared = sum((x - y) ** 2 for x, y in pairs) / (count * size)
    expected = squared / float(torch.pdist(target).square().median())
    assert float(distance([generated])) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_sliced_wasserstein_equals_scipy_for_a_shift():
    """In one dimension a shift has the same distance of every order."""
    target = sample(40, 1)
    generated = target[torch.randperm(40)] + 0.7
    length = float(torch.pdist(target).median())
    expected = scipy.stats.wasserstein_distance(generated.flatten(), target.flatten()) / length
    value = float(SlicedWassersteinDistance([target], directions=2)([generated]))
    assert value == pytest.approx(expected**2)


def test_sliced_wasserstein_between_gaussians_in_closed_form():
    """W2 squared of N(0, s) and N(m, t) is m^2 + (s - t)^2 on each axis."""
    target, generated = sample(20000, 5), 1.5 * sample(5000, 5, seed=1) + 0.4
    length = float(torch.pdist(target[:2000]).median())
    distance = SlicedWassersteinDistance([target[:2000]], directions=400)
    expected = 5 * (0.4**2 + 0.5**2) / length**2
    assert float(distance([generated])) == pytest.approx(expected, rel=0.1)


def test_directions_depend_on_the_seed_alone():
    target, generated = sample(9), sample(9, shift=1, seed=1)
    first, again, other = (
        float(SlicedWassersteinDistance([target], directions=4, seed=seed)([generated]))
        for seed in (3, 3, 4)
    )
    assert first == again != other


def test_energy_distance_equals_scipy():
    target, generated = sample(30, 1), 2 * sample(20, 1, 0.5, seed=1)
    length = float(torch.pdist(target).median())
    expected = scipy.stats.energy_distance(generated.flatten(), target.flatten()) ** 2 / length
    value = float(EnergyDistance([target], unbiased=False)([generated]))
    assert value == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_energy_distance_of_images_far_from_the_origin_is_exact(dtype):
    """Features of networks lie close together and far from 0."""
    target, generated = sample(30, 50), sample(20, 50, 0.3, seed=1)
    expected = float(EnergyDistance([target])([generated]))
    far = EnergyDistance([(target + 300).to(dtype)])([(generated + 300).to(dtype)])
    assert float(far) == pytest.approx(expected, rel=1e-3)


def test_target_of_one_image_is_refused():
    with pytest.raises(ValueError, match="two images"):
        MaximumMeanDiscrepancy([sample(1)])
