"""Figures of the controller: policies, few evaluations, parameters, training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from simtailor.figures.style import GENERATED, PRIOR, TARGET, clean_axes, save_figure
from simtailor.simulation.parameters import PARAMETER_NAMES, SimulationParameters

if TYPE_CHECKING:
    from simtailor.controller.database import Study

GROUPS = {"seen": "seen tasks", "unseen": "unseen tasks", "leave_one_out": "one task left out"}
BOUNDS = ("mean_of_sets", "oracle")


def accuracy_figure(result: dict[str, Any], path: str | Path) -> None:
    """Plot the policies' accuracies, and intervals of their gains over the best fixed set."""
    rows = {n: r for n, r in result["policies"].items() if n not in BOUNDS}
    groups = [g for g in GROUPS if result["policies"]["oracle"][g] is not None]
    figure = Figure(figsize=(1.6 + 2.5 * len(groups), 0.34 * len(rows) + 1.3), layout="constrained")
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, group in zip(panels, groups, strict=True):
        for place, row in enumerate(rows.values()):
            if row[group] is None:
                continue
            gain = row.get("gain_over_best_fixed", {}).get(group)
            if gain:  # around the row's mean, so that the line of the best fixed set judges it
                shift = row[group] - gain["mean"]
                low, high = (shift + end for end in gain["simultaneous"])
                axes.plot([low, high], [place, place], color=GENERATED, linewidth=1)
            axes.plot(row[group], place, "o", color=GENERATED, markersize=5)
            axes.annotate(
                f"{row[group]:.1f}", (row[group], place), (0, 5), textcoords="offset points",
                ha="center", fontsize=7,
            )  # fmt: skip
        for name, colour in zip(BOUNDS, (PRIOR, TARGET), strict=True):
            value = result["policies"][name][group]
            axes.axvline(value, color=colour, linestyle=":", linewidth=1.2)
        if "best_fixed" in rows:
            axes.axvline(rows["best_fixed"][group], color="#333333", linewidth=0.8)
        axes.set_title(GROUPS[group], fontsize=9)
        axes.set_xlabel("accuracy (%)", fontsize=8)
        axes.margins(x=0.12)
        clean_axes(axes)
    panels[0].set_yticks(range(len(rows)), [n.replace("_", " ") for n in rows])
    panels[0].set_ylim(len(rows) - 0.4, -0.8)
    figure.suptitle(
        "Policies; dotted: mean of the sets (grey) and oracle (blue); line: best fixed set; bars: "
        "95 % intervals of the gain over it, all policies together",
        fontsize=8,
        wrap=True,
    )
    save_figure(figure, path)


def few_shot_figure(result: dict[str, Any], path: str | Path) -> None:
    """Plot the accuracy over the number of noisy evaluations on a task left out."""
    few = result["few_shot"]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    numbers = few["evaluations"]
    several = f"transfer, {few['at_once']} sets at once"
    axes.plot(
        numbers, few["transfer_exact"], "-", color=GENERATED, linewidth=1, alpha=0.5,
        label="transfer, were evaluations exact",
    )  # fmt: skip
    axes.plot(numbers, few["transfer"], "o-", color=GENERATED, markersize=4, label="transfer")
    axes.plot(numbers, few["transfer_at_once"], "^--", color="#CC79A7", markersize=4, label=several)
    axes.plot(
        numbers[1:], few["random_search"][1:], "s-", color=PRIOR, markersize=3.5,
        label="random search",
    )  # fmt: skip
    axes.axhline(few["oracle"], color=TARGET, linestyle=":", label="oracle, as measured")
    axes.axhline(
        few["oracle_without_noise"], color=TARGET, linestyle="--", linewidth=1,
        label="oracle, less noise",
    )  # fmt: skip
    fixed = result["policies"].get("best_fixed")
    if fixed:
        axes.axhline(fixed["leave_one_out"], color="#333333", linewidth=0.8, label="best fixed set")
    axes.set_xlabel("sets evaluated on the new task", fontsize=9)
    axes.set_ylabel("accuracy of the recommended set (%)", fontsize=9)
    axes.set_title("Few-shot transfer, mean over the tasks left out", fontsize=10)
    figure.legend(fontsize=7.5, frameon=False, loc="outside lower center", ncols=3)
    clean_axes(axes)
    save_figure(figure, path)


def exploration_figure(content: Mapping[str, Any], path: str | Path) -> None:
    """Plot the sets tried on a task, in order: what chose them and what they are reported by."""
    sets = list(content["test"])
    figure = Figure(figsize=(6.4, 0.3 * len(sets) + 1.6), layout="constrained")
    axes = figure.subplots()
    places = range(len(sets))
    error = content["noise_of_an_evaluation"]
    axes.errorbar(
        [content["validation"][name] for name in sets], places, xerr=error, fmt="o", color=PRIOR,
        markersize=4, linewidth=1, label="validation part, chooses; ± noise of an evaluation",
    )  # fmt: skip
    axes.plot(
        [content["test"][name] for name in sets], places, "D", color=GENERATED, markersize=4.5,
        label="test part, reported",
    )  # fmt: skip
    names = [
        name
        + (" (used)" if name == content["recommended"] else "")
        + (" (best fixed)" if name == content["best_fixed_set"] else "")
        for name in sets
    ]
    axes.set_yticks(places, names, fontsize=7.5)
    axes.set_ylim(len(sets) - 0.5, -0.5)
    axes.set_xlabel("accuracy (%)", fontsize=9)
    axes.set_title(f"Sets tried on {content['task']}", fontsize=10)
    figure.legend(fontsize=7.5, frameon=False, loc="outside lower center", ncols=2)
    clean_axes(axes)
    save_figure(figure, path)


def parameter_figure(study: Study, result: dict[str, Any], path: str | Path) -> None:
    """Draw each task's best parameters beside those that policies chose with it left out."""
    columns = [p for p, name in enumerate(PARAMETER_NAMES) if name in study.values()[0]]
    panels = {"best": result["best"]}
    for policy, ways in result["choices"].items():
        if "leave_one_out" in ways:
            panels[policy] = ways["leave_one_out"]
    width = 1.7 + len(panels) * (0.24 * len(columns) + 0.3)
    figure = Figure(figsize=(width, 0.24 * len(study.tasks) + 1.7), layout="constrained")
    tables = {
        name: np.array([SimulationParameters.parse(sets[t]).as_tuple() for t in study.tasks])
        for name, sets in panels.items()
    }
    colours = ListedColormap(["#F2F2F2", "#56B4E9", "#0072B2", "#D55E00"])
    for axes, (name, values) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0],
        tables.items(),
        strict=True,
    ):
        axes.imshow(values[:, columns], cmap=colours, vmin=0, vmax=3, aspect="auto")
        wrong = np.argwhere(values[:, columns] != tables["best"][:, columns])
        axes.plot(wrong[:, 1], wrong[:, 0], "x", color="#333333", markersize=3)
        labels = [PARAMETER_NAMES[p].replace("lighting", "light") for p in columns]
        axes.set_xticks(range(len(columns)), labels, rotation=90, fontsize=7)
        axes.set_title(name.replace("_", "\n"), fontsize=8)
        axes.tick_params(length=0)
        axes.set_xticks(np.arange(0.5, len(columns) - 1), minor=True)
        axes.set_yticks(np.arange(0.5, len(study.tasks) - 1), minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
        axes.tick_params(which="minor", length=0)
        axes.set_yticks(range(len(study.tasks)), study.tasks, fontsize=7)
    figure.suptitle(
        "Parameters (0 grey, 1 light blue, 2 dark blue, 3 orange) chosen with the task left out; "
        "crosses: not as the best set",
        fontsize=8,
        wrap=True,
    )
    save_figure(figure, path)


def training_figure(result: dict[str, Any], path: str | Path) -> None:
    """Plot the reward of the likeliest parameters on the training tasks while training."""
    figure = Figure(figsize=(5.6, 3.2), layout="constrained")
    axes = figure.subplots()
    for (name, curve), colour in zip(
        result["curve"].items(), (GENERATED, PRIOR, "#009E73", "#CC79A7"), strict=False
    ):
        epochs = [int(epoch) for epoch in curve]
        rewards = np.array(list(curve.values()))  # [epochs, seeds]
        axes.plot(epochs, rewards.mean(axis=1), color=colour, label=name.replace("_", " "))
        axes.fill_between(
            epochs, rewards.min(axis=1), rewards.max(axis=1), color=colour, alpha=0.2, linewidth=0
        )
    axes.axhline(result["policies"]["oracle"]["seen"], color=TARGET, linestyle=":", label="oracle")
    axes.set_xlabel("epoch", fontsize=9)
    axes.set_ylabel("accuracy on the seen tasks (%)", fontsize=9)
    axes.set_title("Training of the learned policies; band: all seeds", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    clean_axes(axes)
    save_figure(figure, path)
