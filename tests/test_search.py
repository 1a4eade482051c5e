"""Population search and the starts that come from it, with an analytic renderer."""

import json

import numpy as np
import pytest
import torch
from blobs import (
    LOC_X,
    PRIOR,
    SIZE,
    THING,
    YAW,
    BlobRenderer,
    experiment,
    generated,
    grammar,
    silent,
    target_graphs,
    target_images,
    thorough,
    trainer,
)
from conftest import ROOT
from scipy.stats import skew

from simtailor.metasim.ambiguity import unambiguous_centre
from simtailor.metasim.features import features_of, make_features
from simtailor.metasim.generators import make_generator
from simtailor.metasim.search.archive import Matches
from simtailor.metasim.search.modes import worse_group
from simtailor.metasim.search.policy import POLICY
from simtailor.metasim.search.population import Improvement, PopulationSearch
from simtailor.metasim.search.view import View
from simtailor.metasim.settings import Features, Search, Training
from simtailor.metasim.starts.candidates import starts_from
from simtailor.metasim.starts.contest import starts_on_trial, still_on_trial
from simtailor.metasim.starts.fits import bent_start, straight_start
from simtailor.metasim.target import TargetImages
from simtailor.metasim.training import Trainer
from simtailor.metasim.transport import CURVE_END, SEGMENTS, TransportGenerator
from simtailor.render.creation import create_renderer
from simtailor.render.registry import find_renderer
from simtailor.render.renderer import Equivalents
from simtailor.render.rendering import Rendering
from simtailor.scene import Grammar
from simtailor.scene.attributes import mean_and_spread, wasserstein_distance

YAW_OF_THING = (THING, YAW)


def transport(prior: Grammar) -> TransportGenerator:
    generator = make_generator(experiment(), prior, BlobRenderer())
    assert isinstance(generator, TransportGenerator)
    return generator


def standardised(generator: TransportGenerator, prior: Grammar, entry=YAW_OF_THING) -> np.ndarray:
    features, _ = generator.encode(prior.sample(4000, np.random.default_rng(3)))
    return generator.standardise(features)[:, *entry].numpy()


def features(images: np.ndarray) -> list[torch.Tensor]:
    pyramid = make_features(Features(pyramid=[16, 8, 4]), torch.device("cpu"))
    return features_of(pyramid, images, torch.device("cpu"))


def search_from(
    prior: Grammar, renderer: BlobRenderer, images: np.ndarray, **settings
) -> PopulationSearch:
    generator, view = transport(prior), View(renderer, features, features(images), [1.0] * 3)
    return PopulationSearch(
        generator,
        view,
        Search(**{"rounds": 10, "candidates": 40, "images": 60, **settings}),
        np.where(generator.layout.mutable, 0.01, 0).astype(np.float32),
        np.random.default_rng(0),
    )


def found(prior: Grammar, images: np.ndarray, **settings) -> Matches:
    """Return the matches of a search."""
    search = search_from(prior, BlobRenderer(), images, **settings)
    graphs = prior.sample(500, np.random.default_rng(1))
    graphs = type(graphs)(transport(prior).layout, graphs.classes, graphs.features, graphs.seeds)
    return search.run(graphs, silent)


def values_of(matches: Matches) -> tuple[np.ndarray, np.ndarray]:
    values = matches.graphs.values()[:, THING]
    return values[:, YAW], values[:, LOC_X]


def test_search_finds_an_angle_far_away_and_an_object_outside_of_the_frame():
    prior = grammar((0, 10), (160, 5), maximum=200)
    wanted = target_graphs(60, grammar((270, 10), (40, 5)))
    assert (
        not BlobRenderer().render(prior.sample(50, np.random.default_rng(0))).images[..., 1].any()
    )
    matches = found(prior, BlobRenderer().render(wanted).images)
    yaw, loc_x = values_of(matches)
    off = (yaw - wanted.values()[:, THING, YAW] + 180) % 360 - 180
    assert np.median(np.abs(off)) < 5
    assert np.median(np.abs(loc_x - wanted.values()[:, THING, LOC_X])) < 2
    # What the renderer does not look at is left as it was drawn.
    assert (np.abs(matches.graphs.values()[:, THING, 2] - 50) < 30).all()


def test_search_finds_the_way_for_the_training():
    prior = grammar((0, 10), (160, 5), maximum=200)
    training = trainer(thorough(epochs=10), target_images(200, grammar((270, 10), (40, 5))), prior)
    lines: list[str] = []
    progress = training.train(report=lines.append)
    made = generated(training)
    assert abs((mean_and_spread(made[:, YAW], 360)[0] - 270 + 180) % 360 - 180) < 5
    assert made[:, LOC_X].mean() == pytest.approx(40, abs=2)
    start = progress.notes["start"]
    assert start["discrepancies"][start["chosen"]] < 0.1 * start["discrepancies"]["prior"]
    assert any(line.startswith("search round") for line in lines)


RANDOM = np.random.default_rng(7)
SHAPES = {
    "two modes": np.where(RANDOM.random(400) < 0.5, 45, 135) + RANDOM.normal(0, 6, 400),
    "uniform": RANDOM.uniform(20, 160, 400),
    "skewed": 30 + RANDOM.gamma(1.5, 25, 400),
}


@pytest.mark.parametrize(
    ("shape", "share"), [("two modes", 0.13), ("uniform", 0.15), ("skewed", 0.15)]
)
def test_distribution_that_is_not_gaussian_is_recovered(shape, share):
    prior, yaw = grammar((90, 10), (50, 4)), SHAPES[shape]
    target = target_images(400, grammar((0, 0), (50, 4)), yaw=yaw)
    large = {"epochs": 20, "scenes_per_epoch": 200, "batch_size": 100}
    training = trainer(thorough(**large), target, prior)
    before = generated(training)[:, YAW]
    training.train(report=silent)
    after = generated(training)[:, YAW]
    left = wasserstein_distance(after, yaw, 360) / wasserstein_distance(before, yaw, 360)
    assert left < share
    if shape == "two modes":  # nearly nothing lies between them
        assert (np.abs(after - 90) < 20).mean() < 0.15
    if shape == "skewed":
        assert skew(after) > 0.8


class NearlySymmetricRenderer(BlobRenderer):
    """Draws a fainter blob opposite to the red one, so that half a turn changes little."""

    def render(self, graphs):
        values = graphs.features.copy()
        values[:, THING, YAW] += 0.5
        images = super().render(graphs).images
        opposite = super().render(graphs.with_features(values)).images
        images[..., 0] = np.maximum(images[..., 0], opposite[..., 0] * 0.8)
        return Rendering(images)


def misled_of(wrong: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Let the search judge matches, some of them half a turn off.

    Args:
        wrong: bool [m], whose match is half a turn off.
        truth: yaw of the images: float [m], degrees. Those beyond 180 are noisier.

    Returns yaws afterwards, whether each is called misled, and whether it matches better: [m].
    """
    count, renderer = len(wrong), NearlySymmetricRenderer()
    wanted = target_graphs(count, yaw=truth, loc_x=np.full(count, 50.0))
    images = renderer.render(wanted).images
    images[truth > 180, :, :, 2] += 20  # nothing renders this
    turned = wanted.features.copy()
    turned[wrong, THING, YAW] += 0.5
    turned[:, THING, YAW] %= 1
    improvement = Improvement(search_from(grammar((90, 10), (50, 4)), renderer, images))
    goal = improvement.goal
    best, distances = improvement.refinement.run(wanted.with_features(turned), goal, 0)
    before = Matches(best, distances + 1e-3)
    matches, misled = improvement.modes.run(before, goal, POLICY.often)
    better = matches.distances < before.distances
    return matches.graphs.values()[:, THING, YAW], misled, better


def test_group_of_matches_that_had_taken_the_wrong_pose_is_found():
    wrong = np.arange(80) < 35
    yaws, misled, better = misled_of(wrong, np.linspace(80, 100, 80))
    assert misled[wrong].mean() > 0.25
    assert not misled[~wrong].any()
    assert (wrong & ~misled).any()
    assert better[wrong & ~misled].all()
    np.testing.assert_allclose(yaws[wrong & ~misled], 90, atol=15)


@pytest.mark.parametrize(("true", "wrong"), [(12, 0), (12, 1), (16, 1), (40, 3)])
def test_wrong_matches_in_a_mode_do_not_cost_the_mode(true, wrong):
    truth = np.concatenate([np.linspace(80, 100, 60), np.linspace(265, 275, true)])
    _, misled, _ = misled_of(np.arange(60 + true) < wrong, truth)
    assert not misled.any()


def test_mode_whose_images_no_scene_matches_as_well_is_kept():
    """As of photographs: something in all of them is not rendered, more of it in one mode."""
    prior, yaw = grammar((90, 10), (50, 4)), SHAPES["two modes"]
    images = target_images(400, grammar((0, 0), (50, 4)), yaw=yaw).images.copy()
    images[..., 2] += np.where(yaw < 90, 30, 40).astype(np.uint8)[:, None, None]
    large = {"epochs": 20, "scenes_per_epoch": 200, "batch_size": 100}
    training, lines = trainer(thorough(**large), TargetImages(images, None, []), prior), []
    training.train(report=lines.append)
    assert not any("matches worse" in line for line in lines)
    made = generated(training)[:, YAW]
    for mode in (45, 135):
        assert (np.abs(made - mode) < 25).mean() > 0.3, mode


def test_narrow_target_is_recovered_from_a_grammar_that_says_nothing():
    """The spread of a uniform over the whole range is thirty times that of the target."""
    prior = grammar((0, 360), (0, 100), kind="Uniform")
    target = target_images(500, grammar((90, 3), (60, 1.5)))
    usual = Training(image_size=SIZE).model_dump(exclude={"image_size"})
    training = trainer(experiment(**usual), target, prior)
    training.train(report=silent)
    made = generated(training)
    assert mean_and_spread(made[:, YAW], 360) == pytest.approx((90, 3), abs=1)
    assert mean_and_spread(made[:, LOC_X]) == pytest.approx((60, 1.5), abs=0.4)


class TwoKindsRenderer(BlobRenderer):
    """Tells the two classes by their colour."""

    def render(self, graphs):
        images = super().render(graphs).images
        first = graphs.classes[:, THING] == graphs.layout.class_names.index("a")
        images[..., 2] = images[..., 0] * np.where(first, 0.8, 0.1)[:, None, None]
        return Rendering(images)


@pytest.mark.parametrize(
    ("places", "yaws"), [((30, 70), (90, 90)), ((50, 50), (90, 200)), ((30, 70), (90, 200))]
)
def test_classes_whose_poses_differ_are_recovered(places, yaws):
    prior, renderer = grammar((180, 10), (50, 4), classes=("a", "b")), TwoKindsRenderer()
    random = np.random.default_rng(3)
    graphs = prior.sample(600, random)
    second = (graphs.classes[:, THING] == graphs.layout.class_names.index("b")).astype(int)
    graphs.features[:, THING, YAW] = (np.array(yaws)[second] + random.normal(0, 10, 600)) / 360
    graphs.features[:, THING, LOC_X] = (np.array(places)[second] + random.normal(0, 4, 600)) / 100
    target = TargetImages(renderer.render(graphs).images, None, [])
    usual = Training(image_size=SIZE).model_dump(exclude={"image_size"})
    training = Trainer(experiment(**usual), prior, renderer, target)
    training.train(report=silent)
    scenes, made = prior.sample(1000, np.random.default_rng(5)), generated(training)
    for index, name in enumerate("ab"):
        own = made[scenes.classes[:, THING] == scenes.layout.class_names.index(name)]
        yaw, loc_x = mean_and_spread(own[:, YAW], 360), mean_and_spread(own[:, LOC_X])
        assert yaw == pytest.approx((yaws[index], 10), abs=3)
        assert loc_x == pytest.approx((places[index], 4), abs=1)


class HalfTurnRenderer(TwoKindsRenderer):
    """Things of the class b look the same after half a turn."""

    def render(self, graphs):
        images, values = super().render(graphs).images, graphs.features.copy()
        values[:, THING, YAW] += 0.5
        turned = super().render(graphs.with_features(values)).images
        same = self.symmetric(graphs)
        images[same] = np.maximum(images[same], turned[same])
        return Rendering(images)

    def symmetric(self, graphs):
        return graphs.classes[:, THING] == graphs.layout.class_names.index("b")

    def nearest_equivalent(self, graphs, reference):
        values, same = graphs.features.copy(), self.symmetric(graphs)
        yaw, wanted = values[:, THING, YAW], reference[THING, YAW]
        nearest = yaw + 0.5 * np.round((wanted - yaw) / 0.5)
        values[:, THING, YAW] = np.where(same, nearest % 1, yaw)
        return Equivalents(graphs.with_features(values), np.ones(values.shape, bool), ~same)


def test_symmetric_class_whose_pose_lies_across_that_of_the_others_is_recovered():
    prior, renderer = grammar((180, 10), (50, 4), classes=("a", "b")), HalfTurnRenderer()
    random = np.random.default_rng(3)
    graphs = prior.sample(600, random)
    yaw = np.where(renderer.symmetric(graphs), 90, 180) + random.normal(0, 10, 600)
    graphs.features[:, THING, YAW] = yaw / 360
    target = TargetImages(renderer.render(graphs).images, None, [])
    usual = Training(image_size=SIZE).model_dump(exclude={"image_size"})
    training = Trainer(experiment(**usual), prior, renderer, target)
    training.train(report=silent)
    same = renderer.symmetric(prior.sample(1000, np.random.default_rng(5)))
    made = generated(training)[:, YAW]
    assert mean_and_spread(made[~same], 360) == pytest.approx((180, 10), abs=3)
    assert mean_and_spread(made[same], 180) == pytest.approx((90, 10), abs=3)


def test_gaussian_target_keeps_a_straight_curve():
    training = trainer(thorough(epochs=1), target_images(200))
    progress = training.train(report=silent)
    assert progress.notes["start"]["chosen"] == "fitted"
    places, heights = (k[THING, YAW].detach().numpy() for k in training.generator.knots())
    np.testing.assert_allclose(np.diff(heights), np.diff(places), rtol=0.1)


def test_matches_that_are_mostly_wrong_in_the_same_way_do_not_win(monkeypatch):
    """Most matches lie half a turn away, at a place that goes with the wrong pose."""
    random = np.random.default_rng(0)
    wrong = np.arange(90) < 55
    graphs = target_graphs(
        90,
        yaw=np.where(wrong, 270, 90) + random.normal(0, 8, 90),
        loc_x=np.where(wrong, 52, 60) + random.normal(0, 4, 90),
    )
    training = trainer(thorough(epochs=3), target_images(300, grammar((90, 8), (60, 4))))
    graphs = type(graphs)(training.layout, graphs.classes, graphs.features, graphs.seeds)
    matches = Matches(graphs, np.full(90, 0.1))
    monkeypatch.setattr(PopulationSearch, "run", lambda *_: matches)
    progress = training.train(report=silent)
    assert progress.notes["start"]["chosen"] == "yaw out of its main mode"
    made = generated(training)
    assert mean_and_spread(made[:, YAW], 360) == pytest.approx((90, 8), abs=4)
    assert made[:, LOC_X].mean() == pytest.approx(60, abs=2)


@pytest.mark.parametrize(
    ("found", "trained"),
    [
        ({"prior": 9, "fitted": 1, "by class": 5.5}, []),
        ({"prior": 9, "fitted": 9, "by class": 1}, []),
        ({"prior": 9, "fitted": 4, "by class": 1}, ["fitted", "by class"]),
        ({"prior": 1.2, "fitted": 5, "a": 1.1, "b": 1, "c": 2}, ["fitted", "b", "a"]),
    ],
)
def test_only_the_fitted_start_and_its_best_rivals_train_on_trial(found, trained):
    assert starts_on_trial(found) == trained


def test_both_modes_are_tried_before_a_start_that_is_like_the_fitted_one():
    found = {"prior": 1.4, "fitted": 0.0108, "by class": 0.0109, "in": 0.0191, "out": 0.0179}
    assert starts_on_trial(found, {"in", "out"}) == ["fitted", "out", "in"]
    far = found | {"in": 0.3}
    assert starts_on_trial(far, {"in", "out"}) == ["fitted", "out", "by class"]


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ({"fitted": 1, "a": 1.4, "b": 1.6}, ["fitted", "a"]),
        ({"fitted": 4, "a": 1, "b": 1.6}, ["fitted", "a"]),
        ({"fitted": 1, "a": 1.6}, []),
        ({"fitted": 1}, []),
    ],
)
def test_a_start_that_is_left_behind_falls_out(found, left):
    assert still_on_trial(list(found), found) == left


TURNED = "yaw turned"


@pytest.mark.parametrize(
    ("found", "tried"),
    [
        ((0.0, 0.6), ["fitted"]),
        ((0.4, 0.7), ["fitted", TURNED]),
        ((0.4, 0.44), ["fitted", TURNED, "fitted", TURNED]),
    ],
)
def test_no_rival_trains_where_chance_alone_is_left(monkeypatch, found, tried):
    training, lines = trainer(thorough(epochs=1), target_images(200)), []
    # Epoch 0; prior, fitted, half a turn; after the two heats of their trials.
    given = iter([9.0, 9.0, 0.3, 0.6, *found, *found])
    monkeypatch.setattr(training.objective, "value", lambda *_: next(given))
    progress = training.train(report=lines.append)
    trials = [line for line in lines if "on trial" in line]
    assert [line.split("'")[1][:10].rstrip() for line in trials] == tried
    assert progress.notes["start"]["chosen"] == "fitted"


def test_an_angle_that_no_picture_shows_is_left_alone():
    class Round(BlobRenderer):
        def nearest_equivalent(self, graphs, reference):
            identified = np.ones(graphs.features.shape, dtype=bool)
            identified[:, THING, YAW] = False
            return Equivalents(graphs, identified, np.ones(len(graphs), dtype=bool))

    training = Trainer(thorough(epochs=1), PRIOR, Round(), target_images())
    training.train(report=silent)
    assert float(training.generator.start_shift[THING, YAW]) == 0
    assert generated(training)[:, LOC_X].mean() == pytest.approx(60, abs=4)


def test_poses_of_an_object_that_always_looks_like_another_are_taken_close_together():
    """A box looks the same after half a turn: the yaws 270 are as good as 90."""
    tree = json.loads((ROOT / "config/grammars/tyol_1attr.json").read_text())
    tree["child"][1]["child"][0]["class"] = ["Deterministic", 1]
    prior = Grammar(tree, attributes=find_renderer("tabletop").attributes)
    graphs = prior.sample(100, np.random.default_rng(0))
    ((node, feature),) = graphs.layout.entries()
    yaws = np.linspace(70, 110, 100) + np.arange(100) % 2 * 180
    graphs.features[:, node, feature] = yaws / 360
    with create_renderer("tabletop", image_size=8) as renderer:
        settings = experiment().model_copy(update={"renderer": "tabletop"})
        generator = make_generator(settings, prior, renderer)
        centre = unambiguous_centre(graphs, generator, renderer)
        nearest = centre.nearest(renderer, graphs)
    assert not nearest.unique.any()
    made = nearest.graphs.values()[:, node, feature]
    assert mean_and_spread(made, 180)[0] == pytest.approx(90, abs=3)
    assert mean_and_spread(made, 360)[1] == pytest.approx(mean_and_spread(yaws, 180)[1], abs=0.5)


def test_clearly_worse_of_two_groups_is_found():
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(0.2, 0.02, 60), random.normal(0.7, 0.02, 30)])
    distances = np.abs(random.normal(0.1, 0.02, 90))
    distances[60:] *= 3
    order = random.permutation(90)
    worse = worse_group(values[order], distances[order])
    np.testing.assert_array_equal(worse, order >= 60)


@pytest.mark.parametrize("case", ["equal", "a little worse", "one group", "few", "all the same"])
def test_modes_of_the_target_and_single_groups_are_kept(case):
    random = np.random.default_rng(0)
    count = 6 if case == "few" else 60
    values = np.concatenate([random.normal(0.2, 0.02, count), random.normal(0.7, 0.02, count)])
    distances = np.abs(random.normal(0.1, 0.02, 2 * count))
    if case == "a little worse":
        distances[count:] *= 1.1
    elif case == "one group":
        values = random.normal(0.5, 0.1, 2 * count)
        distances = 0.1 + np.abs(values - 0.5)
    elif case == "few":
        distances[count:] *= 3
    elif case == "all the same":
        values[:] = 0.5
    assert not worse_group(values, distances).any()


SAMPLES = {
    "two modes": np.where(np.arange(200) % 2, 0.1, 0.4) + RANDOM.normal(0, 0.01, 200),
    "uniform": np.linspace(0.05, 0.55, 200),
    "skewed": 0.1 + RANDOM.exponential(0.05, 200),
    "across the seam": np.where(np.arange(200) % 2, -0.1, 0.1) + RANDOM.normal(0, 0.01, 200),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_bent_start_maps_the_priors_quantiles_to_those_of_a_sample(sample):
    prior, values = grammar((300, 15), (50, 4)), SAMPLES[sample]
    generator = transport(prior)
    start = bent_start(values, standardised(generator, prior), generator, YAW_OF_THING)
    assert start.bend is not None
    places, heights = start.bend
    assert len(places) == len(heights) == SEGMENTS + 1
    assert (np.diff(places) > 0).all()
    assert (np.diff(heights) >= 0).all()
    assert (places[0], places[-1]) == (-CURVE_END, CURVE_END)
    generator.place(*YAW_OF_THING, start)
    graphs = prior.sample(2000, np.random.default_rng(4))
    with torch.no_grad():
        made = generator(graphs)[:, *YAW_OF_THING].numpy() * 360
    before = wasserstein_distance(graphs.values()[:, *YAW_OF_THING], values * 360, 360)
    assert wasserstein_distance(made, values * 360, 360) < min(5, before / 10)
    centred = (made - values.mean() * 360 + 180) % 360 - 180
    for share in (0.1, 0.25, 0.75, 0.9):
        wanted = np.quantile(values - values.mean(), share) * 360
        assert np.quantile(centred, share) == pytest.approx(wanted, abs=8), share


def test_straight_start_lies_at_the_densest_half():
    prior = grammar((90, 10), (50, 4))
    generator = transport(prior)
    random = np.random.default_rng(0)
    stray = random.uniform(0, 1, 30)  # in another pose that looks nearly the same
    values = np.concatenate([random.normal(0.6, 0.05, 170), stray])
    start = straight_start(values, generator, YAW_OF_THING)
    assert start.shift * 360 == pytest.approx(126, abs=8)
    assert start.scale == pytest.approx(1.8, rel=0.4)
    assert start.bend is None


def test_attribute_without_a_spread_starts_in_the_middle_of_its_matches():
    """Of a skewed sample too, which would bend the curve of any other attribute."""
    prior = grammar((90, 10), (50, 0))
    random = np.random.default_rng(0)
    graphs = prior.sample(120, random)
    graphs.features[:, THING, LOC_X] = 0.3 + random.exponential(0.01, 120)
    generator = transport(prior)
    graphs = type(graphs)(generator.layout, graphs.classes, graphs.features, graphs.seeds)
    matches = Matches(graphs, np.ones(120))
    fitted = next(starts_from(matches, generator, BlobRenderer(), prior.sample(500, random)))
    assert fitted.name == "fitted"
    fitted.take()
    placed = generator(graphs).detach().numpy()[:, THING, LOC_X]
    assert placed == pytest.approx(graphs.features[:, THING, LOC_X].mean(), abs=0.005)


def test_good_matches_are_chosen_within_a_class():
    graphs = PRIOR.sample(20, np.random.default_rng(0))
    graphs.classes[:, THING] = np.arange(20) % 2
    distances = np.where(np.arange(20) % 2, 0.01, 1.0) * np.linspace(1, 1.5, 20)
    distances[:2] = [50, np.inf]
    good = Matches(graphs, distances).good(THING)
    np.testing.assert_array_equal(good, np.arange(20) >= 2)
