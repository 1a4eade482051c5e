"""The model of noise: what is stated holds in simulations whose noise is known."""

import numpy as np
import pytest
from scipy import stats

from simtailor.evaluate.noise import (
    Difference,
    analysis_of_variance,
    entries,
    holm,
    paired_difference,
    reported_apart,
    seed_noise,
)

SEED, EPISODE = 1.5, 2.0  # standard deviations, percentage points


def simulated(random, truths, seeds=2, episodes=20):
    """Return made-up accuracies of sets; the episodes' part is common to all of them."""
    common = random.normal(0, EPISODE, episodes)
    return {
        str(number): truth + common - common.mean() + random.normal(0, SEED, (seeds, 1))
        for number, truth in enumerate(truths)
    }


@pytest.mark.parametrize("seeds", [2, 3])
def test_standard_errors_hold_the_truth_as_often_as_they_say(seeds):
    truths, held, errors = np.linspace(50, 60, 8), [], []
    for trial in range(300):
        measured = simulated(np.random.default_rng([seeds, trial]), truths, seeds)
        width = seed_noise(measured).quantile
        found = entries(measured, 400)
        errors += [entry.standard_error for entry in found.values()]
        held += [
            abs(entry.mean - truth) < width * entry.standard_error
            for entry, truth in zip(found.values(), truths, strict=True)
        ]
    assert 0.90 < np.mean(held) < 0.98
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(SEED / np.sqrt(seeds), rel=0.05)
    assert (found["0"].seeds, found["0"].episodes, found["0"].images) == (seeds, 20, 400)


def test_an_entry_without_repeats_has_the_error_of_its_episodes_or_of_its_images():
    random = np.random.default_rng(0)
    one = {"a": random.normal(50, 4, (1, 20)), "b": random.normal(60, 4, (1, 20))}
    assert entries(one, 400)["a"].standard_error == pytest.approx(4 / np.sqrt(20), rel=0.5)
    single = entries({"a": np.array([[80.0]]), "b": np.array([[100.0]])}, 400)
    assert single["a"].standard_error == pytest.approx(2, rel=0.02)  # sqrt(0.8 * 0.2 / 400)
    assert single["b"].standard_error > 0


def test_paired_differences_hold_the_truth_as_often_as_they_say():
    held = []
    for trial in range(400):
        random = np.random.default_rng(trial)
        sets = [rows + 3 for rows in simulated(random, [50.0] * 4).values()]
        # Labelled images that favour one over the other: noise that pairing leaves.
        sets = [rows + random.normal(0, 1, 20) for rows in sets]
        baseline = 50 + random.normal(0, SEED, (3, 1)) + np.zeros((1, 20))
        found = paired_difference(sets, baseline)
        held.append(found.low < 3 < 2 * found.mean - found.low)
    assert 0.90 < np.mean(held) < 0.99


def test_a_difference_of_a_few_pairs_needs_more_than_twice_its_error():
    found = Difference.of(np.array([2.0, 4.0]))
    assert found.mean == 3
    assert found.standard_error == pytest.approx(1)
    assert found.low < 0
    assert np.isnan(Difference.of(np.array([5.0])).low)


def test_equal_sets_differ_as_rarely_as_the_level_says_and_unequal_ones_are_found():
    def share(truths):
        found = [
            analysis_of_variance(simulated(np.random.default_rng(trial), truths)).p < 0.05
            for trial in range(400)
        ]
        return np.mean(found)

    assert 0.025 < share([50.0] * 8) < 0.085
    assert share(np.linspace(50, 58, 8)) > 0.9


def test_the_analysis_of_variance_is_the_textbook_one():
    groups = {"a": [1.0, 2.0, 4.0], "b": [3.0, 5.0], "c": [7.0], "d": [2.0, 2.5]}
    found = analysis_of_variance({n: np.array(v)[:, None] for n, v in groups.items()})
    wanted = stats.f_oneway(*groups.values())
    assert (found.f, found.p) == (pytest.approx(wanted.statistic), pytest.approx(wanted.pvalue))
    assert (found.between, found.within) == (3, 4)
    assert analysis_of_variance({"a": np.ones((1, 3)), "b": np.ones((1, 3))}) is None


def test_holm_corrects_for_the_number_of_comparisons():
    # The example by hand: 3 x 0.01, 2 x 0.02 and no less than before, 0.04 at least as before.
    found = holm({"a": 0.04, "b": 0.01, "c": 0.02})
    assert found == pytest.approx({"a": 0.04, "b": 0.03, "c": 0.04})
    assert holm({}) == {}


def test_the_best_set_is_reported_by_a_seed_that_did_not_choose_it():
    random = np.random.default_rng(0)
    told, honest = [], []
    for _ in range(300):  # sets that are all alike
        measured = simulated(random, [50.0] * 8)
        told.append(max(rows.mean() for rows in measured.values()))
        honest.append(reported_apart(measured)[0])
    assert np.mean(told) > 51
    assert np.mean(honest) == pytest.approx(50, abs=0.3)
    by_hand = {"a": np.array([[1.0], [6.0]]), "b": np.array([[3.0], [2.0]])}
    assert reported_apart(by_hand) == [(2 + 1) / 2, (6 + 3) / 2]
    assert reported_apart({"a": np.ones((1, 2))}) is None
