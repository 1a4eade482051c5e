"""Noise of rewards: stated or estimated, and intervals that hold as often as they say."""

import json
from itertools import combinations

import numpy as np
import pytest
from studies import published_study, two_kinds

from simtailor.controller import gains
from simtailor.controller.database import Study, read_study
from simtailor.controller.few_shot import random_search, true_like
from simtailor.controller.gains import compare
from simtailor.controller.noise import ASSUMED_SHARE, estimated_noise
from simtailor.controller.policies.transfer import FittedProcess
from simtailor.errors import UserError
from simtailor.simulation.parameters import enumerate_parameters

SETS = ["0_0_0_0_0_1_0_0_0", "1_0_0_0_0_1_0_0_0", "1_0_0_0_0_3_0_0_1"]


def factorial(parameters):
    """Return all combinations of parameters of two values, and their effects of one and two."""
    counted = np.array(list(np.ndindex((2,) * parameters)))
    signs = 2 * counted - 1
    columns = [
        np.prod(signs[:, list(c)], axis=1)
        for order in (1, 2)
        for c in combinations(range(parameters), order)
    ]
    return counted, np.array(columns, float)


def test_noise_is_estimated_from_effects_of_many_parameters():
    values, effects = factorial(8)
    rng = np.random.default_rng(0)
    noise = np.array([0.5, 2.0, 4.0])
    rewards = 40 + 2 * rng.standard_normal((3, len(effects))) @ effects
    rewards += noise[:, None] * rng.standard_normal(rewards.shape)
    rewards[1, ::7] = np.nan
    np.testing.assert_allclose(estimated_noise(rewards, values), noise, rtol=0.2)
    few = rewards[:, :8]
    assumed = np.sqrt(ASSUMED_SHARE) * np.nanstd(few, axis=1)
    np.testing.assert_allclose(estimated_noise(few, values[:8]), assumed)


def write(folder, entries):
    rewards = {t: {s: 10.0 * n + m for m, s in enumerate(SETS)} for n, t in enumerate("abc")}
    (folder / "db.json").write_text(json.dumps(rewards))
    np.savez(folder / "vectors.npz", **{t: np.arange(1, 6.0) + n for n, t in enumerate("abc")})
    (folder / "db").mkdir()
    (folder / "db/entries.json").write_text(json.dumps(entries))
    return folder / "db.json", folder / "vectors.npz"


def test_stated_standard_errors_are_read_and_one_seed_is_less_exact_than_two(tmp_path):
    entry = {"mean": 1.0, "standard_error": 0.5, "seeds": 4, "episodes": 20, "images": 100}
    study = read_study(*write(tmp_path, {t: dict.fromkeys(SETS, entry) for t in "abc"}))
    np.testing.assert_allclose(study.errors, [[0.5, 1.0]] * 3)
    spread = np.std([0.0, 1, 2])
    assert study.noise_of_one() == pytest.approx(min((1.0 / spread) ** 2, 0.95))


def test_a_reward_without_its_standard_error_is_named(tmp_path):
    entry = {"standard_error": 0.5, "seeds": 4}
    entries = {t: dict.fromkeys(SETS, entry) for t in "abc"}
    entries["b"] = dict.fromkeys(SETS[:2], entry)
    with pytest.raises(UserError, match=rf"entries.json: no standard error .*'{SETS[2]}' on 'b'"):
        read_study(*write(tmp_path, entries))


def simulated(seed, noise, tasks=12):
    """Return a study measured with known noise, its true rewards, and that noise."""
    rng = np.random.default_rng(seed)
    values = {"backgr": (0, 1), "blur": (0, 1), "materials": (1, 3), "pose_rot": (0, 1),
              "pose_scale": (0, 1)}  # fmt: skip
    sets = tuple(enumerate_parameters(values))
    effects = factorial(5)[1]
    scale = np.where(np.arange(len(effects)) < 5, 2.0, 0.7)
    base, kinds = rng.gamma(1.0, size=(3, 200)), rng.integers(0, 3, tasks)
    shared = rng.standard_normal((4, len(scale)))
    own = 0.7 * rng.standard_normal((tasks, len(scale)))
    spread = np.exp(0.3 * rng.standard_normal((tasks, 1)))
    true = 50 + spread * (((shared[3] + 0.7 * shared[kinds] + own) * scale) @ effects)
    errors = noise * spread[:, 0]
    shown = np.clip(true + errors[:, None] * rng.standard_normal(true.shape), 0, 100)
    vectors = base[kinds] * rng.uniform(0.8, 1.2, (tasks, 200))
    names = tuple(f"task {n}" for n in range(tasks))
    return Study(names, vectors, shown, sets, np.stack([errors, errors], axis=1)), true, errors, rng


@pytest.mark.parametrize("noise", [0.7, 2.0])
def test_intervals_of_gains_hold_as_often_as_they_say(noise):
    """Nominal 95 % intervals of the true gain over the best fixed set, after evaluations."""
    inside = {4: [], 8: []}
    for seed in range(20):
        study, true, errors, rng = simulated(seed, noise)
        process = FittedProcess(study.without(0))
        prior, fixed = process.belief(study.vectors[0]), int(process.mean.argmax())
        shown = true[0] + errors[0] * rng.standard_normal(true.shape[1])
        for count, held in inside.items():
            nothing = np.array([], int)
            tried = prior.propose(nothing, nothing, np.zeros(len(shown), bool), count)
            belief = prior.observe(np.array(tried), shown[tried])
            for place in set(range(len(shown))) - {fixed}:
                mean, spread = belief.gain(place, fixed)
                gain = true[0, place] - true[0, fixed]
                held.append(abs(gain - mean) <= 1.96 * spread)
    assert 0.90 <= np.mean([h for held in inside.values() for h in held]) <= 0.98


def test_noise_widens_what_is_believed_and_a_second_evaluation_narrows_it():
    study = two_kinds()
    exact, noisy = (
        FittedProcess(Study(study.tasks, study.vectors, study.rewards, study.sets, errors))
        for errors in (study.errors, 5 * study.errors)
    )
    prior = noisy.belief(study.vectors[0])
    sure, unsure = (
        p.belief(study.vectors[0]).observe(np.array([0, 5]), study.rewards[0, [0, 5]])
        for p in (exact, noisy)
    )
    assert unsure.gain(0, 5)[1] > 2 * sure.gain(0, 5)[1]
    again = prior.observe(np.array([0, 5, 0, 5]), study.rewards[0, [0, 5, 0, 5]])
    assert again.gain(0, 5)[1] < 0.9 * unsure.gain(0, 5)[1]


def test_sets_proposed_together_differ_and_none_is_proposed_twice():
    study = two_kinds()
    prior = FittedProcess(study.without(0)).belief(study.vectors[0])
    places, rewards = np.array([3]), study.rewards[0, [3]]
    found = prior.propose(places, rewards, np.zeros(16, bool), 4)
    assert len({*found, 3}) == 5
    assert found[0] == prior.observe(places, rewards).next(np.arange(16) == 3)
    assert len(prior.propose(places, rewards, np.zeros(16, bool), 40)) == 15


def test_the_best_of_many_policies_that_are_worth_nothing_is_rarely_called_better(
    monkeypatch,
):
    monkeypatch.setattr(gains, "RESAMPLES", 1000)
    rng = np.random.default_rng(0)
    wrong = {"simultaneous": 0, "interval": 0}
    for trial in range(200):
        drawn = {str(n): row for n, row in enumerate(rng.standard_normal((8, 20)))}
        found = compare(drawn, trial)
        for kind in wrong:
            wrong[kind] += any(row[kind][0] > 0 or row[kind][1] < 0 for row in found.values())
    assert wrong["simultaneous"] / 200 < 0.09
    assert wrong["interval"] / 200 > 0.2  # what the correction is for
    better = compare({"good": np.full(20, 1.0) + 0.1 * rng.standard_normal(20)}, 0)["good"]
    assert better["simultaneous"][0] > 0.9


def test_the_best_true_reward_is_below_the_best_measured_one_by_what_noise_adds():
    rng = np.random.default_rng(0)
    true = 40 + 3 * rng.standard_normal((200, 60))
    measured = true + 2 * rng.standard_normal(true.shape)
    found = np.stack([true_like(row, 2.0) for row in measured])
    assert found.std() == pytest.approx(true.std(), rel=0.05)
    assert found.max(axis=1).mean() == pytest.approx(true.max(axis=1).mean(), rel=0.01)
    assert (true_like(np.array([5.0, 5, np.nan]), 2.0)[:2] == 5).all()


def test_random_search_by_noisy_evaluations_reports_the_rewards():
    rewards, shown = np.array([1.0, 2, 3]), np.array([9.0, 0, 5])
    assert random_search(rewards, 3, shown) == 1
    assert random_search(rewards, 2, shown) == pytest.approx((1 + 1 + 3) / 3)


@pytest.mark.slow
def test_noise_and_intervals_of_the_published_rewards():
    study, _ = published_study()
    shares = study.noise_shares()
    assert np.median(shares) == pytest.approx(ASSUMED_SHARE, abs=0.01)
    assert 0.04 < shares.min() < shares.max() < 0.9
