"""The reward database: the accuracy of every set on every task, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simtailor.errors import UserError
from simtailor.evaluate.effects import Effect, main_effects
from simtailor.figures.reward_db import comparison_figure, effects_figure, heat_map
from simtailor.files import read_json, staged, staged_folder, write_json
from simtailor.pretrain.names import set_of
from simtailor.simulation.parameters import SimulationParameters

BEST_SETS = 5
CLEAR_RATIO = 2.0

Rewards = dict[str, dict[str, float]]  # task -> set -> percent


@dataclass(frozen=True)
class RewardDatabase:
    """Accuracies in percent.

    Attributes:
        rewards: by task and set: what is published.
        repeats: by task and set, with other seeds.
        baselines: by task, as ``evaluate_baselines`` writes them; may be empty.
    """

    rewards: Rewards
    repeats: dict[str, dict[str, list[float]]]
    baselines: dict[str, dict[str, Any]]

    @classmethod
    def read(
        cls, evaluations: Iterable[str | Path], baselines: str | Path | None, method: str
    ) -> RewardDatabase:
        """Read the evaluations of the sets, and of repeats by their name's suffix.

        Raises:
            UserError: a file is no evaluation.
        """
        rewards: Rewards = {}
        repeats: dict[str, dict[str, list[float]]] = {}
        for path in sorted(map(str, evaluations)):
            try:
                content = read_json(path)
                name, tasks = content["parameters"], content["tasks"]
                found = {task: float(result[method]) for task, result in tasks.items()}
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise UserError(
                    f"{path}: not an evaluation by '{method}' ({error!r}); delete it and run again"
                ) from error
            base = set_of(name)
            for task, percent in found.items():
                if base == name:
                    rewards.setdefault(task, {})[name] = percent
                else:
                    repeats.setdefault(task, {}).setdefault(base, []).append(percent)
        known = read_json(baselines)["tasks"] if baselines else {}
        return cls(rewards, repeats, known)

    def missing(self, sets: Sequence[str], tasks: Sequence[str]) -> dict[str, list[str]]:
        """Return, by set, the tasks that it was not evaluated on; empty if complete."""
        absent = {
            name: [task for task in tasks if name not in self.rewards.get(task, {})]
            for name in sets
        }
        return {name: names for name, names in absent.items() if names}

    def ordered(self, sets: Sequence[str], tasks: Sequence[str]) -> RewardDatabase:
        """Return the same with tasks and sets of a study only, in the study's order."""
        rewards = {
            task: {name: self.rewards[task][name] for name in sets if name in self.rewards[task]}
            for task in tasks
            if task in self.rewards
        }
        return RewardDatabase(rewards, self.repeats, self.baselines)


def seed_spread(rewards: Mapping[str, float], repeats: Mapping[str, Sequence[float]]) -> float:
    """Return the standard deviation over seeds, pooled over the repeated sets; NaN if none."""
    groups = [[rewards[name], *again] for name, again in repeats.items() if name in rewards]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return float("nan")
    return float(np.sqrt(sum(np.var(group) * len(group) for group in groups) / freedom))


def task_table(database: RewardDatabase) -> pd.DataFrame:
    """Return one row a task: baselines, sets, and how far sets differ beside seeds."""
    rows = []
    for task, rewards in database.rewards.items():
        values = np.array(list(rewards.values()))
        best = max(rewards, key=rewards.__getitem__)
        between = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        within = seed_spread(rewards, database.repeats.get(task, {}))
        baseline = database.baselines.get(task, {})
        rows.append(
            {
                "task": task,
                "chance": baseline.get("chance"),
                "majority": baseline.get("majority"),
                "raw_pixels": baseline.get("raw_pixels"),
                "random_backbone": baseline.get("random_backbone"),
                "worst": float(values.min()),
                "mean": float(values.mean()),
                "best": float(values.max()),
                "best_set": best,
                "spread_between_sets": between,
                "spread_between_seeds": within,
                "ratio": between / within if within > 0 else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def best_sets(rewards: Rewards) -> pd.DataFrame:
    """Return the best sets of each task, best first, with their parameters."""
    rows = []
    for task, of_sets in rewards.items():
        order = sorted(of_sets, key=lambda name, known=of_sets: (-known[name], name))
        for rank, name in enumerate(order[:BEST_SETS], start=1):
            parameters = SimulationParameters.parse(name).as_dict()
            rows.append(
                {"task": task, "rank": rank, "set": name, "percent": of_sets[name]} | parameters
            )
    return pd.DataFrame(rows)


def write_reward_database(
    evaluations: Iterable[str | Path],
    baselines: str | Path | None,
    sets: Sequence[str],
    tasks: Sequence[str],
    method: str,
    database_file: str | Path,
    folder: str | Path,
) -> dict[str, Any]:
    """Write the database in the published format, and its tables and figures into ``folder``.

    Args:
        evaluations: files that exist; they need not cover all ``sets`` and ``tasks``.

    Returns:
        the summary that is written as well; its ``missing`` lists what is not there.

    Raises:
        UserError: not one set was evaluated on one of the tasks.
    """
    whole = RewardDatabase.read(evaluations, baselines, method)
    missing = whole.missing(sets, tasks)
    database = _with_method(whole.ordered(sets, tasks), method)
    if not database.rewards:
        raise UserError(
            f"{database_file}: no set was evaluated on any task of the study yet; "
            "make the target 'reward_db' first"
        )
    table = task_table(database)
    effects = [e for task, rewards in database.rewards.items() for e in main_effects(task, rewards)]
    summary = {
        "method": method,
        "sets": len(sets),
        "tasks": {row.pop("task"): row for row in _records(table)},
        "complete": not missing,
        "missing": missing,
        "verdict": _verdict(table, missing, len(sets), len(tasks)),
    }
    with staged_folder(folder) as staging:
        _write_table(table, staging / "tasks.csv")
        _write_table(best_sets(database.rewards), staging / "best_sets.csv")
        _write_table(effects_table(effects), staging / "effects.csv")
        heat_map(database.rewards, staging / "heat_map.png")
        comparison_figure(database.rewards, database.repeats, table, staging / "comparison.png")
        if effects:
            effects_figure(effects, staging / "effects.png")
        write_json(staging / "summary.json", summary)
    write_json(database_file, database.rewards)
    return summary


def effects_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """Return one row a task and value of a parameter."""
    columns = [field.name for field in fields(Effect)]
    return pd.DataFrame([asdict(effect) for effect in effects], columns=columns)


def _with_method(database: RewardDatabase, method: str) -> RewardDatabase:
    """Return the database with baselines of one method only; of random starts, their mean."""
    chosen = {}
    for task, baseline in database.baselines.items():
        random = baseline["random_backbone"].get(method)
        chosen[task] = baseline | {
            "raw_pixels": baseline["raw_pixels"].get(method),
            "random_backbone": None if random is None else float(np.mean(random)),
        }
    return RewardDatabase(database.rewards, database.repeats, chosen)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows of plain values; what is not known is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with staged(path) as staging:
        table.to_csv(staging, index=False, float_format="%.4f")


def _verdict(table: pd.DataFrame, missing: Mapping, set_count: int, task_count: int) -> str:
    """Return plain words on completeness and on whether sets differ more than seeds."""
    if missing:
        entries = sum(len(tasks) for tasks in missing.values())
        words = f"Incomplete: {entries} of {set_count * task_count} entries are missing."
    else:
        words = f"Complete: {set_count} sets x {task_count} tasks."
    judged = table[table.ratio.notna()]
    if judged.empty:
        return f"{words} Spread between seeds unknown."
    clear = judged.ratio >= CLEAR_RATIO
    words += (
        f" Sets differ at least {CLEAR_RATIO:g} times as much as seeds on {clear.sum()} of "
        f"{len(judged)} tasks"
    )
    return f"{words}; not on {', '.join(judged.task[~clear])}." if not clear.all() else f"{words}."
