"""Figures of a classifier: confusion matrix, the images it gets wrong, what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from simtailor.figures.style import GENERATED, PRIOR, TARGET, clean_axes, label_font, save_figure
from simtailor.files import staged

if TYPE_CHECKING:
    from simtailor.tasks.prepared import PreparedTask

NUMBERED, NAMED = 20, 60  # classes up to which cells have numbers, and rows have names
TILE, GAP, LINE, HEAD, COLUMNS, MOST = 104, 8, 14, 54, 8, 64
INK, GREY = "#222222", "#777777"
SHORT = 14  # letters of a name


def confusion_matrix(
    answers: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    path: str | Path,
    summary: Mapping[str, Any],
) -> None:
    """Draw which classes are taken for which: true ones in rows, shares of a row as colour.

    Args:
        answers, labels: int64 [T].
    """
    count = len(classes)
    counts = np.zeros((count, count), int)
    np.add.at(counts, (labels, answers), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    edge = float(np.clip(1.6 + 0.36 * count, 3.6, 12))
    figure = Figure(figsize=(edge + 1.4, edge + 0.4), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    if count <= NUMBERED:
        for (y, x), number in np.ndenumerate(counts):
            if number:
                colour = "white" if shares[y, x] > 0.6 else "black"
                axes.text(x, y, str(number), ha="center", va="center", fontsize=7, color=colour)
    if count <= NAMED:
        names = [shortened(name) for name in classes]
        axes.set_xticks(range(count), names, rotation=90 if count > 3 else 0, fontsize=7)
        axes.set_yticks(range(count), names, fontsize=7)
    axes.tick_params(length=0)
    axes.set_xlabel("taken for", fontsize=9)
    axes.set_ylabel("true class", fontsize=9)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.7)
    bar.set_label("share of the class", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(
        f"{summary['title']}: {int((answers == labels).sum()):,} of {len(labels):,} test images "
        "right",
        fontsize=10,
        wrap=True,
    )
    save_figure(figure, path)


def wrong_images(
    task: PreparedTask, answers: np.ndarray, probabilities: np.ndarray, path: str | Path
) -> None:
    """Write a sheet of the test images that are taken for another class, the surest first.

    Args:
        answers: int64 [T]; probabilities: float32 [T, classes].
    """
    labels = np.asarray(task.test_labels)
    wrong = np.flatnonzero(answers != labels)
    sureness = probabilities[np.arange(len(answers)), answers]
    shown = wrong[np.argsort(-sureness[wrong], kind="stable")][:MOST]
    rows, step = max(1, -(-len(shown) // COLUMNS)), TILE + GAP
    height = TILE + 2 * LINE + GAP + 2
    sheet = Image.new("RGB", (COLUMNS * step + GAP, HEAD + rows * height), "white")
    draw, font = ImageDraw.Draw(sheet), label_font(10)
    draw.text((GAP, 8), task.facts["title"], INK, label_font(16))
    said = f"{len(wrong):,} of {len(labels):,} test images are taken for another class"
    if len(wrong) > len(shown):
        said += f"; the {len(shown)} surest mistakes"
    draw.text((GAP, 30), said, GREY, label_font(12))
    for place, one in enumerate(shown):
        left, top = GAP + place % COLUMNS * step, HEAD + place // COLUMNS * height
        image = Image.fromarray(np.asarray(task.images[task.test[one]]))
        method = Image.Resampling.NEAREST if image.width < TILE / 2 else Image.Resampling.BICUBIC
        sheet.paste(image.resize((TILE, TILE), method), (left, top))
        draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), outline="#dddddd")
        true, taken = (task.classes[int(i)] for i in (labels[one], answers[one]))
        draw.text((left, top + TILE + 1), _fitting(true, font), TARGET, font)
        sure = f" {sureness[one]:.0%}"
        room = TILE - font.getlength(sure)
        text = _fitting(f"→ {taken}", font, room) + sure
        draw.text((left, top + TILE + LINE), text, GENERATED, font)
    with staged(path) as staging:
        sheet.save(staging)


def comparison_figure(summary: Mapping[str, Any], path: str | Path) -> None:
    """Plot the accuracy of every way on the test images, with two standard errors."""
    ways = sorted(summary["ways"].items(), key=lambda item: item[1]["test"])
    figure = Figure(figsize=(7.2, 0.42 * len(ways) + 1.5), layout="constrained")
    axes = figure.subplots()
    for place, (name, row) in enumerate(ways):
        simulated = name.startswith("simulated")
        colour = GENERATED if simulated else TARGET if name.startswith("imagenet") else PRIOR
        error, test = 2 * row["standard_error"], row["test"]
        ends = [[min(error, test)], [min(error, 100 - test)]]  # no share is beyond 0 and 100 %
        axes.errorbar(test, place, xerr=ends, fmt="o", color=colour, markersize=6, capsize=2)
        axes.annotate(
            f"{row['test']:.1f}", (1, place), (6, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    names = [
        row["title"] + (" (the classifier)" if name == summary["classifier"] else "")
        for name, row in ways
    ]
    axes.set_yticks(range(len(ways)), names, fontsize=8)
    axes.set_ylim(-0.6, len(ways) - 0.4)
    mean = "" if summary["even"] else ", mean over the classes"
    axes.set_xlabel(f"accuracy on the test images (%{mean}); bars: two standard errors", fontsize=8)
    axes.grid(axis="x", color="#EEEEEE")
    axes.set_axisbelow(True)
    clean_axes(axes)
    figure.suptitle(
        f"{summary['title']}: {summary['images']['train']:,} training and "
        f"{summary['images']['test']:,} test images",
        fontsize=10,
        wrap=True,
    )
    save_figure(figure, path)


def shortened(name: str) -> str:
    """Return a name that is not too long for an axis."""
    return name if len(name) <= SHORT else f"{name[: SHORT - 1]}…"


def _fitting(text: str, font: ImageFont.FreeTypeFont, room: float = TILE) -> str:
    """Return text that is cut to the room there is."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text}…"
