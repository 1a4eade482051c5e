"""Reading of labels in COCO's object detection format, as labelling tools write it.

Source of the format: cocodataset.org, "Data format"; compressed run lengths as the format's own
tools write them: signed numbers in groups of five bits, from the third on as differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from simtailor.errors import UserError, first_of
from simtailor.text_files import parse_json, read_text

USUAL, PICTURES = "annotations.json", "images"
KEYS = ("images", "annotations", "categories")
FINER = 5  # pixels that stand for one while a polygon is filled; odd, so that one is its middle
TOLERANCE = 1.0  # pixels that a box may reach out of its picture: tools round


@dataclass(frozen=True, eq=False)
class CocoObject:
    """An object of a picture.

    Attributes:
        category: name of its class; box: left, top, right, bottom in pixels.
        segmentation: polygons or run lengths as the file has them, or None.
        crowd: whether it stands for many that nobody told apart.
    """

    category: str
    box: tuple[float, float, float, float]
    segmentation: Any
    crowd: bool


@dataclass(frozen=True, eq=False)
class CocoPicture:
    """A picture and its objects.

    Attributes:
        file: where it is; size: height and width in pixels.
    """

    file: Path
    size: tuple[int, int]
    objects: list[CocoObject]


@dataclass(frozen=True, eq=False)
class CocoLabels:
    """What a file of labels holds.

    Attributes:
        path: of the file; pictures: by their names without suffix.
    """

    path: Path
    pictures: dict[str, CocoPicture]


def coco_file(folder: str | Path) -> Path | None:
    """Return the file of COCO's labels in a folder: annotations.json, or the only JSON file.

    Raises:
        UserError: there are several, and none is called annotations.json.
    """
    found = sorted(Path(folder).glob("*.json"))
    if Path(folder, USUAL) in found:
        return Path(folder, USUAL)
    if len(found) > 1:
        names = first_of([path.name for path in found], 4)
        raise UserError(
            f"{folder}: which of {names} has the labels? Call it {USUAL} (COCO), or move the "
            "others away."
        )
    return found[0] if found else None


def read_coco(path: str | Path) -> CocoLabels:
    """Read a file of labels, whose pictures lie beside it or in a folder ``images`` there.

    Raises:
        UserError: it is malformed, names a picture that is not there, or has no object.
    """
    path = Path(path)
    values = parse_json(read_text(path), path)
    if not isinstance(values, dict) or not all(isinstance(values.get(k), list) for k in KEYS):
        raise UserError(
            f"{path}: this is no file of COCO's labels: expected the lists {', '.join(KEYS)}. "
            "Export the labels as 'COCO instances'."
        )
    try:
        categories = {int(one["id"]): str(one["name"]) for one in values["categories"]}
        images = {int(one["id"]): one for one in values["images"]}
        pictures = {number: _picture(path, one) for number, one in images.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path}: an entry of 'images' or 'categories' lacks something ({error!r}): each image "
            "has id, file_name, width and height, each category id and name."
        ) from error
    if len(images) < len(values["images"]):
        raise UserError(f"{path}: two entries of 'images' have the same id. Export it again.")
    for place, one in enumerate(values["annotations"]):
        _add(f"{path}: annotation {place + 1}", one, pictures, categories)
    if not any(picture.objects for picture in pictures.values()):
        raise UserError(f"{path}: no picture has a box. Label some, and export it again.")
    named: dict[str, CocoPicture] = {}
    for picture in pictures.values():
        if picture.file.stem in named:
            raise UserError(
                f"{path}: two pictures are called '{picture.file.stem}', in different folders or "
                "formats or listed twice. Rename one, so that names tell them apart."
            )
        named[picture.file.stem] = picture
    return CocoLabels(path, named)


def _picture(path: Path, one: Mapping[str, Any]) -> CocoPicture:
    name = str(one["file_name"])
    places = (path.parent / name, path.parent / PICTURES / name)
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise UserError(
            f"{path}: the picture '{name}' is neither in {path.parent} nor in "
            f"{path.parent / PICTURES}. Put it there, or remove its entry."
        )
    return CocoPicture(file, (int(one["height"]), int(one["width"])), [])


def _add(
    where: str, one: Any, pictures: Mapping[int, CocoPicture], categories: Mapping[int, str]
) -> None:
    """Add an annotation to its picture."""
    try:
        number, category = int(one["image_id"]), int(one["category_id"])
        left, top, width, height = (float(value) for value in one["bbox"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{where} lacks something ({error!r}): each has image_id, category_id, and bbox with "
            "left, top, width and height. Export it again."
        ) from error
    if number not in pictures:
        raise UserError(f"{where} is of an unknown image: 'images' has no id {number}.")
    if category not in categories:
        raise UserError(f"{where} is of an unknown class: 'categories' has no id {category}.")
    picture = pictures[number]
    box = (left, top, left + width, top + height)
    ends = (*picture.size[::-1], *picture.size[::-1])
    inside = all(-TOLERANCE <= v <= end + TOLERANCE for v, end in zip(box, ends, strict=True))
    if not all(map(math.isfinite, box)) or min(width, height) < 0 or not inside:
        raise UserError(
            f"{where}: the box {[left, top, width, height]} is not within {picture.file.name} of "
            f"{ends[0]} x {ends[1]} pixels. Give left, top, width and height in pixels."
        )
    crowd = bool(one.get("iscrowd", 0))
    found = CocoObject(categories[category], box, one.get("segmentation"), crowd)
    picture.objects.append(found)


def known_classes(classes: Sequence[str]) -> Sequence[str] | None:
    """Return the names that labels may have; None of a single class, which may have any."""
    return classes if len(classes) > 1 else None


def numbers_of(
    labels: CocoLabels, name: str, objects: Sequence[CocoObject], classes: Sequence[str] | None
) -> list[int]:
    """Return the label of each of some objects of a picture.

    Args:
        classes: names by label, without regard to case; None: all objects are of one class.

    Raises:
        UserError: an object's class is none of them.
    """
    known = None if classes is None else [c.lower() for c in classes]
    named = [one.category.lower() for one in objects]
    if known is not None and (unknown := set(named) - set(known)):
        raise UserError(
            f"{labels.path}: the class '{min(unknown)}' of {name} is none of the data set's: "
            f"{', '.join(classes or ())}. Rename it, or name the data set's class alike."
        )
    return [0 if known is None else known.index(n) for n in named]


def mask_of(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels of polygons or run lengths, bool [H, W].

    A pixel is inside a polygon if its middle is.

    Raises:
        ValueError, TypeError, KeyError: it is neither, or of another size.
    """
    if isinstance(segmentation, Mapping):
        counts = segmentation["counts"]
        lengths = decoded(counts) if isinstance(counts, str) else [int(n) for n in counts]
        if tuple(segmentation["size"]) != size or sum(lengths) != size[0] * size[1]:
            raise ValueError(f"run lengths of another size than {size[1]} x {size[0]}")
        values = np.arange(len(lengths)) % 2 == 1
        return np.repeat(values, lengths).reshape(size[::-1]).T
    mask = np.zeros(size, bool)
    for polygon in segmentation:
        corners = np.array(polygon, np.float64)
        if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2:
            raise ValueError(f"a polygon of {len(corners)} numbers")
        _fill(mask, corners.reshape(-1, 2))
    return mask


def _fill(mask: np.ndarray, corners: np.ndarray) -> None:
    """Set the pixels of a mask bool [H, W] inside a polygon, columns and rows [n, 2]."""
    low = np.floor(corners.min(0)).clip(0, mask.shape[::-1]).astype(int)
    high = np.ceil(corners.max(0)).clip(0, mask.shape[::-1]).astype(int)
    if (high <= low).any():
        return
    # Pillow fills what an edge touches, too: of finer pixels that is little.
    canvas = Image.new("1", tuple(FINER * (high - low)))
    places = FINER * (corners - low) - 0.5
    ImageDraw.Draw(canvas).polygon(places.reshape(-1).tolist(), fill=1)
    inside = np.asarray(canvas)[FINER // 2 :: FINER, FINER // 2 :: FINER]
    mask[low[1] : high[1], low[0] : high[0]] |= inside


def decoded(counts: str) -> list[int]:
    """Return run lengths that are compressed to a text."""
    lengths: list[int] = []
    value = shift = 0
    for sign in counts:
        bits = ord(sign) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:  # more bits follow
            continue
        if bits & 16:
            value -= 1 << shift
        if len(lengths) > 2:
            value += lengths[-2]
        lengths.append(value)
        value = shift = 0
    if shift or min(lengths, default=0) < 0:
        raise ValueError("run lengths that end too early or are negative")
    return lengths
