"""Pictures of data sets with their labels drawn in."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from simtailor.figures.simulation import tiled

if TYPE_CHECKING:
    from simtailor.datasets.reading import Instance, ShardedSet

# Okabe and Ito's colours, distinguishable to colour-blind readers; by class.
COLOURS = np.array([[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0],
                    [204, 121, 167], [0, 114, 178]])  # fmt: skip
SIZE, COLUMNS, TINT = 160, 6, 0.35


def labelled_sheet(made: ShardedSet, path: str | Path, count: int, *, title: str) -> None:
    """Write the first images of a data set with boxes, masks and classes, where it has them."""
    pictures, captions = [], []
    for sample in islice(made.samples(), count):
        instances = [] if sample.mask is None else made.instances(sample)
        pictures.append(_labelled(sample.image, instances))
        captions.append(", ".join(made.classes[i.label] for i in instances))
    tiled(
        pictures,
        captions,
        path,
        title=f"{title}: {len(made)} images, {len(made.classes)} classes",
        columns=COLUMNS,
        size=SIZE,
    )


def _labelled(image: np.ndarray, instances: list[Instance]) -> np.ndarray:
    """Return a picture uint8 [H, W, 3], the longer of them SIZE, with tinted masks and boxes."""
    tinted = image.astype(np.float64)
    for instance in instances:
        colour = COLOURS[instance.label % len(COLOURS)]
        tinted[instance.mask] = (1 - TINT) * tinted[instance.mask] + TINT * colour
    picture = Image.fromarray(np.rint(tinted).astype(np.uint8))
    scale = SIZE / max(image.shape[:2])
    picture = ImageOps.contain(picture, (SIZE, SIZE), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    for instance in instances:
        left, top, width, height = instance.box
        ends = [left, top, left + width, top + height]
        colour = tuple(COLOURS[instance.label % len(COLOURS)].tolist())
        draw.rectangle([min(e * scale, SIZE - 1) for e in ends], outline=colour)
    return np.asarray(picture)
