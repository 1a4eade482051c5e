"""Figure of what a fit is worth: how networks do by what they were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from simtailor.figures.style import GENERATED, PRIOR, TARGET, clean_axes, save_figure
from simtailor.worth.comparison import NAMES, WITHOUT_NETWORK
from simtailor.worth.kind import Kind, Rows

COLOURS = {"prior": PRIOR, "fit": GENERATED, "real": TARGET}
HEIGHT = 0.22  # of a row, inches


def worth_figure(
    kind: Kind, sources: Mapping[str, Rows], without: Rows, path: str | Path, *, title: str
) -> None:
    """Plot a row for what is judged and what it was trained on: every seed, and their mean.

    Errors are in spreads of the target, on a logarithmic axis. A line across all rows of what is
    judged is the guess without a picture.
    """
    names = [n for n, row in next(iter(sources.values())).items() if row.get("spread", 1.0)]
    step = len(sources) + 1
    size = (6.4, HEIGHT * step * max(len(names), 1) + 1.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(names):
        for number, (source, rows) in enumerate(sources.items()):
            values, y = _scaled(rows[name]), place * step + number
            axes.plot(
                values, [y] * len(values), "o", color=COLOURS[source], markersize=4, alpha=0.6
            )
            axes.plot(np.mean(values), y, "|", color=COLOURS[source], markersize=13, mew=2.5,
                      label=NAMES[source] if not place else None)  # fmt: skip
        if name in without:
            ends = (place * step - 0.5, place * step + len(sources) - 0.5)
            axes.vlines(_scaled(without[name])[0], *ends, color="#666666", linestyle=":",
                        label=WITHOUT_NETWORK if not place else None)  # fmt: skip
    middles = [place * step + (len(sources) - 1) / 2 for place in range(len(names))]
    axes.set_yticks(middles, names)
    axes.invert_yaxis()
    if kind.lower:
        axes.set_xscale("log")
        axes.set_xlabel(f"{kind.measure}, spreads of the target (less is better)", fontsize=9)
    else:
        axes.set_xlim(0, 1)
        axes.set_xlabel(f"{kind.measure} (more is better)", fontsize=9)
    clean_axes(axes)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)


def _scaled(row: Mapping[str, Any]) -> np.ndarray:
    return np.array(row["value"]) / row.get("spread", 1.0)
