"""The controller's job: compare the policies and write what came out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.controller.database import Study, describe_missing, read_study
from simtailor.controller.evaluation import evaluate
from simtailor.controller.settings import Controller
from simtailor.devices import check_device
from simtailor.figures.controller import (
    accuracy_figure,
    few_shot_figure,
    parameter_figure,
    training_figure,
)
from simtailor.files import staged_folder, write_json

TITLES = {"seen": "seen tasks", "unseen": "unseen tasks", "leave_one_out": "leave one task out"}


def run_controller(
    reward_db: str,
    task_vectors: str,
    settings: Controller,
    output: str,
    *,
    seed: int,
    device: str,
    threads: int,
    cache: str,
    report: Callable[[str], None],
) -> None:
    """Train and compare all policies; write tables, figures, evaluation.json, summary.json.

    Raises:
        UserError: the database, the vectors or the settings are wrong.
    """
    check_device(device)
    study = read_study(reward_db, task_vectors)
    missing = describe_missing(study)
    for line in missing:
        report(line)
    result = evaluate(
        study, settings, seed=seed, device=device, threads=threads, cache=cache, report=report
    )
    result["verdict"] = verdict(result)
    with staged_folder(output) as folder:
        write_json(folder / "evaluation.json", result)
        write_json(
            folder / "summary.json",
            {
                "verdict": result["verdict"],
                "tasks": len(study.tasks),
                "sets": len(study.sets),
                "missing": missing,
            },
        )
        (folder / "table.md").write_text(table(result))
        _write_tasks(study, result, folder / "tasks.csv")
        accuracy_figure(result, folder / "policies.png")
        few_shot_figure(result, folder / "few_shot.png")
        parameter_figure(study, result, folder / "parameters.png")
        if result["curve"]:
            training_figure(result, folder / "training.png")
    report(result["verdict"])


def verdict(result: dict[str, Any]) -> str:
    """Say in plain words whether a policy beats the best fixed set on tasks left out."""
    rows = {n: r for n, r in result["policies"].items() if "gain_over_best_fixed" in r}
    few = result["few_shot"]
    last = few["shown"][-1]
    words = (
        f"after {last} evaluations on a task left out the recommended set reaches "
        f"{few['transfer'][last]:.1f} %, an oracle {few['oracle']:.1f} %"
    )
    if not rows:
        return words
    name = max(rows, key=lambda n: rows[n]["leave_one_out"])
    gain = rows[name]["gain_over_best_fixed"]
    low, high = gain["interval"]
    found = f"({gain['mean']:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f})"
    if gain["mean"] <= 0:
        return (
            "from the task vector alone no policy is better than the best fixed set; the best of "
            f"them is '{name}' {found}; {words}"
        )
    return (
        f"from the task vector alone '{name}' does best and is {'' if low > 0 else 'not '}surely "
        f"better than the best fixed set {found}; {words}"
    )


def table(result: dict[str, Any]) -> str:
    """Return the policies and the few-shot results as Markdown."""
    lines = [
        "Accuracy in percent; ± is the spread over seeds. Gain: over the best fixed set, one task",
        "left out, with the 95 % interval of a bootstrap over tasks.",
        "",
        f"| policy | {' | '.join(TITLES.values())} | gain | worst seed, unseen |",
        "|---|" + "---|" * (len(TITLES) + 2),
    ]
    for name, row in result["policies"].items():
        cells = [_cell(row[group], row["std"].get(group), row.get("seeds", 1)) for group in TITLES]
        gain = row.get("gain_over_best_fixed")
        low, high = gain["interval"] if gain else (0, 0)
        cells.append(f"{gain['mean']:+.2f} ({low:+.2f} to {high:+.2f})" if gain else "–")
        several = row.get("seeds", 1) > 1
        cells.append(_cell(row["worst_seed"]["unseen"], None, 1) if several else "–")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    few = result["few_shot"]
    lines += [
        "",
        "With evaluations on the new task itself, one task left out:",
        "",
        "| evaluations | transfer | random search |",
        "|---|---|---|",
        *(
            f"| {n} | {few['transfer'][n]:.2f} | {few['random_search'][n]:.2f} |"
            for n in (0, *few["shown"])
        ),
        f"| oracle | {few['oracle']:.2f} | {few['oracle']:.2f} |",
    ]
    return "\n".join(lines) + "\n"


def _cell(value: float | None, spread: float | None, seeds: int) -> str:
    if value is None:
        return "–"
    return f"{value:.2f} ± {spread:.2f}" if seeds > 1 and spread is not None else f"{value:.2f}"


def _write_tasks(study: Study, result: dict[str, Any], path: Path) -> None:
    """Write one row a task and policy: chosen set, its accuracy and the best."""
    places = {str(parameters): place for place, parameters in enumerate(study.sets)}
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["policy", "how", "task", "set", "accuracy", "best_set", "best_accuracy"])
        for policy, ways in result["choices"].items():
            for how, sets in ways.items():
                for number, (task, name) in enumerate(sets.items()):
                    row = study.rewards[number]
                    best = result["best"][task]
                    writer.writerow(
                        [policy, how, task, name, f"{row[places[name]]:.4f}", best,
                         f"{np.nanmax(row):.4f}"]
                    )  # fmt: skip
