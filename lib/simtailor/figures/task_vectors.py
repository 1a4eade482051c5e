"""Figure of the distances between tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from simtailor.figures.style import save_figure

NUMBERS = 24  # tasks up to which the distances are written into the map
CELL = 0.42  # inches


def distance_map(
    names: Sequence[str], distances: np.ndarray, path: str | Path, *, title: str
) -> None:
    """Plot distances [T, T] as a map, the tasks in the order of a hierarchical clustering."""
    count = len(names)
    edge = max(2.6, CELL * count)
    figure = Figure(figsize=(edge + 3.8, edge + 2.0), layout="constrained")
    tree, heat = figure.subplots(1, 2, width_ratios=[1.0, edge])
    order = [0]
    if count > 1:
        links = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
        drawn = dendrogram(
            links, orientation="left", ax=tree, no_labels=True, color_threshold=0,
            above_threshold_color="#666666",
        )  # fmt: skip
        order = drawn["leaves"]
        tree.set_ylim(10 * count, 0)  # leaf i is at 10 i + 5, beside row i
    tree.set_axis_off()
    shown = distances[np.ix_(order, order)]
    highest = shown.max() or 1.0
    image = heat.imshow(shown, cmap="viridis", vmin=0, vmax=highest, aspect="auto")
    labels = [names[i] for i in order]
    heat.set_xticks(range(count), labels, rotation=60, ha="right", fontsize=8)
    heat.set_yticks(range(count), labels, fontsize=8)
    heat.tick_params(length=0)
    heat.spines[:].set_visible(False)
    if count <= NUMBERS:
        for (row, column), value in np.ndenumerate(shown):
            if row != column:
                colour = "white" if value < 0.6 * highest else "black"
                heat.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6.5,
                          color=colour)  # fmt: skip
    bar = figure.colorbar(image, ax=heat, shrink=0.7)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)
