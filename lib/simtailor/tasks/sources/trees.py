"""Tree crowns seen from the air, and places between them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from simtailor.errors import UserError
from simtailor.section import Section
from simtailor.seeds import generator
from simtailor.tasks.sources.base import ImageSource, Place, register_source

CLASSES = ("background", "tree")
TRIES = 200  # places tried for one of the background


class CrownOptions(Section):
    """Options of the kind ``tree_crowns``."""

    train: list[str] = Field(min_length=1, description="Tiles of the training part, no suffix.")
    test: list[str] = Field(min_length=1, description="Tiles of the test part.")


@register_source("tree_crowns", CrownOptions)
def load_tree_crowns(place: Place, options: CrownOptions) -> ImageSource:
    """Return the crowns in the boxes of each tile (Pascal VOC), and as many other places.

    A place of the background has the size of a crown and touches none.

    Raises:
        UserError: a tile or its boxes cannot be read.
    """
    tiles, crops, test = {}, [], []
    for name in (*options.train, *options.test):
        tiles[name], boxes = _read_tile(place.folders[0], name)
        free = _free_places(boxes, tiles[name].size, generator(0, "background", name))
        found = [(name, 1, box) for box in boxes] + [(name, 0, box) for box in free]
        crops += found
        test += [name in options.test] * len(found)
    return ImageSource(
        CLASSES,
        np.array([label for _, label, _ in crops]),
        lambda i: tiles[crops[i][0]].crop(tuple(int(v) for v in crops[i][2])),
        lambda i: f"{crops[i][0]}, box {crops[i][2].tolist()}",
        test=np.array(test),
        split=f"by tile: {', '.join(options.test)} tests",
        notes=("background is derived: places that no marked crown touches",),
    )


def _read_tile(folder: Path, name: str) -> tuple[Image.Image, np.ndarray]:
    """Return a tile and its boxes, int64 [n, 4]: left, top, right, bottom."""
    try:
        with Image.open(folder / f"{name}.png") as opened:
            tile = opened.convert("RGB")
        found = ET.parse(folder / f"{name}.xml").iter("bndbox")
        boxes = [[int(b.findtext(k)) for k in ("xmin", "ymin", "xmax", "ymax")] for b in found]
    except (OSError, ET.ParseError, TypeError, ValueError) as error:
        raise UserError(f"{folder / name}: cannot read this tile: {error}") from error
    return tile, np.array([b for b in boxes if b[2] > b[0] and b[3] > b[1]])


def _free_places(
    boxes: np.ndarray, size: tuple[int, int], random: np.random.Generator
) -> list[np.ndarray]:
    """Return at most a place a box, of its size, that touches no box and no other place."""
    taken, found = boxes, []
    for box in boxes:
        extent = box[2:] - box[:2]
        corners = random.integers(0, np.maximum(np.array(size) - extent, 1), (TRIES, 2))
        places = np.concatenate([corners, corners + extent], 1)
        touched = (places[:, None, :2] < taken[None, :, 2:]).all(2) & (
            places[:, None, 2:] > taken[None, :, :2]
        ).all(2)
        free = np.flatnonzero(~touched.any(1))
        if len(free):
            found.append(places[free[0]])
            taken = np.concatenate([taken, places[free[:1]]])
    return found
