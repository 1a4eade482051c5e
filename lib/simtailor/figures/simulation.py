"""Pictures of simulated sets, of what each parameter does, and of asset packs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from simtailor.files import staged

if TYPE_CHECKING:
    from simtailor.simulation.reading import SimulatedSet

# Pillow's own font: loading matplotlib for a label would cost more than a small set.
label_font = ImageFont.load_default
THUMBNAIL, MARGIN, HEADER, CAPTION = 96, 4, 28, 15
COLUMNS = 8


def tiled(
    images: Sequence[np.ndarray],
    captions: Sequence[str],
    path: str | Path,
    *,
    title: str,
    columns: int = COLUMNS,
    size: int = THUMBNAIL,
) -> None:
    """Write images uint8 [S, S, 3] in rows, each over its caption."""
    step, row = size + MARGIN, size + CAPTION + MARGIN
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * step + MARGIN, HEADER + rows * row), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((6, 6), title, fill="black", font=label_font(13))
    font = label_font(10)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = MARGIN + i % columns * step, HEADER + i // columns * row
        sheet.paste(_resized(image, size), (left, top))
        draw.text((left, top + size + 1), _fitting(caption, font, size), fill="#333", font=font)
    with staged(path) as staging:
        sheet.save(staging)


def rows_sheet(
    rows: Sequence[tuple[str, np.ndarray]], path: str | Path, *, title: str, size: int = THUMBNAIL
) -> None:
    """Write labelled rows of images, uint8 [n, S, S, 3] each."""
    font, step = label_font(12), size + MARGIN
    width = max(int(font.getlength(label)) for label, _ in rows) + 14
    columns = max(len(images) for _, images in rows)
    sheet = Image.new("RGB", (width + columns * step, HEADER + len(rows) * step), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((6, 6), title, fill="black", font=label_font(13))
    for r, (label, images) in enumerate(rows):
        top = HEADER + r * step
        draw.text((6, top + size // 2 - 8), label, fill="black", font=font)
        for c, image in enumerate(images):
            sheet.paste(_resized(image, size), (width + c * step, top))
    with staged(path) as staging:
        sheet.save(staging)


def set_sheet(made: SimulatedSet, path: str | Path, count: int, *, title: str) -> None:
    """Write the first images of a set with their classes."""
    samples = list(islice(made.samples(), count))
    tiled(
        [sample.image for sample in samples],
        [sample.annotation["class"] for sample in samples],
        path,
        title=f"{title}: {len(made)} images, {len(made.classes)} classes",
    )


def _resized(image: np.ndarray, size: int) -> Image.Image:
    edges = (size, size)
    return ImageOps.pad(Image.fromarray(image), edges, Image.Resampling.LANCZOS, color="white")


def _fitting(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Return as much of the text as fits."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
