"""Figure of the task's table: accuracy by source of the training images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from simtailor.figures.style import GENERATED, PRIOR, TARGET, clean_axes, save_figure
from simtailor.metasim.task_table import TaskRow


def task_figure(
    rows: Sequence[TaskRow], class_count: int, path: str | Path, *, title: str, bounded: bool = True
) -> None:
    """Plot accuracies as bars with every seed as a dot; first row the prior.

    Args:
        bounded: whether the last row is the target's own grammar, the upper bound.
    """
    figure = Figure(figsize=(6.4, 0.5 * len(rows) + 1.5), layout="constrained")
    axes = figure.subplots()
    colours = [PRIOR, *[GENERATED] * (len(rows) - 1)]
    if bounded:
        colours[-1] = TARGET
    for place, (row, colour) in enumerate(zip(rows, colours, strict=True)):
        axes.barh(place, 100 * row.mean, height=0.62, color=colour, alpha=0.75)
        axes.plot(
            [100 * a for a in row.accuracies], [place] * len(row.accuracies), "o",
            color="#333333", markersize=3.5, clip_on=False,
        )  # fmt: skip
        axes.annotate(
            f"{100 * row.mean:.1f} ± {100 * row.spread:.1f}", (1, place), (6, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.axvline(100 / class_count, color="#666666", linestyle=":", linewidth=1)
    axes.annotate(
        "chance", (100 / class_count, 1), (3, 2), xycoords=("data", "axes fraction"),
        textcoords="offset points", fontsize=7, color="#666666",
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), [f"{row.source}\n({row.images} images)" for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy on target images (%)", fontsize=9)
    clean_axes(axes)
    figure.suptitle(f"{title}: task network by training images", fontsize=10)
    save_figure(figure, path)
