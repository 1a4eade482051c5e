"""Figures of a Meta-Sim experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageOps

from simtailor.figures.style import (
    GENERATED,
    PRIOR,
    TARGET,
    clean_axes,
    label_font,
    save_figure,
)
from simtailor.files import staged
from simtailor.scene.attributes import mean_and_spread, wasserstein_distance, wrapped
from simtailor.scene.graph import SceneGraphLayout

SHEET_COLUMNS = 8
THUMBNAIL = 96
MARGIN = 4
HISTOGRAM_BINS = 48
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS = 90, 2500


def discrepancy_figure(
    epochs: np.ndarray,
    curves: Mapping[str, np.ndarray],
    path: str | Path,
    *,
    title: str,
    taken: int,
) -> None:
    """Plot the discrepancy over the epochs, linear and from the second fifth on in detail.

    Args:
        curves: discrepancies by name, the training's first.
        taken: the epoch whose generator is the result.
    """
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    whole, detail = figure.subplots(1, 2)
    begin = len(epochs) // 5
    for axes, first in ((whole, 0), (detail, begin)):
        for (name, values), colour in zip(curves.items(), (GENERATED, TARGET), strict=False):
            axes.plot(epochs[first:], values[first:], color=colour, linewidth=1.4, label=name)
        axes.axvline(taken, color="#666666", linestyle=":", linewidth=1)
        axes.set_xlabel("epoch", fontsize=9)
        axes.set_ylabel("discrepancy to the target", fontsize=9)
        clean_axes(axes)
    detail.axhline(0, color="#666666", linewidth=0.8)
    whole.set_title("whole training", fontsize=9)
    detail.set_title(f"last four fifths (dotted: epoch {taken}, taken)", fontsize=9)
    whole.legend(fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)


def attribute_figure(
    layout: SceneGraphLayout,
    prior: np.ndarray,
    generated: Mapping[str, np.ndarray],
    target: np.ndarray | None,
    path: str | Path,
    *,
    title: str,
) -> None:
    """Plot the histogram of every attribute at every key epoch against the target's.

    Args:
        prior, target: values [n, N, F] in the attributes' own units, NaN where no picture
            can tell them; target None if unknown.
        generated: values [n, N, F] by label of the key epoch.
    """
    entries = layout.entries()
    figure = Figure(
        figsize=(1.9 * len(generated) + 0.6, 1.55 * len(entries) + 1.1), layout="constrained"
    )
    grid = figure.subplots(len(entries), len(generated), squeeze=False, sharex="row", sharey="row")
    for (node, feature), row in zip(entries, grid, strict=True):
        known = layout.attribute(node, feature)
        samples = [v[:, node, feature] for v in (prior, *generated.values())]
        if target is not None:
            samples.append(target[:, node, feature])
        samples = [s[np.isfinite(s)] for s in samples]
        if not all(len(s) for s in samples):
            for axes in row:
                axes.set_axis_off()
            row[0].set_title(f"{layout.entry_name(node, feature)}: no picture can tell", fontsize=8)
            continue
        unrolled = _unroll(samples, known.period)
        low, high = (f([f(s) for s in unrolled]) for f in (np.min, np.max))
        bins = np.linspace(low, high + 1e-6, HISTOGRAM_BINS)
        for label, values, raw, axes in zip(
            generated, unrolled[1:], samples[1:], row, strict=False
        ):
            if target is not None:
                drawn = np.histogram(unrolled[-1], bins, density=True)[0]
                axes.stairs(drawn, bins, fill=True, color=TARGET, alpha=0.45, label="target")
            drawn = np.histogram(unrolled[0], bins, density=True)[0]
            axes.stairs(drawn, bins, color=PRIOR, label="prior")
            drawn = np.histogram(values, bins, density=True)[0]
            axes.stairs(drawn, bins, color=GENERATED, linewidth=1.4, label="generated")
            mean, spread = mean_and_spread(raw, known.period)
            caption = f"{label}\n{mean:.4g} ± {spread:.3g}"
            if target is not None:
                distance = wasserstein_distance(raw, samples[-1], known.period)
                caption += f", W {distance:.3g}"
            axes.set_title(caption, fontsize=8)
            axes.set_yticks([])
            clean_axes(axes)
        unit = f" ({known.unit})" if known.unit else ""
        row[0].set_ylabel(f"{layout.entry_name(node, feature)}{unit}", fontsize=8)
    legends = [axes.get_legend_handles_labels() for axes in grid[:, 0]]
    handles, labels = max(legends, key=lambda legend: len(legend[0]))
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    figure.suptitle(f"{title}: attributes (mean ± spread, W: Wasserstein distance)", fontsize=9)
    save_figure(figure, path)


def _unroll(samples: list[np.ndarray], period: float) -> list[np.ndarray]:
    """Cut the circle opposite to where the samples lie, so that no histogram is torn apart."""
    if not period:
        return samples
    centres = np.array([mean_and_spread(s, period)[0] for s in samples])
    middle = float(np.angle(np.exp(2j * np.pi * centres / period).sum()) * period / (2 * np.pi))
    middle %= period
    return [middle + wrapped(s - middle, period) for s in samples]


def contact_sheet(rows: Sequence[tuple[str, np.ndarray]], path: str | Path, *, title: str) -> None:
    """Write labelled rows of images, uint8 [n, H, W, 3] each; the first few of each are shown."""
    font, label_width, header = label_font(13), 84, 26
    step = THUMBNAIL + MARGIN
    size = (label_width + SHEET_COLUMNS * step, header + len(rows) * step)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((6, 5), title, fill="black", font=font)
    for r, (label, images) in enumerate(rows):
        top = header + r * step
        draw.text((6, top + THUMBNAIL // 2 - 8), label, fill="black", font=font)
        for c, image in enumerate(images[:SHEET_COLUMNS]):
            sheet.paste(_thumbnail(image), (label_width + c * step, top))
    with staged(path) as staging:
        sheet.save(staging)


def _thumbnail(image: np.ndarray) -> Image.Image:
    """Return an image as a square with white beside it where it is none."""
    edges = (THUMBNAIL, THUMBNAIL)
    return ImageOps.pad(Image.fromarray(image), edges, Image.Resampling.BOX, color="white")


def write_animation(
    frames: Sequence[tuple[str, np.ndarray]], target: np.ndarray, path: str | Path
) -> None:
    """Write a GIF: each frame shows generated images, uint8 [n, H, W, 3], above target images."""
    font, header = label_font(13), 22
    count = len(target)
    step = THUMBNAIL + MARGIN
    pictures = []
    for label, images in frames:
        picture = Image.new("RGB", (count * step - MARGIN, 2 * (header + THUMBNAIL)), "white")
        draw = ImageDraw.Draw(picture)
        for top, text, row in ((0, label, images), (header + THUMBNAIL, "target", target)):
            draw.text((4, top + 3), text, fill="black", font=font)
            for c, image in enumerate(row):
                picture.paste(_thumbnail(image), (c * step, top + header))
        pictures.append(picture)
    # One palette for all frames, or colours would flicker.
    palette = pictures[-1].quantize(128, dither=Image.Dither.NONE)
    frames_8bit = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    durations = [FRAME_MILLISECONDS] * (len(pictures) - 1) + [LAST_FRAME_MILLISECONDS]
    durations[0] = 1200
    with staged(path) as staging:
        frames_8bit[0].save(
            staging, save_all=True, append_images=frames_8bit[1:], duration=durations, loop=0,
            optimize=True,
        )  # fmt: skip
