"""Intervals of means and spreads, and where the images pull, with an analytic renderer."""

import functools

import numpy as np
import pytest
import torch
from blobs import LOC_X, THING, YAW, BlobRenderer, grammar

from simtailor.metasim.confidence import FEWEST_EFFECTIVE, Interval, fit_intervals
from simtailor.metasim.generators import effective_layout
from simtailor.metasim.settings import Discrepancy
from simtailor.render.renderer import Equivalents
from simtailor.scene import SceneGraphBatch

TRUTH = {YAW: (0.0, 12.0), LOC_X: (50.0, 6.0)}  # the angle lies on the seam
SOURCE = grammar(TRUTH[YAW], TRUTH[LOC_X])
COUNT, LOC_Z = 300, 2


def features(graphs: SceneGraphBatch, hidden: float = 0.0) -> list[torch.Tensor]:
    """Return the pixels; a share of the scenes looks the same whatever its yaw is."""
    values = graphs.features.copy()
    values[graphs.seeds % 100 < 100 * hidden, THING, YAW] = 0
    images = BlobRenderer().render(graphs.with_features(values)).images
    return [torch.from_numpy(images[..., :2]).float().flatten(1) / 255]


def scenes(count: int, seed: int, mutable=None, source=SOURCE, cube: int = 1) -> SceneGraphBatch:
    graphs = source.sample(count, np.random.default_rng(seed), cube)
    layout = effective_layout(source, BlobRenderer())
    if mutable is not None:
        allowed = np.zeros(layout.mutable.shape, bool)
        allowed[THING, mutable] = True
        layout = layout.with_mutable(allowed)
    return SceneGraphBatch(layout, graphs.classes, graphs.features, graphs.seeds)


def found(
    target: SceneGraphBatch,
    generated: SceneGraphBatch | None = None,
    hidden: float = 0.0,
    count: int | None = None,
    misfit: float = 1.0,
) -> dict[tuple[int, int], Interval]:
    """Return intervals; the yaw of the ``hidden`` share of scenes is noted wrongly."""
    generated = scenes(COUNT, 0, cube=COUNT) if generated is None else generated
    values, identified = generated.features.copy(), np.ones(generated.features.shape, bool)
    unseen = generated.seeds % 100 < 100 * hidden
    identified[unseen, THING, YAW] = False
    values[unseen, THING, YAW] = 0.5
    return fit_intervals(
        Equivalents(generated.with_features(values), identified, ~unseen),
        functools.partial(features, hidden=hidden),
        np.where(generated.layout.mutable, 0.01, 0),
        features(target, hidden),
        Discrepancy().bandwidth_factors,
        count=count,
        misfit=misfit,
    )


@functools.cache
def intervals(images: int) -> dict[tuple[int, int], Interval]:
    return found(scenes(images, 1))


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
    assert 0.8 * expected < 2 * 1.96 * spread * interval.known_mean.error < 2 * expected
    assert high - low == pytest.approx(2 * 1.96 * spread * interval.known_mean.total, rel=0.01)
    low, high = interval.spread
    assert low < spread < high
    expected = 2 * 1.96 * spread / (2 * count) ** 0.5
    assert 0.8 * expected < 2 * 1.96 * spread * interval.known_spread.error < 2 * expected


def test_intervals_are_wider_where_the_renderer_looks_otherwise():
    alike, otherwise = (found(scenes(200, 1), misfit=m)[THING, YAW] for m in (1.0, 3.0))
    assert 2 < np.diff(otherwise.mean) / np.diff(alike.mean) <= 3
    assert otherwise.known_mean.effective < alike.known_mean.effective / 4
    assert otherwise.known_mean.off == alike.known_mean.off


def test_standard_errors_are_those_of_many_targets():
    """The images of a target pull to where its own sample lies, as far as the errors say."""
    many = [found(scenes(100, seed)) for seed in range(10, 18)]
    for feature in (YAW, LOC_X):
        for name in ("known_mean", "known_spread"):
            known = [getattr(one[THING, feature], name) for one in many]
            scores = [k.left / np.hypot(k.error, k.noise) for k in known]
            assert 0.4 < np.sqrt(np.mean(np.square(scores))) < 1.6
            assert not any(k.off for k in known)


@pytest.mark.parametrize(
    ("yaw", "loc_x", "wanted"),
    [
        ((4, 12), (50, 6), {(YAW, "known_mean"): 4 / 12}),
        ((0, 12), (50, 7.8), {(LOC_X, "known_spread"): np.log(1.3)}),
    ],
)
def test_images_pull_a_fit_that_is_off_to_where_they_lie(yaw, loc_x, wanted):
    target = scenes(1000, 1, source=grammar(yaw, loc_x))
    made = found(target)
    for feature in (YAW, LOC_X):
        for name in ("known_mean", "known_spread"):
            known = getattr(made[THING, feature], name)
            assert known.off == ((feature, name) in wanted)
            if known.off:
                assert known.left == pytest.approx(wanted[feature, name], rel=0.35)
                # Intervals contain what is left to go.
                assert known.total > abs(known.left)


def test_a_part_of_the_target_stands_for_all_of_it():
    """With 200 of 800 images the standard errors are half of those for 200 alone."""
    of_all = found(scenes(200, 1), count=800)
    for feature in (YAW, LOC_X):
        wide, narrow = (i[THING, feature].known_mean.error for i in (intervals(200), of_all))
        assert narrow == pytest.approx(wide / 2, rel=0.01)


def test_scenes_that_do_not_show_an_entry_have_no_say():
    interval = found(scenes(200, 1), hidden=0.3)[THING, YAW]
    low, high = bounds(interval.mean, TRUTH[YAW][0], 360)
    assert -6 < low < 0 < high < 6
    assert interval.spread[1] < 20
    unseen = found(scenes(200, 1), hidden=1.0)[THING, YAW]
    assert unseen.mean is unseen.spread is None
    assert unseen.known_mean.effective == 0


def test_what_few_images_hardly_tell_has_no_interval():
    few = found(scenes(4, 3))[THING, YAW]
    assert few.known_spread.effective < FEWEST_EFFECTIVE
    assert few.spread is None


def test_entries_that_may_not_change_have_no_interval():
    assert set(intervals(200)) == {(THING, YAW), (THING, LOC_X)}


@pytest.mark.parametrize("visible", [[YAW, LOC_X], [LOC_X], [YAW], []])
def test_what_the_images_do_not_show_has_no_interval(visible):
    """An entry may be mutable, and the renderer may draw nothing of it, alone or among others."""
    made = found(scenes(200, 1), scenes(COUNT, 0, mutable=[*visible, LOC_Z], cube=COUNT))
    hidden = made[THING, LOC_Z]
    assert hidden.mean is hidden.spread is None
    for feature in visible:
        assert None not in (made[THING, feature].mean, made[THING, feature].spread)
