"""Comparison of the policies: published split, leave-one-task-out, few evaluations.

Nothing is tuned on the tasks that are reported: a policy sees the task that it is asked about
only as a vector, and what it chooses for itself it chooses inside its training tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.special import gammaln

from simtailor.controller.belief import Belief
from simtailor.controller.database import Study, split_tasks
from simtailor.controller.policies import find_policy
from simtailor.controller.policies.learned import LearnedScores
from simtailor.controller.policies.transfer import Transfer
from simtailor.controller.settings import Controller
from simtailor.files import read_json, write_json
from simtailor.seeds import generator

CODE = Path(__file__).parent  # of the policies and their evaluation
RESAMPLES = 10_000
REFERENCE = "best_fixed"
SPLIT, LEFT_OUT, FEW_SHOT = "split", "left_out", "few_shot"


@dataclass(frozen=True)
class Part:
    """One piece of the evaluation, done by one process.

    Attributes:
        kind: ``split`` trains on the seen tasks and acts on all, ``left_out`` trains on all
            tasks but one and acts on that, ``few_shot`` tries sets on a task left out.
        policy: name; empty for ``few_shot``.
        place: of the task left out; -1 for ``split``.
    """

    kind: str
    policy: str
    place: int = -1

    @property
    def name(self) -> str:
        return "-".join(p for p in (self.kind, self.policy, str(self.place)) if p not in ("", "-1"))


def evaluate(
    study: Study,
    settings: Controller,
    *,
    seed: int,
    device: str,
    threads: int,
    cache: str | Path,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Train and compare all policies.

    Args:
        threads: processes side by side.
        cache: folder in which finished parts are kept, so that a killed run goes on.

    Returns:
        the content of evaluation.json, and under ``curve`` the rewards while training.

    Raises:
        UserError: the settings name an unknown policy or task.
    """
    known, _ = split_tasks(study, settings.unseen)
    for name in settings.policies:
        find_policy(name, settings)
    parts = [
        *(Part(SPLIT, name) for name in settings.policies),
        *(Part(LEFT_OUT, n, p) for n in settings.policies for p in range(len(study.tasks))),
        *(Part(FEW_SHOT, "", p) for p in range(len(study.tasks))),
    ]
    folder = Path(cache) / _digest(study, settings, seed, device)
    work = (
        delayed(_kept)(folder / f"{part.name}.json", part, study, known, settings, seed, device)
        for part in parts
    )
    done: dict[str, Any] = {}
    results = Parallel(n_jobs=threads, return_as="generator")(work)
    for number, (part, result) in enumerate(zip(parts, results, strict=True), start=1):
        done[part.name] = result
        if part.kind == SPLIT or number % len(study.tasks) == 0:
            report(f"{number} of {len(parts)} parts: {part.name}")
    return _assemble(study, settings, done, seed)


def _digest(study: Study, settings: Controller, seed: int, device: str) -> str:
    sets = [str(parameters) for parameters in study.sets]
    words = json.dumps([study.tasks, sets, settings.model_dump(), seed, device])
    digest = hashlib.sha256(words.encode() + study.vectors.tobytes() + study.rewards.tobytes())
    # Policies are there to be changed: those of an earlier version are not taken for today's.
    for path in sorted(CODE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _kept(
    path: Path,
    part: Part,
    study: Study,
    known: list[int],
    settings: Controller,
    seed: int,
    device: str,
) -> dict[str, Any]:
    """Return a part's result, from the file of an earlier run if there is one."""
    if path.exists():
        return read_json(path)
    import torch  # noqa: PLC0415  (each process sets its own)

    torch.set_num_threads(1)
    work = {SPLIT: _split, LEFT_OUT: _left_out, FEW_SHOT: _few_shot}[part.kind]
    result = work(part, study, known, settings, seed, device)
    write_json(path, result)
    return result


def chosen(scores: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """Return the highest-scored set of those whose reward is known: int64 [...].

    Args:
        scores: float64 [..., S]; rewards: float64 that broadcasts to it, NaN where unknown.
    """
    return np.where(np.isnan(rewards), -np.inf, scores).argmax(axis=-1)


def _split(part, study, known, settings, seed, device) -> dict[str, Any]:
    seeds = range(seed, seed + settings.seeds)
    fitted = find_policy(part.policy, settings).fit(study.choose(known), seeds, device)
    scores = fitted.scores(study.vectors)
    result = {"choices": chosen(scores, study.rewards).tolist()}
    if isinstance(fitted, LearnedScores):
        result["ensemble"] = chosen(fitted.together(study.vectors), study.rewards).tolist()
        result["curve"] = {str(epoch): r.tolist() for epoch, r in fitted.curve.items()}
    return result


def _left_out(part, study, known, settings, seed, device) -> dict[str, Any]:
    seeds = range(seed, seed + settings.leave_one_out_seeds)
    others = study.without(part.place)
    fitted = find_policy(part.policy, settings).fit(others, seeds, device)
    scores = fitted.scores(study.vectors[part.place][None])[:, 0]
    return {"choices": chosen(scores, study.rewards[part.place]).tolist()}


def _few_shot(part, study, known, settings, seed, device) -> dict[str, Any]:
    fitted = Transfer(settings).fit(study.without(part.place))
    prior = fitted.belief(study.vectors[part.place])
    return explore_known(prior, study.rewards[part.place], max(settings.evaluations))


def explore_known(prior: Belief, rewards: np.ndarray, budget: int) -> dict[str, list[int]]:
    """Try sets on a task whose rewards are known, as if they were not.

    Returns:
        ``tried``: places of the sets in the order of the trials; ``recommended``: place of
        the recommended set after 0, 1, ... trials.
    """
    absent = np.isnan(rewards)
    tried: list[int] = []
    belief = prior
    recommended = [int(chosen(belief.mean, rewards))]
    for _ in range(min(budget, int((~absent).sum()))):
        barred = absent.copy()
        barred[tried] = True
        tried.append(belief.next(barred))
        belief = prior.observe(np.array(tried), rewards[tried])
        recommended.append(int(chosen(belief.mean, rewards)))
    return {"tried": tried, "recommended": recommended}


def random_search(rewards: np.ndarray, count: int) -> float:
    """Return the expected best of ``count`` sets drawn without replacement, percent."""
    values = np.sort(rewards[~np.isnan(rewards)])
    if count >= len(values):
        return float(values[-1])
    places = np.arange(count, len(values) + 1)  # the best is the place-th smallest

    def logarithm(n: np.ndarray, k: int) -> np.ndarray:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    chances = np.exp(logarithm(places - 1, count - 1) - logarithm(np.array(len(values)), count))
    return float(chances @ values[count - 1 :])


def bootstrap_interval(gains: np.ndarray, seed: int) -> list[float]:
    """Return the 95 % interval of the mean of paired gains, tasks resampled; [low, high]."""
    rng = generator(seed, "controller", "bootstrap")
    draws = gains[rng.integers(0, len(gains), (RESAMPLES, len(gains)))].mean(axis=1)
    return [float(v) for v in np.percentile(draws, [2.5, 97.5])]


def _assemble(study: Study, settings: Controller, done: Mapping, seed: int) -> dict[str, Any]:
    tasks = np.arange(len(study.tasks))
    known, held_out = split_tasks(study, settings.unseen)
    best = np.nanmax(study.rewards, axis=1)
    reference = (
        _left_out_rewards(study, done, REFERENCE) if REFERENCE in settings.policies else None
    )
    policies, choices = {}, {}
    for name in settings.policies:
        split = done[Part(SPLIT, name).name]
        rows = [(name, np.array(split["choices"]))]
        if "ensemble" in split:
            rows.append((f"{name}_ensemble", np.array(split["ensemble"])))
        for row, chosen_sets in rows:
            rewards = study.rewards[tasks, chosen_sets]  # [N, T]
            policies[row] = _row(rewards, known, held_out)
            policies[row]["parameters_as_best"] = _as_best(study, chosen_sets)
            choices[row] = {"split": _names(study, chosen_sets[0])}
        left_out = _left_out_rewards(study, done, name)  # [N, T]
        policies[name]["leave_one_out"] = float(left_out.mean())
        policies[name]["std"]["leave_one_out"] = float(left_out.mean(axis=1).std())
        firsts = [done[Part(LEFT_OUT, name, p).name]["choices"][0] for p in tasks]
        choices[name]["leave_one_out"] = _names(study, firsts)
        if reference is not None and name != REFERENCE:
            gains = left_out.mean(axis=0) - reference.mean(axis=0)
            policies[name]["gain_over_best_fixed"] = {
                "mean": float(gains.mean()), "interval": bootstrap_interval(gains, seed)
            }  # fmt: skip
    oracle = {"seen": _mean(best[known]), "unseen": _mean(best[held_out]), "std": {}}
    mean = np.nanmean(study.rewards, axis=1)
    average = {"seen": _mean(mean[known]), "unseen": _mean(mean[held_out]), "std": {}}
    return {
        "policies": {
            "mean_of_sets": {**average, "leave_one_out": float(mean.mean())},
            **policies,
            "oracle": {**oracle, "leave_one_out": float(best.mean())},
        },
        "few_shot": _few_shot_table(study, settings, done, best),
        "groups": {
            "seen": [study.tasks[p] for p in known],
            "unseen": [study.tasks[p] for p in held_out],
        },
        "sets": len(study.sets),
        "missing": {task: len(names) for task, names in study.missing().items()},
        "choices": choices,
        "best": _names(study, np.where(np.isnan(study.rewards), -1, study.rewards).argmax(axis=1)),
        "curve": {
            name: done[Part(SPLIT, name).name]["curve"]
            for name in settings.policies
            if "curve" in done[Part(SPLIT, name).name]
        },
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _names(study: Study, places: Sequence[int]) -> dict[str, str]:
    return {task: str(study.sets[p]) for task, p in zip(study.tasks, places, strict=True)}


def _left_out_rewards(study: Study, done: Mapping, name: str) -> np.ndarray:
    """Return the rewards of a policy on every task left out, float64 [N, T]."""
    columns = [
        study.rewards[place, done[Part(LEFT_OUT, name, place).name]["choices"]]
        for place in range(len(study.tasks))
    ]
    return np.stack(columns, axis=1)


def _row(rewards: np.ndarray, known: list[int], held_out: list[int]) -> dict[str, Any]:
    """Return a policy's accuracies of the split; rewards float64 [N, T]."""
    row: dict[str, Any] = {"std": {}, "seeds": len(rewards), "leave_one_out": None}
    for group, places in (("seen", known), ("unseen", held_out)):
        each = rewards[:, places].mean(axis=1) if places else None
        row[group] = None if each is None else float(each.mean())
        row["std"][group] = None if each is None else float(each.std())
        row.setdefault("worst_seed", {})[group] = None if each is None else float(each.min())
    return row


def _as_best(study: Study, chosen_sets: np.ndarray) -> float:
    """Return the share of parameters, over tasks and seeds, that equal the best set's."""
    values = study.values()[1]
    best = np.where(np.isnan(study.rewards), -1, study.rewards).argmax(axis=1)
    return float((values[chosen_sets] == values[best]).mean())


def _few_shot_table(
    study: Study, settings: Controller, done: Mapping, best: np.ndarray
) -> dict[str, Any]:
    """Return mean accuracy after so many evaluations, leaving one task out."""
    shown = sorted({min(number, len(study.sets)) for number in settings.evaluations})
    budget = shown[-1]
    after = np.empty((len(study.tasks), budget + 1))
    for place in range(len(study.tasks)):
        recommended = done[Part(FEW_SHOT, "", place).name]["recommended"]
        recommended += [recommended[-1]] * (budget + 1 - len(recommended))
        after[place] = study.rewards[place, recommended]
    chance = [
        np.mean([random_search(row, n) for row in study.rewards]) for n in range(1, budget + 1)
    ]
    return {
        "evaluations": list(range(budget + 1)),
        "transfer": [float(v) for v in after.mean(axis=0)],
        "random_search": [float(np.nanmean(study.rewards, axis=1).mean()), *map(float, chance)],
        "oracle": float(best.mean()),
        "shown": shown,
    }
