"""The comparison of the policies, put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simtailor.controller.database import Study, split_tasks
from simtailor.controller.few_shot import few_shot_table
from simtailor.controller.gains import compare
from simtailor.controller.parts import FEW_SHOT, LEFT_OUT, SPLIT, Part
from simtailor.controller.settings import Controller

REFERENCE = "best_fixed"


def assemble(study: Study, settings: Controller, done: Mapping, seed: int) -> dict[str, Any]:
    """Return the content of evaluation.json, and under ``curve`` the rewards while training.

    Args:
        done: results of the parts by name.
    """
    tasks = np.arange(len(study.tasks))
    known, held_out = split_tasks(study, settings.unseen)
    groups = {"seen": known, "unseen": held_out, "leave_one_out": list(tasks)}
    policies, choices, rewards = {}, {}, {}
    for name in settings.policies:
        split = done[Part(SPLIT, name).name]
        rows = [(name, np.array(split["choices"]))]
        if "ensemble" in split:
            rows.append((f"{name}_ensemble", np.array(split["ensemble"])))
        for row, chosen_sets in rows:
            of_split = study.rewards[tasks, chosen_sets]  # [N, T]
            rewards[row] = {"seen": of_split, "unseen": of_split}
            policies[row] = _row(of_split, known, held_out)
            policies[row]["parameters_as_best"] = _as_best(study, chosen_sets)
            choices[row] = {"split": _names(study, chosen_sets[0])}
        left_out = _left_out_rewards(study, done, name)  # [N, T]
        rewards[name]["leave_one_out"] = left_out
        policies[name]["leave_one_out"] = float(left_out.mean())
        policies[name]["std"]["leave_one_out"] = float(left_out.mean(axis=1).std())
        firsts = [done[Part(LEFT_OUT, name, p).name]["choices"][0] for p in tasks]
        choices[name]["leave_one_out"] = _names(study, firsts)
    if REFERENCE in rewards:
        _add_gains(policies, rewards, choices, groups, seed)
    best, mean = np.nanmax(study.rewards, axis=1), np.nanmean(study.rewards, axis=1)
    few = few_shot_table(study, settings, [done[Part(FEW_SHOT, "", p).name] for p in tasks], seed)
    by_task = np.array(few.pop("by_task"))  # [T, budget + 1]
    if REFERENCE in rewards:
        fixed = rewards[REFERENCE]["leave_one_out"].mean(axis=0)
        few["gain_over_best_fixed"] = compare(
            {str(n): by_task[:, n] - fixed for n in few["shown"]}, seed
        )
    return {
        "policies": {
            "mean_of_sets": _bound(mean, groups),
            **policies,
            "oracle": _bound(best, groups),
        },
        "few_shot": few,
        "groups": {
            "seen": [study.tasks[p] for p in known],
            "unseen": [study.tasks[p] for p in held_out],
        },
        "sets": len(study.sets),
        "noise": {
            task: {"reward": float(entry), "evaluation": float(one)}
            for task, (entry, one) in zip(study.tasks, study.errors, strict=True)
        },
        "missing": {task: len(names) for task, names in study.missing().items()},
        "choices": choices,
        "best": _names(study, np.where(np.isnan(study.rewards), -1, study.rewards).argmax(axis=1)),
        "curve": {
            name: done[Part(SPLIT, name).name]["curve"]
            for name in settings.policies
            if "curve" in done[Part(SPLIT, name).name]
        },
    }


def _add_gains(
    policies: dict, rewards: Mapping, choices: Mapping, groups: Mapping, seed: int
) -> None:
    """Add to each row its gain over the best fixed set in each group, by the mean over seeds."""
    for group, places in groups.items():
        if not places:
            continue
        gains = {
            name: (of[group].mean(axis=0) - rewards[REFERENCE][group].mean(axis=0))[places]
            for name, of in rewards.items()
            if name != REFERENCE and group in of
        }
        for name, gain in compare(gains, seed).items():
            policies[name].setdefault("gain_over_best_fixed", {})[group] = gain
    fixed = choices[REFERENCE]["leave_one_out"]
    for name, ways in choices.items():
        if name != REFERENCE and "leave_one_out" in ways:
            other = [task for task, found in ways["leave_one_out"].items() if found != fixed[task]]
            policies[name]["leaves_best_fixed"] = len(other)


def _bound(values: np.ndarray, groups: Mapping[str, list[int]]) -> dict[str, Any]:
    means = {g: float(values[places].mean()) if places else None for g, places in groups.items()}
    return {**means, "std": {}}


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
