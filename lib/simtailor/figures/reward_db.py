"""Figures of the reward database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from simtailor.figures.style import GENERATED, PRIOR, TARGET, clean_axes, save_figure
from simtailor.simulation.parameters import MATERIALS, PARAMETER_NAMES, SimulationParameters

if TYPE_CHECKING:
    from simtailor.evaluate.effects import Effect

NUMBERED_SETS = 24  # cells carry their percentage up to here
DEEPEST = 2.5  # standard deviations of a task's sets at which the colour saturates
VALUE_COLOURS = ListedColormap(["#F2F2F2", "#0072B2", "#E69F00", "#D55E00"])
EFFECT_COLUMNS = 4


def heat_map(rewards: Mapping[str, Mapping[str, float]], path: str | Path) -> None:
    """Draw tasks x sets, best set first, above the parameters of each set.

    A cell's colour is the distance from the task's mean over the sets in standard deviations,
    for tasks differ more than sets; the range in percent stands at the row's end. Sets are
    ordered by the mean of these distances over the tasks.

    Args:
        rewards: accuracy in percent by task and set; sets that lack a task leave white.
    """
    table = pd.DataFrame(rewards).T  # tasks x sets
    spread = table.std(axis=1, ddof=0).replace(0, np.nan)
    relative = table.sub(table.mean(axis=1), axis=0).div(spread, axis=0)
    relative = relative.where(table.isna() | relative.notna(), 0.0)  # sets all equal
    order = relative.mean(axis=0).sort_values(ascending=False, kind="stable").index
    table, relative = table[order], relative[order]
    numbered = len(order) <= NUMBERED_SETS
    width = 3.6 + (0.52 * len(order) if numbered else 9.0)
    figure = Figure(
        figsize=(max(width, 7.0), 1.6 + 0.3 * len(table) + 0.2 * len(PARAMETER_NAMES)),
        layout="constrained",
    )
    cells, strip = figure.subplots(
        2, 1, sharex=True, height_ratios=[0.3 * len(table), 0.2 * len(PARAMETER_NAMES)]
    )
    drawn = cells.imshow(
        relative, cmap="RdBu_r", vmin=-DEEPEST, vmax=DEEPEST, aspect="auto", interpolation="nearest"
    )
    cells.set_yticks(range(len(table)), table.index, fontsize=8)
    ranges = cells.secondary_yaxis("right")
    ranges.set_yticks(
        range(len(table)), [f"{row.min():.1f} to {row.max():.1f} %" for _, row in table.iterrows()]
    )
    ranges.tick_params(labelsize=7, length=0)
    if numbered:
        for y, row in enumerate(table.to_numpy()):
            for x, percent in enumerate(row):
                dark = abs(relative.iat[y, x]) > 1.5
                text = "" if np.isnan(percent) else f"{percent:.1f}"
                colour = "white" if dark else "black"
                cells.text(x, y, text, ha="center", va="center", fontsize=7, color=colour)
    _parameter_strip(strip, list(order), numbered)
    cells.tick_params(axis="x", length=0, labelbottom=False)
    bar = figure.colorbar(drawn, ax=[cells, strip], shrink=0.7, pad=0.02)
    bar.set_label("distance from the task's mean\n(standard deviations of its sets)", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(
        f"Accuracy of {len(order)} simulated sets on {len(table)} tasks, best set on the left",
        fontsize=10,
    )
    save_figure(figure, path)


def _parameter_strip(axes: Axes, sets: Sequence[str], named: bool) -> None:
    values = np.array([SimulationParameters.parse(name).as_tuple() for name in sets]).T
    # Materials are never "off": they get their own colours from the second on.
    axes.imshow(
        values, cmap=VALUE_COLOURS, vmin=-0.5, vmax=3.5, aspect="auto", interpolation="nearest"
    )
    axes.set_yticks(range(len(PARAMETER_NAMES)), PARAMETER_NAMES, fontsize=7)
    if named:
        axes.set_xticks(range(len(sets)), sets, rotation=60, ha="right", fontsize=7)
    else:
        axes.set_xticks([])
    present = sorted(set(values.ravel()))
    words = {0: "fixed", 1: "varies (materials: natural)"} | {
        value: f"materials: {MATERIALS[value]}" for value in (2, 3)
    }
    handles = [
        axes.scatter([], [], marker="s", color=VALUE_COLOURS(value), edgecolor="#999999", s=40)
        for value in present
    ]
    axes.figure.legend(
        handles, [words[value] for value in present], loc="outside lower center",
        ncols=len(present), fontsize=7, frameon=False,
    )  # fmt: skip


def comparison_figure(
    rewards: Mapping[str, Mapping[str, float]],
    repeats: Mapping[str, Mapping[str, Sequence[float]]],
    table: pd.DataFrame,
    path: str | Path,
) -> None:
    """Plot every set's accuracy on each task beside the baselines and other seeds.

    Args:
        repeats: accuracies with other seeds by task and set.
        table: one row a task, as ``task_table`` gives it.
    """
    figure = Figure(figsize=(7.4, 0.48 * len(table) + 1.7), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(table.itertuples()):
        of_sets = rewards[row.task]
        values = np.array(list(of_sets.values()))
        shift = 0.16 * np.linspace(-1, 1, len(values)) if len(values) > 1 else 0
        axes.scatter(
            values, place + shift, s=14 if len(values) <= NUMBERED_SETS else 4, color=TARGET,
            alpha=0.7, linewidths=0, label="simulated set",
        )  # fmt: skip
        again_by_set = {n: a for n, a in repeats.get(row.task, {}).items() if n in of_sets}
        lines = 0.24 + 0.16 * np.linspace(0, 1, len(again_by_set)) if again_by_set else []
        for line, (name, again) in zip(lines, again_by_set.items(), strict=True):
            seeds = [of_sets[name], *again]
            axes.plot(
                    seeds, [place + line] * len(seeds), "-|", color=GENERATED, markersize=6,
                    linewidth=1.2, label="one set, several seeds",
                )  # fmt: skip
        for column, marker, colour, label in (
            ("chance", "|", "black", "chance"),
            ("raw_pixels", "D", PRIOR, "raw pixels"),
            ("random_backbone", "^", "black", "random backbone (mean)"),
        ):
            value = getattr(row, column)
            if value is not None and np.isfinite(value):
                axes.plot(
                    value, place - 0.3, marker, color=colour, markersize=5, linestyle="none",
                    label=label,
                )  # fmt: skip
    axes.set_yticks(range(len(table)), table.task, fontsize=8)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel("accuracy (%)", fontsize=9)
    axes.grid(axis="x", color="#EEEEEE")
    axes.set_axisbelow(True)
    clean_axes(axes)
    handles, labels = axes.get_legend_handles_labels()
    single = dict(zip(labels, handles, strict=True))
    figure.legend(
        single.values(), single.keys(), loc="outside lower center", ncols=3, fontsize=8,
        frameon=False,
    )  # fmt: skip
    figure.suptitle("Accuracy by task: simulated sets beside baselines and seeds", fontsize=10)
    save_figure(figure, path)


def effects_figure(effects: Sequence[Effect], path: str | Path) -> None:
    """Plot the main effect of each parameter on each task with its 95 % interval."""
    labels = list(dict.fromkeys(effect.label for effect in effects))
    tasks = list(dict.fromkeys(effect.task for effect in effects))
    columns = min(EFFECT_COLUMNS, len(labels))
    rows = -(-len(labels) // columns)
    figure = Figure(
        figsize=(1.6 + 2.3 * columns, 0.8 + rows * (0.7 + 0.19 * len(tasks))), layout="constrained"
    )
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(labels) :]:
        axes.set_visible(False)
    for label, axes in zip(labels, grid.flat, strict=False):
        axes.axvline(0, color="#666666", linewidth=0.8)
        for effect in (e for e in effects if e.label == label):
            place = tasks.index(effect.task)
            known = effect.low is not None
            certain = known and (effect.low > 0 or effect.high < 0)
            colour = (TARGET if effect.effect > 0 else GENERATED) if certain else PRIOR
            if known:
                axes.plot([effect.low, effect.high], [place, place], color=colour, linewidth=1.6)
            axes.plot(effect.effect, place, "o", color=colour, markersize=4)
        axes.set_title(label, fontsize=9)
        axes.set_yticks(range(len(tasks)), tasks, fontsize=7)
        axes.grid(axis="x", color="#EEEEEE")
        axes.set_axisbelow(True)
        clean_axes(axes)
    grid[0, 0].set_ylim(len(tasks) - 0.5, -0.5)
    figure.supxlabel(
        "change of the accuracy, percentage points (95 % interval; grey: may be none)", fontsize=8
    )
    figure.suptitle("Which simulation parameter helps which task: main effects", fontsize=10)
    save_figure(figure, path)
