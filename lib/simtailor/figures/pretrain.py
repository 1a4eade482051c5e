"""Figures of a pre-training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from simtailor.figures.style import GENERATED, PRIOR, TARGET, clean_axes, save_figure
from simtailor.pretrain.augmentation import MEAN, STD

EXAMPLES = 12


def training_figure(
    rows: np.ndarray, examples: torch.Tensor, path: str | Path, *, title: str, chance: float
) -> None:
    """Plot loss, accuracy and learning rate over the epochs, above images as the network saw them.

    Args:
        rows: epoch, loss, accuracy (share) and learning rate are the first columns, an epoch a
            row.
        examples: normalised float32 [n, 3, S, S].
        chance: accuracy of guessing.
    """
    figure = Figure(figsize=(9, 3.9), layout="constrained")
    curves, pictures = figure.subfigures(2, 1, height_ratios=[3, 1])
    epochs = rows[:, 0]
    marker = "o" if len(epochs) == 1 else None  # a line of one point cannot be seen
    panels = (
        ("loss of the varied training images", rows[:, 1], GENERATED),
        ("accuracy on them, percent", rows[:, 2] * 100, TARGET),
        ("learning rate", rows[:, 3], PRIOR),
    )
    for axes, (label, values, colour) in zip(curves.subplots(1, 3), panels, strict=True):
        axes.plot(epochs, values, color=colour, linewidth=1.6, marker=marker)
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("epoch", fontsize=9)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.02)
        axes.locator_params(axis="x", integer=True)
        clean_axes(axes)
        if values is panels[1][1]:
            axes.axhline(chance * 100, color="#666666", linestyle=":", linewidth=1)
            axes.annotate(
                "chance", (1, chance * 100), (0, 2), xycoords=("axes fraction", "data"),
                textcoords="offset points", fontsize=8, color="#666666", ha="right",
            )  # fmt: skip
    shown = examples[:EXAMPLES].permute(0, 2, 3, 1).numpy() * np.array(STD) + np.array(MEAN)
    for axes, image in zip(pictures.subplots(1, EXAMPLES), list(shown) + [None] * EXAMPLES):  # noqa: B905
        axes.axis("off")
        if image is not None:
            axes.imshow(image.clip(0, 1), interpolation="nearest")
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)
