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
from matplotlib.image import AxesImage

from simtailor.figures.style import GENERATED, PRIOR, TARGET, clean_axes, save_figure
from simtailor.simulation.parameters import MATERIALS, PARAMETER_NAMES, SimulationParameters

if TYPE_CHECKING:
    from simtailor.evaluate.effects import Effect

NUMBERED_SETS = 24  # cells carry their percentage up to here
DEEPEST = 2.5  # standard deviations of a task's sets at which the colour saturates
VALUE_COLOURS = ListedColormap(["#F2F2F2", "#0072B2", "#E69F00", "#D55E00"])
EFFECT_COLUMNS = 4
# Of the baselines, in the order of their columns.
BASELINE_MARKS = (
    ("|", "black"), ("D", PRIOR), ("v", PRIOR), ("^", PRIOR), ("*", "black"), ("<", GENERATED),
    (">", GENERATED), ("s", GENERATED), ("o", GENERATED),
)  # fmt: skip


# Columns of a table of tasks that stand beside the sets, with their captions.
BASELINE_COLUMNS = {
    "chance": "chance",
    "raw_pixels": "raw pixels",
    "random_off": "random, branches off",
    "random_on": "random, branches on",
    "imagenet": "ImageNet",
}


def heat_map(
    rewards: Mapping[str, Mapping[str, float]], summary: pd.DataFrame, path: str | Path
) -> None:
    """Draw tasks x sets, best set first, above the parameters of each set, beside the baselines.

    A cell's colour is the distance from the task's mean over the sets in standard deviations,
    for tasks differ more than sets; the range in percent stands at the row's end. Sets are
    ordered by the mean of these distances over the tasks.

    Args:
        rewards: accuracy in percent by task and set; sets that lack a task leave white.
        summary: one row a task, as ``task_table`` gives it.
    """
    table = pd.DataFrame(rewards).T  # tasks x sets
    spread = table.std(axis=1, ddof=0).replace(0, np.nan)
    beside = _baselines_of(summary).reindex(table.index)

    def relative_to_sets(values: pd.DataFrame) -> pd.DataFrame:
        relative = values.sub(table.mean(axis=1), axis=0).div(spread, axis=0)
        return relative.where(values.isna() | relative.notna(), 0.0)  # sets all equal

    order = relative_to_sets(table).mean(axis=0).sort_values(ascending=False, kind="stable").index
    table = table[order]
    numbered = len(order) <= NUMBERED_SETS
    widths = [len(beside.columns) or 0.01, len(order) if numbered else 18]
    heights = [0.3 * len(table), 0.2 * len(PARAMETER_NAMES)]
    figure = Figure(
        figsize=(max(3.6 + 0.52 * sum(widths), 7.0), 2.2 + sum(heights)), layout="constrained"
    )
    grid = figure.subplots(2, 2, sharey="row", width_ratios=widths, height_ratios=heights)
    (left, cells), (below_left, strip) = grid
    below_left.set_visible(False)
    drawn = _cells(cells, table, relative_to_sets(table), numbered)
    _cells(left, beside, relative_to_sets(beside), numbered=True)
    left.set_yticks(range(len(table)), table.index, fontsize=8)
    left.xaxis.tick_top()
    left.set_xticks(range(len(beside.columns)), beside.columns, rotation=45, ha="left", fontsize=7)
    if beside.columns.empty:
        left.spines[:].set_visible(False)
    cells.tick_params(axis="y", labelleft=False, length=0)
    ranges = cells.secondary_yaxis("right")
    ranges.set_yticks(
        range(len(table)), [f"{row.min():.1f} to {row.max():.1f} %" for _, row in table.iterrows()]
    )
    ranges.tick_params(labelsize=7, length=0)
    _parameter_strip(strip, list(order), numbered)
    strip.tick_params(axis="y", left=False, right=True, labelright=True, labelleft=False)
    cells.tick_params(axis="x", length=0, labelbottom=False)
    bar = figure.colorbar(drawn, ax=list(grid.flat), shrink=0.7, pad=0.02)
    bar.set_label("distance from the mean of the task's sets\n(their standard deviations)",
                  fontsize=8)  # fmt: skip
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(
        f"Accuracy (%) of {len(order)} simulated sets on {len(table)} tasks, best set on the left, "
        "and of what needs no simulated set",
        fontsize=10,
    )
    save_figure(figure, path)


def _baselines_of(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the baselines that are known, a row a task, with captions for columns."""
    by_task = summary.set_index("task")
    columns = dict(BASELINE_COLUMNS)
    for name in by_task:
        kind, _, steps = name.rpartition("_")
        if kind in ("scratch", "fine_tuned"):
            columns[name] = f"{kind.replace('_', '-')}, {steps} steps"
    known = [name for name in columns if name in by_task and by_task[name].notna().any()]
    return by_task[known].astype(float).rename(columns=columns)


def _cells(axes: Axes, values: pd.DataFrame, relative: pd.DataFrame, numbered: bool) -> AxesImage:
    """Draw percentages in the colour of their distance from the mean of the sets."""
    drawn = axes.imshow(
        relative.to_numpy(float), cmap="RdBu_r", vmin=-DEEPEST, vmax=DEEPEST, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    if numbered:
        for (y, x), percent in np.ndenumerate(values.to_numpy(float)):
            dark = abs(relative.iat[y, x]) > 1.5
            text = "" if np.isnan(percent) else f"{percent:.1f}"
            colour = "white" if dark else "black"
            axes.text(x, y, text, ha="center", va="center", fontsize=7, color=colour)
    return drawn


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
    sets: Mapping[str, Mapping[str, np.ndarray]], table: pd.DataFrame, path: str | Path
) -> None:
    """Plot every set's accuracy on each task, a mark a seed, beside the baselines.

    Args:
        sets: percent by task and set, float64 [seeds, episodes].
        table: one row a task, as ``task_table`` gives it.
    """
    figure = Figure(figsize=(7.8, 0.56 * len(table) + 2.0), layout="constrained")
    axes = figure.subplots()
    baselines = _baselines_of(table)
    for place, (task, row) in enumerate(baselines.iterrows()):
        values = [rows.mean(1) for rows in sets[task].values()]
        lines = 0.02 + 0.36 * np.linspace(0, 1, len(values)) if len(values) > 1 else [0.2]
        # All of a task at once: matplotlib lays out and draws artists one by one.
        axes.hlines(
            [place + line for line in lines], [seeds.min() for seeds in values],
            [seeds.max() for seeds in values], color=TARGET, linewidth=0.8, alpha=0.6,
        )  # fmt: skip
        axes.scatter(
            np.concatenate(values), place + np.repeat(lines, [len(seeds) for seeds in values]),
            s=10 if len(values) <= NUMBERED_SETS else 3, color=TARGET, alpha=0.7, linewidths=0,
            label="simulated set, a mark a seed",
        )  # fmt: skip
        mean = float(np.mean([seeds.mean() for seeds in values]))
        axes.plot([mean] * 2, [place - 0.38, place + 0.4], color=TARGET, linewidth=1.2,
                  label="mean of the sets")  # fmt: skip
        marks = zip(baselines.columns, BASELINE_MARKS * 2, strict=False)
        for caption, (marker, colour) in marks:
            if np.isfinite(row[caption]):
                axes.plot(row[caption], place - 0.2, marker, color=colour, markersize=5,
                          linestyle="none", label=caption)  # fmt: skip
    axes.set_yticks(range(len(table)), baselines.index, fontsize=8)
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
    figure.suptitle("Accuracy by task: simulated sets and what needs none", fontsize=10)
    save_figure(figure, path)


def _colour_of(effect: Effect) -> str:
    """Return the colour of an effect: grey where it may be none."""
    if effect.low is None or effect.low <= 0 <= effect.high:
        return PRIOR
    return TARGET if effect.effect > 0 else GENERATED


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
        shown = [effect for effect in effects if effect.label == label]
        places, colours = [tasks.index(e.task) for e in shown], [_colour_of(e) for e in shown]
        # Of one whose interval is not known, a line without a length.
        low = [e.effect if e.low is None else e.low for e in shown]
        high = [e.effect if e.high is None else e.high for e in shown]
        axes.hlines(places, low, high, color=colours, linewidth=1.6)
        axes.scatter([e.effect for e in shown], places, color=colours, s=16, linewidths=0, zorder=3)
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
