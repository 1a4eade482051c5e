"""The verdict on a training, and what it says to do."""

import numpy as np
import pytest

from simtailor.metasim.confidence import Interval, Known
from simtailor.metasim.evaluation import HeldOutComparison
from simtailor.metasim.progress import Progress
from simtailor.metasim.verdict import verdict

SURE = Known(0.05, 0.02, 0.02, 1.0)


def comparison(**values) -> HeldOutComparison:
    usual = {"start": 1.0, "end": 0.01, "chance": 0.02, "p_start": 0.002, "p_end": 0.4}
    return HeldOutComparison(**usual | {"images": 100} | values)


def noted(**notes) -> Progress:
    progress = Progress(notes={"tolerance": 0.0, **notes})
    for validation in (1.0, 0.5):
        progress.add({}, validation=validation)
    return progress


def test_verdict_of_a_training_that_converged():
    converged, sentence = verdict(comparison(), {}, noted())
    assert converged
    assert sentence.startswith("Converged: ")
    assert "went from 1 to 0.01, where chance allows 0.02" in sentence
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
    converged, sentence = verdict(comparison(end=0.5, p_end=0.002), {}, noted(**notes))
    assert not converged
    assert sentence.startswith("Not converged: ")
    assert "still tells" in sentence
    assert words in sentence


def test_looks_that_differ_widen_the_intervals_and_pixels_are_not_the_only_features():
    far = comparison(end=0.18, p_end=0.002)
    for by_pixels in (True, False):
        _, sentence = verdict(far, {}, noted(stopped="after epoch 9"), by_pixels=by_pixels)
        assert "intervals are 3.0 times wider than chance alone asks" in sentence
        assert ("features: {kind: edges}" in sentence) == by_pixels
    assert "wider" not in verdict(comparison(), {}, noted(), by_pixels=True)[1]


def test_validation_that_has_stopped_falling_asks_for_no_more_epochs():
    progress = Progress(notes={"tolerance": 0.02})
    for validation in (1.0, 0.6, 0.51, 0.5, 0.5, 0.51, 0.49, 0.5, 0.49):
        progress.add({}, validation=validation)
    assert progress.best == progress.epoch
    _, sentence = verdict(comparison(end=0.5, p_end=0.002), {}, progress)
    assert "the renderer cannot reach" in sentence


@pytest.mark.parametrize("apart", [False, True])
def test_verdict_where_nothing_was_to_be_learnt(apart):
    given = comparison(p_start=0.5, p_end=0.002 if apart else 0.6, images=20)
    converged, sentence = verdict(given, {}, noted())
    assert converged is not apart
    assert "could not be told from the target's to begin with" in sentence
    assert "so few images show only large differences" in sentence


def interval(mean: Known = SURE, spread: Known = SURE) -> Interval:
    return Interval((79, 81), (9, 11), mean, spread)


def test_fit_that_the_images_would_move_has_not_converged():
    """Though the held-out images are too few to tell the pictures apart."""
    far = Known(0.05, -0.5, 0.02, 1.0)
    given = {"yaw": interval(), "roll": interval(far, SURE)}
    converged, sentence = verdict(comparison(), given, noted())
    assert not converged
    assert "The images would move the mean of roll further than chance allows" in sentence
    assert "yaw" not in sentence


def test_verdict_names_what_the_images_do_not_tell():
    unseen = Known(np.inf, 0.0, np.inf, 1.0)
    given = {"yaw": interval(), "pitch": interval(SURE, Known(0.5, 0.1, 0.1, 0.5**0.5))}
    converged, sentence = verdict(comparison(), given | {"roll": interval(unseen, unseen)}, noted())
    assert converged
    wanted = "The images do not tell the spread of pitch, the mean of roll and the spread of roll."
    assert sentence.endswith(wanted)
