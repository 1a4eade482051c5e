"""The comparison with held-out images, the table of attributes, and the verdict."""

import numpy as np
import pytest
import torch
from shapes import CLASSES, bar_grammar

from simtailor.metasim.confidence import Interval
from simtailor.metasim.evaluation import (
    HeldOutComparison,
    attribute_table,
    compare_with_held_out,
    verdict,
)
from simtailor.metasim.mmd import MaximumMeanDiscrepancy
from simtailor.metasim.progress import Progress
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
    assert comparison.start == pytest.approx(
        float(MaximumMeanDiscrepancy(held_out, before, unbiased=True)(before))
    )
    assert comparison.share_left < 0.05


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
    given = {(1, 0): Interval((79, 81), (9, 11)), (1, 1): Interval((59, 61), (5, 7))}
    row = table(target=None, intervals=given)["yaw"]
    assert row["target"] is row["wasserstein"] is row["wasserstein_prior"] is None
    assert row["generated"]["mean_95"] == [79, 81]
    assert row["generated"]["std_95"] == [9, 11]
    lacking = table(target=None, intervals={(1, 0): Interval(None, (9, 11))})
    assert lacking["yaw"]["generated"]["mean_95"] is None
    assert lacking["yaw"]["generated"]["std_95"] == [9, 11]
    assert lacking["loc_x"]["generated"]["mean_95"] is None


def comparison(**values) -> HeldOutComparison:
    usual = {"start": 1.0, "end": 0.01, "p_start": 0.002, "p_end": 0.4, "images": 100}
    return HeldOutComparison(**usual | values)


def noted(**notes) -> Progress:
    progress = Progress(notes={"tolerance": 0.0, **notes})
    for validation in (1.0, 0.5):
        progress.add({}, validation=validation)
    return progress


def test_verdict_of_a_training_that_converged():
    converged, sentence = verdict(comparison(), 0.05, noted())
    assert converged
    assert sentence.startswith("Converged: ")
    assert "1.0% left" in sentence
    assert "cannot tell" in sentence
    assert "100 held-out images" in sentence


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({}, "still falling at the last epoch: raise training.epochs"),
        ({"stopped": "after epoch 9"}, "the renderer cannot reach"),
        (
            {"steps": {"loc_x": {"step": 1, "response": 0}, "yaw": {"step": 1, "response": 9}}},
            "No picture changes when loc_x moves a step",
        ),
    ],
)
def test_verdict_says_what_to_do_where_it_did_not_converge(notes, words):
    converged, sentence = verdict(comparison(end=0.5, p_end=0.002), 0.05, noted(**notes))
    assert not converged
    assert sentence.startswith("Not converged: ")
    assert "still tells" in sentence
    assert words in sentence


def test_validation_that_has_stopped_falling_asks_for_no_more_epochs():
    progress = Progress(notes={"tolerance": 0.02})
    for validation in (1.0, 0.6, 0.51, 0.5, 0.5, 0.51, 0.49, 0.5, 0.49):
        progress.add({}, validation=validation)
    assert progress.best == progress.epoch
    _, sentence = verdict(comparison(end=0.5, p_end=0.002), 0.05, progress)
    assert "the renderer cannot reach" in sentence


@pytest.mark.parametrize("apart", [False, True])
def test_verdict_where_nothing_was_to_be_learnt(apart):
    given = comparison(p_start=0.5, p_end=0.002 if apart else 0.6, images=20)
    converged, sentence = verdict(given, 0.05, noted())
    assert converged is not apart
    assert "could not be told from the target's to begin with" in sentence
    assert "so few images show only large differences" in sentence
