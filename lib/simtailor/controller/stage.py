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
    threads: int,
    cache: str,
    report: Callable[[str], None],
) -> None:
    """Train and compare all policies; write tables, figures, evaluation.json, summary.json.

    Raises:
        UserError: the database, the vectors or the settings are wrong.
    """
    study = read_study(reward_db, task_vectors)
    missing = describe_missing(study)
    for line in missing:
        report(line)
    result = evaluate(study, settings, seed=seed, threads=threads, cache=cache, report=report)
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
    rows = {
        name: row
        for name, row in result["policies"].items()
        if "leave_one_out" in row.get("gain_over_best_fixed", {})
    }
    few = result["few_shot"]
    last = few["shown"][-1]
    words = (
        f"after {last} noisy evaluations on a task left out the recommended set reaches "
        f"{few['transfer'][last]:.1f} %, an oracle {few['oracle']:.1f} %"
    )
    if not rows:
        return words
    count = sum(len(tasks) for tasks in result["groups"].values())
    words = f"{_of_the_vector(rows, count)}; {words}"
    gain = few["gain_over_best_fixed"][str(last)]
    sure = "surely" if gain["simultaneous"][0] > 0 else "not surely"
    return f"{words}, {sure} more than the best fixed set ({_interval(gain)})"


def _of_the_vector(rows: dict[str, Any], count: int) -> str:
    name = max(rows, key=lambda n: rows[n]["gain_over_best_fixed"]["leave_one_out"]["mean"])
    gain = rows[name]["gain_over_best_fixed"]["leave_one_out"]
    found = f"({_interval(gain)}, an interval for all {len(rows)} policies together)"
    if gain["mean"] <= 0:
        words = (
            "from the task vector alone no policy is better than the best fixed set; the best of "
            f"them is '{name}' {found}"
        )
    else:
        sure = "" if gain["simultaneous"][0] > 0 else "not "
        words = (
            f"from the task vector alone '{name}' does best and is {sure}surely better than the "
            f"best fixed set {found}"
        )
    if "transfer" in rows:
        words += (
            f"; 'transfer', which recommends, leaves the best fixed set on "
            f"{rows['transfer']['leaves_best_fixed']} of {count} tasks"
        )
    return words


def _interval(gain: dict[str, Any]) -> str:
    low, high = gain["simultaneous"]
    return f"{gain['mean']:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f}"


def table(result: dict[str, Any]) -> str:
    """Return the policies and the few-shot results as Markdown."""
    titles = [title for group, title in TITLES.items() for title in (title, "gain")]
    lines = [
        "Accuracy in percent; ± is the spread over seeds. Gain: over the best fixed set, with the",
        "95 % interval that holds for all policies of a column together, paired over tasks.",
        "Leaves: tasks left out on which another set than the best fixed one is chosen.",
        "",
        f"| policy | {' | '.join(titles)} | leaves |",
        "|---|" + "---|" * (len(titles) + 1),
    ]
    for name, row in result["policies"].items():
        cells = []
        for group in TITLES:
            cells.append(_cell(row[group], row["std"].get(group), row.get("seeds", 1)))
            gain = row.get("gain_over_best_fixed", {}).get(group)
            low, high = gain["simultaneous"] if gain else (0, 0)
            cells.append(f"{gain['mean']:+.2f} ({low:+.2f} to {high:+.2f})" if gain else "–")
        cells.append(str(row.get("leaves_best_fixed", "–")))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, *_few_shot_lines(result["few_shot"])]) + "\n"


def _few_shot_lines(few: dict[str, Any]) -> list[str]:
    gains = few.get("gain_over_best_fixed", {})
    lines = [
        "",
        "With evaluations on the new task itself, one task left out. Sets are chosen by noisy",
        "evaluations (the reward plus a draw of the noise) and reported by the reward. True gain:",
        "in a world of known true rewards, the measured ones less what noise adds to them.",
        "",
        "| evaluations | transfer | gain over the best fixed set | true gain | "
        f"{few['at_once']} at once | were evaluations exact | random search | intervals hold |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number in (0, *few["shown"]):
        gain, held = gains.get(str(number)), few["coverage"].get(str(number))
        low, high = gain["simultaneous"] if gain else (0, 0)
        cells = [
            f"{few['transfer'][number]:.2f}",
            f"{gain['mean']:+.2f} ({low:+.2f} to {high:+.2f})" if gain else "–",
            f"{few['true_gain'][number]:+.2f}",
            f"{few['transfer_at_once'][number]:.2f}",
            f"{few['transfer_exact'][number]:.2f}",
            f"{few['random_search'][number]:.2f}",
            f"{100 * held:.0f} %" if held is not None else "–",
        ]
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        f"Oracle {few['oracle']:.2f}, of which noise is a part; in the world of known true rewards "
        f"{few['oracle_without_noise']:.2f}. Intervals hold: share of the gains of all untried "
        "sets over the best fixed one that lie in their 95 % interval.",
    ]


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
