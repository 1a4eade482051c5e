"""Bootstrap intervals of recovered means and spreads, with an analytic renderer."""

import functools

import numpy as np
import pytest
import torch
from blobs import LOC_X, THING, YAW, BlobRenderer, grammar

from simtailor.metasim.confidence import Interval, bootstrap_intervals
from simtailor.metasim.generators import effective_layout
from simtailor.metasim.settings import Discrepancy
from simtailor.render.renderer import Equivalents
from simtailor.scene import SceneGraphBatch

TRUTH = {YAW: (0.0, 12.0), LOC_X: (50.0, 6.0)}  # the angle lies on the seam
SOURCE = grammar(TRUTH[YAW], TRUTH[LOC_X])


LOC_Z = 2


def features(graphs: SceneGraphBatch) -> list[torch.Tensor]:
    pixels = torch.from_numpy(BlobRenderer().render(graphs).images[..., :2]).float() / 255
    return [pixels.flatten(1)]


def scenes(count: int, seed: int) -> SceneGraphBatch:
    graphs = SOURCE.sample(count, np.random.default_rng(seed))
    layout = effective_layout(SOURCE, BlobRenderer())
    return SceneGraphBatch(layout, graphs.classes, graphs.features, graphs.seeds)


@functools.cache
def intervals(images: int, unseen: float = 0.0) -> dict[tuple[int, int], Interval]:
    """Of some scenes, which the renderer cannot tell from others, the yaw is noted wrongly."""
    generated = scenes(500, 0)
    values, identified = generated.features.copy(), np.ones(generated.features.shape, bool)
    hidden = np.arange(500) < unseen * 500
    identified[hidden, THING, YAW] = False
    values[hidden, THING, YAW] = 0.5
    return bootstrap_intervals(
        Equivalents(generated.with_features(values), identified, ~hidden),
        features(generated),
        features(scenes(images, 1)),
        Discrepancy().bandwidth_factors,
        np.random.default_rng(2),
    )


def bounds(interval: tuple[float, float], around: float, period: float) -> np.ndarray:
    off = np.array(interval) - around
    return (off + period / 2) % period - period / 2 if period else off


@pytest.mark.parametrize(("feature", "period"), [(YAW, 360), (LOC_X, 0)])
def test_intervals_hold_the_truth_and_are_as_wide_as_the_standard_error(feature, period):
    count = 200
    interval = intervals(count)[THING, feature]
    mean, spread = TRUTH[feature]
    low, high = bounds(interval.mean, mean, period)
    assert low < 0 < high
    expected = 2 * 1.96 * spread / count**0.5
    assert expected / 3 < high - low < 3 * expected
    low, high = interval.spread
    assert low < spread < high
    expected = 2 * 1.96 * spread / (2 * count) ** 0.5
    assert expected / 3 < high - low < 3 * expected


def test_a_part_of_the_target_stands_for_all_of_it():
    """With 200 of 800 images the intervals are half as wide as for 200 alone."""
    generated = scenes(500, 0)
    everything = np.ones(generated.features.shape, bool)
    same = Equivalents(generated, everything, np.ones(500, bool))
    factors = Discrepancy().bandwidth_factors
    of_all = bootstrap_intervals(
        same,
        features(generated),
        features(scenes(200, 1)),
        factors,
        np.random.default_rng(2),
        count=800,
    )
    for feature in (YAW, LOC_X):
        wide, narrow = (np.ptp(i[THING, feature].mean) for i in (intervals(200), of_all))
        assert narrow == pytest.approx(wide / 2, rel=0.15)


def test_scenes_that_do_not_show_an_entry_have_no_say():
    interval = intervals(200, unseen=0.3)[THING, YAW]
    low, high = bounds(interval.mean, TRUTH[YAW][0], 360)
    assert -6 < low < 0 < high < 6
    assert interval.spread[1] < 20
    assert intervals(200, unseen=1.0)[THING, YAW] == Interval(None, None)


def test_more_images_give_narrower_intervals():
    for feature, period in ((YAW, 360), (LOC_X, 0)):
        few, many = (
            np.ptp(bounds(intervals(n)[THING, feature].mean, TRUTH[feature][0], period))
            for n in (40, 200)
        )
        assert many < 0.75 * few


def test_entries_that_may_not_change_have_no_interval():
    assert set(intervals(40)) == {(THING, YAW), (THING, LOC_X)}


@pytest.mark.parametrize("visible", [[YAW, LOC_X], [LOC_X], [YAW], []])
def test_what_the_images_do_not_show_has_no_interval(visible):
    """An entry may be mutable, and the renderer may draw nothing of it, alone or among others."""
    graphs = SOURCE.sample(500, np.random.default_rng(0))
    mutable = np.zeros(graphs.layout.mutable.shape, bool)
    mutable[THING, [*visible, LOC_Z]] = True
    layout = graphs.layout.with_mutable(mutable)
    generated = SceneGraphBatch(layout, graphs.classes, graphs.features, graphs.seeds)
    found = bootstrap_intervals(
        Equivalents(generated, np.ones(generated.features.shape, bool), np.ones(500, bool)),
        features(generated),
        features(scenes(200, 1)),
        Discrepancy().bandwidth_factors,
        np.random.default_rng(2),
    )
    assert found[THING, LOC_Z] == Interval(None, None)
    for feature in visible:
        assert None not in (found[THING, feature].mean, found[THING, feature].spread)
