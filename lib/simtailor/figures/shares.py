"""Figure of how often classes and counts come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from simtailor.figures.style import GENERATED, PRIOR, TARGET, clean_axes, save_figure

COLOURS = {"prior": PRIOR, "target": TARGET, "generated": GENERATED}


def shares_figure(table: Mapping[str, Mapping[str, Any]], path: str | Path, *, title: str) -> None:
    """Draw bars of the shares of prior, target, if it is known, and fit.

    Args:
        table: of the summary: by node and kind, by source, the share of each value.
    """
    panels = [(node, kind, row) for node, kinds in table.items() for kind, row in kinds.items()]
    figure = Figure(figsize=(3.4 * len(panels), 2.8), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (node, kind, row) in zip(grid, panels, strict=True):
        sources = [source for source in COLOURS if source in row]
        values = list(row["prior"])
        width = 0.8 / len(sources)
        for i, source in enumerate(sources):
            places = np.arange(len(values)) + (i - (len(sources) - 1) / 2) * width
            heights = [row[source][value] for value in values]
            axes.bar(places, heights, width, color=COLOURS[source], label=source)
        axes.set_xticks(range(len(values)), values, fontsize=8)
        axes.set_title(f"{node}: {'count' if kind == 'num_child' else kind}", fontsize=9)
        clean_axes(axes)
    grid[0].set_ylabel("share", fontsize=9)
    grid[0].legend(fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)
