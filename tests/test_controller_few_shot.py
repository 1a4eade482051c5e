"""Beliefs, evaluations of a new task, recommendations and what is said of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import published_study, two_kinds

from simtailor.controller import evaluation, few_shot
from simtailor.controller.belief import Belief
from simtailor.controller.few_shot import explore_known, random_search
from simtailor.controller.policies.transfer import FittedProcess
from simtailor.controller.recommend import recommend
from simtailor.controller.settings import Controller
from simtailor.controller.stage import verdict


def test_belief_is_calibrated_and_shifts_with_the_level_of_the_task():
    """Intervals of rewards not yet seen hold about as often as they say."""
    study, inside = two_kinds(), []
    for place in range(len(study.tasks)):
        rewards = 0.5 * study.rewards[place] + 20
        belief = FittedProcess(study.without(place)).belief(study.vectors[place])
        seen = np.array([0, 5, 10, 15])
        after = belief.observe(seen, rewards[seen])
        np.testing.assert_allclose(after.mean[seen], rewards[seen], atol=0.3)
        away = np.abs(after.mean - rewards) / np.sqrt(np.diag(after.covariance))
        inside.append((np.delete(away, seen) < 2).mean())
    assert 0.8 < np.mean(inside) <= 1


def test_an_evaluation_changes_nothing_but_the_level_before_the_second():
    belief = Belief.of(np.array([1.0, 0, -1]), np.eye(3), 1e-3, np.array([2.0, 4.0]))
    after = belief.observe(np.array([1]), np.array([70.0]))
    np.testing.assert_allclose(after.weights, belief.weights, atol=1e-3)
    assert after.best() == 0
    np.testing.assert_allclose(after.mean[1], 70, atol=0.1)


def test_few_evaluations_find_the_best_set_of_an_odd_task():
    study = two_kinds()
    prior = FittedProcess(study.without(0)).belief(study.vectors[0])
    odd = study.rewards[1]  # of the other kind than its vector says
    steps = explore_known(prior, odd, 6)
    assert len(set(steps["tried"])) == 6
    assert odd[steps["recommended"][0]] < odd.max() - 3
    assert odd[steps["recommended"][-1]] > odd.max() - 0.7
    gaps = odd.copy()
    gaps[steps["tried"][:2]] = np.nan
    assert not np.isnan(gaps[explore_known(prior, gaps, 30)["tried"]]).any()


@given(st.lists(st.floats(0, 100), min_size=2, max_size=6, unique=True), st.integers(1, 6))
def test_expected_best_of_random_sets_is_exact(values, count):
    from itertools import combinations  # noqa: PLC0415

    count = min(count, len(values))
    exact = np.mean([max(c) for c in combinations(values, count)])
    found = random_search(np.array([*values, np.nan]), count)
    assert found == pytest.approx(exact)


def test_far_task_gets_the_best_fixed_set_and_is_told_why():
    study = two_kinds()
    process = FittedProcess(study)
    far = np.random.default_rng(8).gamma(0.05, size=200)
    odd = recommend(process, "x", far, {}, {}, Controller(), "results")
    near = recommend(process, "y", study.vectors[0] * 1.01, {}, {}, Controller(), "results")
    assert odd["set"] == odd["best_fixed_set"]
    assert not near["abstained"]
    assert near["parameters"]["backgr"] == 1 and near["nearest_tasks"][0]["task"] == "a"
    some = {str(study.sets[p]): float(study.rewards[1, p]) for p in (0, 5, 10)}
    seen = recommend(process, "x", far, some, {}, Controller(), "results")
    assert seen["parameters"]["backgr"] == 0 and len(seen["evaluations"]) == 3


@pytest.mark.parametrize(
    ("mean", "interval", "words"),
    [
        (1.0, (0.5, 1.5), "'nearest' does best and is surely better than the best fixed set"),
        (1.0, (-0.5, 2.5), "is not surely better than the best fixed set"),
        (0.0, (0.0, 0.0), "no policy is better than the best fixed set"),
    ],
)
def test_the_verdict_says_what_the_gain_says(mean, interval, words):
    gain = {"mean": mean, "simultaneous": interval}
    row = {"gain_over_best_fixed": {"leave_one_out": gain}}
    same = {
        "gain_over_best_fixed": {"leave_one_out": {"mean": 0.0, "simultaneous": (0.0, 0.0)}},
        "leaves_best_fixed": 0,
    }
    few = {
        "shown": [1], "transfer": [49.0, 50.0], "oracle": 52.0,
        "gain_over_best_fixed": {"1": gain},
    }  # fmt: skip
    found = verdict(
        {
            "policies": {"nearest": row, "transfer": same},
            "few_shot": few,
            "groups": {"seen": ["a", "b"], "unseen": ["c"]},
        }
    )
    assert words in found
    assert "leaves the best fixed set on 0 of 3 tasks" in found


def test_finished_parts_are_kept_until_the_code_changes(tmp_path, monkeypatch):
    code, computed = tmp_path / "code", []
    code.mkdir()
    (code / "mine.py").write_text("one")
    monkeypatch.setattr(evaluation, "CODE", code)
    monkeypatch.setattr(few_shot, "NOISE_DRAWS", 1)
    original = evaluation._few_shot
    monkeypatch.setattr(
        evaluation, "_few_shot", lambda *a: computed.append(a[0].place) or original(*a)
    )
    settings = Controller(policies=["best_fixed"], evaluations=[1, 40])

    def run():
        return evaluation.evaluate(
            two_kinds(4), settings, seed=0, threads=1, cache=tmp_path / "cache",
            report=print,
        )  # fmt: skip

    result = run()
    assert computed == [0, 1, 2, 3]
    assert result["few_shot"]["shown"] == [1, 16]  # there are no more sets than 16
    assert run() == result
    assert len(computed) == 4
    (code / "mine.py").write_text("two")
    assert run() == result
    assert len(computed) == 8


@pytest.mark.slow
def test_published_few_evaluations():
    """What few evaluations reach on a task left out; hyper-parameters are chosen without it."""
    study, _ = published_study()
    after = []
    for place in range(len(study.tasks)):
        prior = FittedProcess(study.without(place)).belief(study.vectors[place])
        steps = explore_known(prior, study.rewards[place], 8)
        after.append(study.rewards[place, steps["recommended"]])
    mean = np.mean(after, axis=0)
    assert mean[4] >= 42.0
    assert mean[8] >= 42.7
