"""What a few evaluations on a task are worth, tried on tasks whose rewards are known.

A set is chosen by what one evaluation would have shown: the known reward plus a draw of the noise
of a single evaluation. It is reported by the known reward, which that draw had no part in. But the
known reward is a measurement itself, and its luck took part in the choice. So the same is done in a
world whose true rewards are known: the measured ones, drawn together to the variance that their
noise leaves. There the noise is added once, and the true rewards are reported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaln

from simtailor.controller.belief import NORMAL_95, Belief
from simtailor.controller.database import Study
from simtailor.controller.policies.transfer import Transfer
from simtailor.controller.settings import Controller
from simtailor.seeds import generator

NOISE_DRAWS = 8


def chosen(scores: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """Return the highest-scored set of those whose reward is known: int64 [...].

    Args:
        scores: float64 [..., S]; rewards: float64 that broadcasts to it, NaN where unknown.
    """
    return np.where(np.isnan(rewards), -np.inf, scores).argmax(axis=-1)


def explore_known(
    prior: Belief, rewards: np.ndarray, budget: int, at_once: int = 1
) -> dict[str, list[int]]:
    """Try sets on a task whose rewards are known, as if they were not.

    Args:
        rewards: float64 [S], what an evaluation shows, percent; NaN where none is known.
        at_once: sets that are proposed together.

    Returns:
        ``tried``: places of the sets in the order of the trials; ``recommended``: place of
        the recommended set after 0, 1, ... trials.
    """
    absent = np.isnan(rewards)
    budget = min(budget, int((~absent).sum()))
    tried: list[int] = []
    recommended = [int(chosen(prior.mean, rewards))]
    while len(tried) < budget:
        count = min(at_once, budget - len(tried))
        tried += prior.propose(np.array(tried, int), rewards[tried], absent, count)
        for number in range(len(recommended), len(tried) + 1):
            belief = prior.observe(np.array(tried[:number]), rewards[tried[:number]])
            recommended.append(int(chosen(belief.mean, rewards)))
    return {"tried": tried, "recommended": recommended}


def coverage(
    belief: Belief, rewards: np.ndarray, tried: np.ndarray, reference: int, noise: float
) -> float:
    """Return the share of a task's gains over one set that their 95 % intervals hold.

    Args:
        rewards: float64 [S], percent, measured with ``noise`` (standard deviation, percent).
        tried: places of the sets that the belief has seen.
        reference: place of the set that all others are compared with.
    """
    others = ~np.isnan(rewards)
    others[[*tried, reference]] = False
    if not others.any():
        return float("nan")
    mean, covariance = belief.mean, belief.covariance
    variances = np.diag(covariance) + covariance[reference, reference]
    variances = np.maximum(variances - 2 * covariance[reference], 0)
    away = rewards - rewards[reference] - (mean - mean[reference])
    return float((np.abs(away) <= NORMAL_95 * np.sqrt(variances + 2 * noise**2))[others].mean())


def try_sets(study: Study, place: int, settings: Controller, seed: int) -> dict[str, Any]:
    """Try sets on one task of a study, having learned from the others.

    Returns:
        ``exact``: what ``explore_known`` gives where evaluations show the known rewards;
        ``noisy`` and ``batches``: the recommended sets for each draw of the noise, proposed
        one at a time and several at once; ``true_gain``: over the best fixed set by number of
        evaluations, in the world whose true rewards are known; ``coverage``: likewise.
    """
    process = Transfer(settings).fit(study.without(place))
    prior = process.belief(study.vectors[place])
    rewards, (_, noise) = study.rewards[place], study.errors[place]
    budget = max(settings.evaluations)
    found: dict[str, Any] = {
        "exact": explore_known(prior, rewards, budget),
        "noisy": [],
        "batches": [],
        "coverage": {},
    }
    counts = [n for n in (0, *settings.evaluations) if n < (~np.isnan(rewards)).sum() - 1]
    inside: dict[int, list[float]] = {n: [] for n in counts}
    fixed = int(chosen(process.mean, rewards))
    true, true_gains = true_like(rewards, study.errors[place, 0]), []
    for draw in range(NOISE_DRAWS):
        drawn = noise * generator(seed, "few_shot", place, draw).standard_normal(len(rewards))
        shown = rewards + drawn
        steps = explore_known(prior, true + drawn, budget)
        true_gains.append(true[steps["recommended"]] - true[fixed])
        steps = explore_known(prior, shown, budget)
        found["noisy"].append(steps["recommended"])
        batches = explore_known(prior, shown, budget, settings.explore.at_once)
        found["batches"].append(batches["recommended"])
        for number in counts:
            tried = np.array(steps["tried"][:number], int)
            belief = prior.observe(tried, shown[tried])
            inside[number].append(coverage(belief, rewards, tried, fixed, study.errors[place, 0]))
    found["true_gain"] = np.mean(true_gains, axis=0).tolist()
    found["coverage"] = {str(n): float(np.nanmean(shares)) for n, shares in inside.items()}
    return found


def random_search(rewards: np.ndarray, count: int, shown: np.ndarray | None = None) -> float:
    """Return what the best of ``count`` sets drawn without replacement is expected to give.

    Args:
        rewards: float64 [S], percent; NaN where unknown.
        shown: what the best is chosen by; empty takes the rewards themselves.
    """
    known = ~np.isnan(rewards)
    order = (rewards if shown is None else shown)[known].argsort(kind="stable")
    values = rewards[known][order]
    if count >= len(values):
        return float(values[-1])
    places = np.arange(count, len(values) + 1)  # the chosen is the place-th lowest

    def logarithm(n: np.ndarray, k: int) -> np.ndarray:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    chances = np.exp(logarithm(places - 1, count - 1) - logarithm(np.array(len(values)), count))
    return float(chances @ values[count - 1 :])


def true_like(rewards: np.ndarray, noise: float) -> np.ndarray:
    """Return rewards as true ones may be: drawn to their mean, of the variance that noise leaves.

    Args:
        rewards: float64 [S], percent; NaN where unknown; noise: their standard error.
    """
    mean, variance = np.nanmean(rewards), np.nanvar(rewards)
    if variance == 0:
        return rewards
    return mean + np.sqrt(max(1 - noise**2 / variance, 0)) * (rewards - mean)


def few_shot_table(study: Study, settings: Controller, found: list[dict], seed: int) -> dict:
    """Return mean accuracies after so many evaluations, leaving one task out.

    Args:
        found: of each task, from ``try_sets``.
    """
    shown = sorted({min(number, len(study.sets)) for number in settings.evaluations})
    budget = shown[-1]
    tasks = range(len(study.tasks))

    def rewarded(place: int, recommended: list[int]) -> np.ndarray:
        filled = recommended + [recommended[-1]] * (budget + 1 - len(recommended))
        return study.rewards[place, filled]

    exact = np.stack([rewarded(p, found[p]["exact"]["recommended"]) for p in tasks])
    noisy, batches = (
        np.stack([np.mean([rewarded(p, row) for row in found[p][kind]], axis=0) for p in tasks])
        for kind in ("noisy", "batches")
    )
    chance, noisy_chance = np.empty(budget), np.empty(budget)
    for number in range(1, budget + 1):
        chance[number - 1] = np.mean([random_search(row, number) for row in study.rewards])
        noisy_chance[number - 1] = np.mean(
            [
                random_search(
                    row,
                    number,
                    row + noise * generator(seed, "few_shot", p, draw).standard_normal(len(row)),
                )
                for p, (row, noise) in enumerate(
                    zip(study.rewards, study.errors[:, 1], strict=True)
                )
                for draw in range(NOISE_DRAWS)
            ]
        )
    mean = float(np.nanmean(study.rewards, axis=1).mean())
    best = np.nanmax(study.rewards, axis=1)
    true_best = [np.nanmax(true_like(study.rewards[p], study.errors[p, 0])) for p in tasks]
    gains = [of["true_gain"] + of["true_gain"][-1:] * (budget + 1) for of in found]
    return {
        "evaluations": list(range(budget + 1)),
        "shown": shown,
        "at_once": settings.explore.at_once,
        "transfer_exact": exact.mean(axis=0).tolist(),
        "transfer": noisy.mean(axis=0).tolist(),
        "transfer_at_once": batches.mean(axis=0).tolist(),
        "by_task": noisy.tolist(),
        "random_search_exact": [mean, *chance.tolist()],
        "random_search": [mean, *noisy_chance.tolist()],
        "oracle": float(best.mean()),
        "oracle_without_noise": float(np.mean(true_best)),
        "true_gain": np.mean([of[: budget + 1] for of in gains], axis=0).tolist(),
        "coverage": {
            n: float(np.nanmean([of["coverage"].get(n, np.nan) for of in found]))
            for n in found[0]["coverage"]
        },
    }
