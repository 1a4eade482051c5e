"""One large picture as a target: cut into squares side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.errors import UserError
from simtailor.intake.limits import MOST_PIXELS
from simtailor.intake.whole import read_whole
from simtailor.metasim.settings import LargePicture
from simtailor.metasim.target import TargetImages
from simtailor.seeds import generator
from simtailor.shipped import found_path

FEWEST_SQUARES = 20


def read_picture(
    picture: LargePicture,
    cache: str | Path,
    size: int,
    most: int,
    seed: int,
    most_pixels: int = MOST_PIXELS,
) -> TargetImages:
    """Cut a large picture into squares that do not overlap, from its upper left corner on.

    Args:
        cache: folder of fetched packages.
        size: pixels that the squares are resized to.
        most: if there are more squares, so many are chosen at random.

    Raises:
        UserError: the picture cannot be read, or is too small.
    """
    path = Path(cache) / "packages" / picture.package / picture.file if picture.package else Path(
        found_path(picture.file)
    )  # fmt: skip
    read = read_whole(path, f"{path}: target.picture.file", most_pixels, "target.most_pixels")
    image = Image.fromarray(read.images[0])
    edge = picture.edge
    corners = [
        (left, top)
        for top in range(0, image.height - edge + 1, edge)
        for left in range(0, image.width - edge + 1, edge)
    ]
    if len(corners) < FEWEST_SQUARES:
        raise UserError(
            f"{path}: {image.width} x {image.height} pixels give {len(corners)} squares of "
            f"{edge}, and at least {FEWEST_SQUARES} are needed. Set target.picture.edge lower."
        )
    chosen = np.arange(len(corners))
    if len(corners) > most:
        random = generator(seed, "target choice")
        chosen = np.sort(random.choice(len(corners), most, replace=False))
    images = np.empty((len(chosen), size, size, 3), np.uint8)
    for place, index in enumerate(chosen):
        left, top = corners[index]
        square = image.crop((left, top, left + edge, top + edge))
        images[place] = np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
    note = f"{len(images)} squares of {edge} x {edge} pixels of {path.name}, resized to {size}"
    return TargetImages(images, None, [note, *read.notes()])
