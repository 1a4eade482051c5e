"""The comparison with held-out images, and the table of attributes."""

import numpy as np
import pytest
import torch
from shapes import CLASSES, bar_grammar

from simtailor.metasim.confidence import Interval, Known
from simtailor.metasim.evaluation import (
    attribute_table,
    compare_with_held_out,
)
from simtailor.metasim.settings import Experiment
from simtailor.render.renderer import Equivalents


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
    assert comparison.end < comparison.chance < 0.2 * comparison.start


def test_kernel_of_the_test_does_not_know_which_images_are_generated():
    experiment = Experiment(grammar="prior.json", target={"grammar": "target.json"}, seed=0)
    first, second = features(0, 1), features(0.3, 2)
    one, other = (
        compare_with_held_out(experiment, features(2, 0), *pair)
        for pair in ((first, second), (second, first))
    )
    assert one.end == pytest.approx(other.end)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_what_chance_allows_goes_with_the_test(shift):
    experiment = Experiment(grammar="prior.json", target={"grammar": "target.json"}, seed=0)
    found = compare_with_held_out(experiment, features(2, 0), features(shift, 1), features(0, 2))
    assert (found.end > found.chance) == (found.p_end < 0.01) == bool(shift)


def equivalents(grammar, count: int, seed: int, yaw_known: bool = True) -> Equivalents:
    """Return scenes of bars; the yaw of the class 'level' may be unknown."""
    graphs = grammar.sample(count, np.random.default_rng(seed))
    identified = np.ones(graphs.features.shape, dtype=bool)
    if not yaw_known:
        level = graphs.classes[:, 1] == graphs.layout.class_names.index("level")
        identified[level, 1, 0] = False
        graphs.features[level, 1, 0] = 0.6  # a yaw of no meaning
    return Equivalents(graphs, identified, np.ones(count, dtype=bool))


def table(yaw_known: bool = True, **others) -> dict:
    prior, target = bar_grammar((0, 10)), bar_grammar((90, 10), (60, 6))
    sources = (equivalents(g, 600, s, yaw_known) for s, g in enumerate((prior, target)))
    prior, target = sources
    generated = equivalents(bar_grammar((80, 10), (60, 6)), 600, 5, yaw_known)
    return attribute_table(prior, generated, others.pop("target", target), **others)


def test_table_has_statistics_of_all_and_of_each_class():
    for row in (table()["yaw"], *table()["yaw"]["classes"].values()):
        assert row["unit"] == "degrees"
        assert row["generated"]["mean"] == pytest.approx(80, abs=3)
        assert row["generated"]["std"] == pytest.approx(10, abs=2)
        assert row["wasserstein"] == pytest.approx(10, abs=3)
        assert row["wasserstein_prior"] == pytest.approx(90, abs=3)
    assert set(table()["yaw"]["classes"]) == set(CLASSES)
    assert table()["loc_x"]["wasserstein"] < 1


def test_scenes_count_only_where_the_picture_tells():
    row = table(yaw_known=False)["yaw"]
    assert row["generated"]["std"] < 12  # though the yaw of a third is 216 degrees
    assert row["target"]["mean"] == pytest.approx(90, abs=3)
    level = row["classes"]["level"]
    assert level["prior"] is level["generated"] is level["target"] is None
    assert level["wasserstein"] is level["wasserstein_prior"] is None
    assert row["classes"]["rising"]["generated"]["mean"] == pytest.approx(80, abs=3)
    assert table(yaw_known=False)["loc_x"]["classes"]["level"]["generated"] is not None


def test_table_of_a_folder_has_no_target_and_intervals_where_given():
    known = Known(0.1, 0.0, 0.0, 1.0)
    given = {
        (1, 0): Interval((79, 81), (9, 11), known, known),
        (1, 1): Interval((59, 61), (5, 7), known, known),
    }
    row = table(target=None, intervals=given)["yaw"]
    assert row["target"] is row["wasserstein"] is row["wasserstein_prior"] is None
    assert row["generated"]["mean_95"] == [79, 81]
    assert row["generated"]["std_95"] == [9, 11]
    assert row["generated"]["mean_effective_images"] == 100
    given |= {(1, 0): Interval(None, (9, 11), Known(np.inf, 0.0, np.inf, 1.0), known)}
    lacking = table(target=None, intervals=given)["yaw"]["generated"]
    assert lacking["mean_95"] is None
    assert lacking["mean_effective_images"] == 0
    assert lacking["std_95"] == [9, 11]
