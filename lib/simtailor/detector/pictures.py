"""Pictures with the boxes of their objects, whatever they come from."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.datasets.reading import ShardedSet
from simtailor.errors import UserError
from simtailor.intake.named import picture_of
from simtailor.intake.whole import read_whole

CORNERS = ("xmin", "ymin", "xmax", "ymax")
LEAST_VISIBLE = 0.4  # share of an object that a part of a picture must show to count as its


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A picture and its objects.

    Attributes:
        image: uint8 [H, W, 3].
        boxes: float32 [n, 4], left, top, right, bottom in pixels.
        labels: int64 [n], the number of each object's class.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray

    def part(self, left: int, top: int, width: int, height: int) -> LabelledPicture:
        """Return a part of the picture, with the boxes of which it shows enough, cut to it."""
        offset = np.array([left, top, left, top], np.float32)
        ends = np.array([width, height, width, height], np.float32)
        cut = np.clip(self.boxes - offset, 0, ends)
        kept = areas(cut) >= LEAST_VISIBLE * areas(self.boxes)
        image = self.image[top : top + height, left : left + width]
        return LabelledPicture(image, cut[kept], self.labels[kept])

    def resized(self, scale: float) -> LabelledPicture:
        """Return the picture with its edges times ``scale``."""
        height, width = (max(1, round(edge * scale)) for edge in self.image.shape[:2])
        small = Image.fromarray(self.image).resize((width, height), Image.Resampling.LANCZOS)
        return LabelledPicture(np.asarray(small), self.boxes * np.float32(scale), self.labels)


def areas(boxes: np.ndarray) -> np.ndarray:
    """Return the areas of boxes [n, 4]."""
    return (boxes[:, 2] - boxes[:, 0]).clip(0) * (boxes[:, 3] - boxes[:, 1]).clip(0)


def pictures_of_set(made: ShardedSet) -> list[LabelledPicture]:
    """Return the pictures of a data set in shards, with the boxes of what is seen.

    Raises:
        UserError: it has no masks, or an image of it is damaged.
    """
    pictures = []
    for sample in made.samples():
        instances = made.instances(sample)
        found = np.array([i.box for i in instances], np.float32).reshape(-1, 4)
        found[:, 2:] += found[:, :2]
        labels = np.array([i.label for i in instances], np.int64)
        pictures.append(LabelledPicture(sample.image, found, labels))
    return pictures


def read_pascal_voc(
    folder: str | Path,
    name: str,
    classes: Sequence[str] | None = None,
    pictures: Mapping[str, list[Path]] | None = None,
) -> LabelledPicture:
    """Return a picture NAME.png, or of another format, with its boxes in Pascal VOC's NAME.xml.

    Args:
        classes: names by label, without regard to case; None: all objects are of one class.
        pictures: see ``picture_of``.

    Raises:
        UserError: a file is absent or cannot be read, or an object's class is unknown.
    """
    path = picture_of(folder, name, pictures)
    known = None if classes is None else [c.lower() for c in classes]
    image = read_whole(path, str(path)).images[0]
    try:
        objects = list(ET.parse(path.with_suffix(".xml")).iter("object"))
        boxes = [[float(o.findtext(f"bndbox/{c}")) for c in CORNERS] for o in objects]
        named = [str(o.findtext("name")).lower() for o in objects]
    except (OSError, ET.ParseError, TypeError, ValueError) as error:
        raise UserError(
            f"{path.with_suffix('.xml')}: cannot read the boxes of {path.name}: {error}. Give a "
            "Pascal VOC file of the picture's name beside it."
        ) from error
    if known is not None and (unknown := set(named) - set(known)):
        raise UserError(
            f"{path.with_suffix('.xml')}: the class '{min(unknown)}' is none of the data set's: "
            f"{', '.join(classes or ())}. Rename it, or name the data set's class alike."
        )
    labels = np.array([0 if known is None else known.index(n) for n in named], np.int64)
    found = np.array(boxes, np.float32).reshape(-1, 4)
    whole = (areas(found) > 0) if len(found) else np.zeros(0, bool)
    return LabelledPicture(image, found[whole], labels[whole])
