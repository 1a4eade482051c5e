"""The reward database: the accuracy of every set on every task, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from simtailor.errors import UserError
from simtailor.evaluate.database import StudyResults, read_results
from simtailor.evaluate.effects import Effect, main_effects
from simtailor.evaluate.noise import seed_noise
from simtailor.evaluate.tables import best_sets, task_table
from simtailor.evaluate.verdict import sentences
from simtailor.figures.reward_db import comparison_figure, effects_figure, heat_map
from simtailor.files import staged, staged_folder, write_json


def write_reward_database(
    evaluations: Iterable[str | Path],
    baselines: str | Path | None,
    equal_steps: Iterable[str | Path],
    sets: Sequence[str],
    tasks: Sequence[str],
    methods: Sequence[str],
    evidence: str,
    database_file: str | Path,
    folder: str | Path,
) -> dict[str, Any]:
    """Write the database in the published format, and its tables and figures into ``folder``.

    Args:
        evaluations, equal_steps: files that exist; they need not cover all sets and tasks.
        methods: the one whose accuracy is the reward, and others that are reported beside.
        evidence: digest of the study's settings; evaluations of others do not count.

    Returns:
        the summary that is written as well; its ``missing`` lists what is not there.

    Raises:
        UserError: not one set was evaluated on one of the tasks.
    """
    evaluations, equal_steps = list(evaluations), list(equal_steps)
    found = {
        method: read_results(method, evaluations, baselines, equal_steps, evidence)
        for method in methods
    }
    whole = found[methods[0]]
    missing = whole.missing(sets, tasks)
    results = whole.ordered(sets, tasks)
    if not results.sets:
        raise UserError(
            f"{database_file}: no set was evaluated on any task of the study with the settings of "
            "now; make the target 'reward_db' first"
        )
    table = task_table(results)
    effects = _effects(results)
    spoken = [_completeness(missing, len(sets), len(tasks)), *sentences(table)]
    summary = {
        "method": results.method,
        "sets": len(sets),
        "tasks": _by_task(table),
        "complete": not missing,
        "missing": missing,
        "outdated": list(results.outdated),
        "verdict": " ".join(spoken),
        "sentences": spoken,
    }
    with staged_folder(folder) as staging:
        _write_table(table, staging / "tasks.csv")
        _write_table(best_sets(results), staging / "best_sets.csv")
        _write_table(_effects_table(effects), staging / "effects.csv")
        write_json(
            staging / "entries.json",
            {
                task: {name: asdict(entry) for name, entry in of_sets.items()}
                for task, of_sets in results.entries().items()
            },
        )
        summary["other_methods"] = {}
        for method in methods[1:]:
            other = task_table(found[method].ordered(sets, tasks))
            _write_table(other, staging / f"tasks_{method}.csv")
            summary["other_methods"][method] = {
                "tasks": _by_task(other),
                "sentences": sentences(other),
            }
        heat_map(results.rewards(), table, staging / "heat_map.png")
        comparison_figure(results.sets, table, staging / "comparison.png")
        if effects:
            effects_figure(effects, staging / "effects.png")
        write_json(staging / "summary.json", summary)
    write_json(database_file, results.rewards())
    return summary


def _effects(results: StudyResults) -> list[Effect]:
    return [
        effect
        for task, rewards in results.rewards().items()
        for effect in main_effects(
            task,
            rewards,
            seed_noise(results.sets[task]),
            {name: len(rows) for name, rows in results.sets[task].items()},
        )
    ]


def _effects_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """Return one row a task and value of a parameter."""
    columns = [field.name for field in fields(Effect)]
    return pd.DataFrame([asdict(effect) for effect in effects], columns=columns)


def _by_task(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return rows of plain values; what is not known is None."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return {row.pop("task"): row for row in rows}


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with staged(path) as staging:
        table.to_csv(staging, index=False, float_format="%.4f")


def _completeness(missing: Mapping[str, Sequence[str]], sets: int, tasks: int) -> str:
    if missing:
        entries = sum(len(names) for names in missing.values())
        return f"Incomplete: {entries} of {sets * tasks} entries are missing."
    return f"Complete: {sets} sets x {tasks} tasks."
