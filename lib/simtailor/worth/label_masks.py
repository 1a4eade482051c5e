"""Masks of photographs: NAME.mask.png beside each picture, or COCO's labels in one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from simtailor.datasets.coco_reading import (
    CocoLabels,
    coco_file,
    known_classes,
    mask_of,
    numbers_of,
    read_coco,
)
from simtailor.errors import UserError
from simtailor.intake.formats import any_size, open_image
from simtailor.intake.named import picture_of, pictures_in
from simtailor.intake.whole import upright_size

SUFFIX = ".mask.png"


@dataclass(frozen=True, eq=False)
class FoundMasks:
    """The masks of a folder.

    Attributes:
        files: each picture, by its name without suffix.
        sources: the files that masks are in.
        read: returns each mask, cut and resized to a height and width: uint8 [H, W].
    """

    files: dict[str, Path]
    sources: list[Path]
    read: dict[str, Callable[[tuple[int, int]], np.ndarray]]


def find_masks(folder: str | Path, classes: Sequence[str]) -> FoundMasks:
    """Return the masks of the pictures of a folder: NAME.mask.png, or COCO's in one file.

    Args:
        classes: names by number less 1.

    Raises:
        UserError: there is no such folder or no mask in it, or a mask is of no picture, or has
            another size than its picture.
    """
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: there is no such folder of labelled pictures")
    paths = sorted(Path(folder).glob(f"*{SUFFIX}"))
    coco = None if paths else coco_file(folder)
    if coco is not None:
        return _of_coco(read_coco(coco), classes)
    masks = {path.name.removesuffix(SUFFIX): path for path in paths}
    if not masks:
        raise UserError(
            f"{folder}: no picture has a mask. Write NAME{SUFFIX} beside each picture: 0 where "
            "there is no object, else 1, or the number of its class; or annotations.json (COCO)."
        )
    there = pictures_in(folder)
    files = {name: picture_of(folder, name, there) for name in masks}
    for name, path in masks.items():
        _check_size(path, upright_size(path, str(path)), files[name])
    read = {name: partial(read_mask, path, files[name], len(classes))
            for name, path in masks.items()}  # fmt: skip
    return FoundMasks(files, list(masks.values()), read)


def _of_coco(labels: CocoLabels, classes: Sequence[str]) -> FoundMasks:
    """Return the masks of COCO's polygons and run lengths, crowds included."""
    known = known_classes(classes)
    for name, picture in labels.pictures.items():
        numbers_of(labels, name, picture.objects, known)
        if any(not one.segmentation for one in picture.objects):
            raise UserError(
                f"{labels.path}: an object of '{name}' has a box, but no polygon or mask "
                "('segmentation'). Export the labels with them."
            )
        _check_size(labels.path, picture.size[::-1], picture.file)
    files = {name: picture.file for name, picture in labels.pictures.items()}
    read = {name: partial(_read_coco, labels, name, known) for name in files}
    return FoundMasks(files, [labels.path], read)


def _check_size(source: Path, size: tuple[int, int], picture: Path) -> None:
    """Check that a mask's width and height are those of its picture."""
    width, height = upright_size(picture, str(picture))
    if size != (width, height):
        raise UserError(
            f"{source}: this mask has {size[0]} x {size[1]} pixels, its picture {picture.name} has "
            f"{width} x {height}. Draw it as large as the picture."
        )


def _read_coco(
    labels: CocoLabels, name: str, known: Sequence[str] | None, size: tuple[int, int]
) -> np.ndarray:
    picture = labels.pictures[name]
    mask = np.zeros(picture.size, np.uint8)
    numbers = numbers_of(labels, name, picture.objects, known)
    for number, one in zip(numbers, picture.objects, strict=True):
        try:
            mask[mask_of(one.segmentation, picture.size)] = number + 1
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{labels.path}: cannot read the 'segmentation' of an object of '{name}': {error}. "
                "Export it again."
            ) from error
    return cut_mask(mask, size)


def read_mask(path: Path, picture: Path, classes: int, size: tuple[int, int]) -> np.ndarray:
    """Return a mask, cut to the middle and resized as its picture is: uint8 [H, W].

    Args:
        classes: their number; of a single one any number but 0 is it.
        size: height and width.

    Raises:
        UserError: it cannot be read, has colours, or a number that is no class.
    """
    try:
        with any_size(), open_image(path) as image:
            if image.mode not in ("1", "L", "P", "I;16", "I"):
                raise ValueError(f"its pixels are {image.mode}, not one number each")
            values = np.asarray(image)
    except Exception as error:  # decoders of damaged files raise errors of many kinds
        raise UserError(f"{path}: cannot read this mask of {picture.name}: {error}") from error
    if classes == 1:
        values = values > 0
    elif int(values.max()) > classes:
        raise UserError(
            f"{path}: the number {int(values.max())} is no class: there are {classes}, and 0 where "
            "there is none. Number them by the alphabet."
        )
    return cut_mask(values.astype(np.uint8), size)


def cut_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask uint8 [h, w] cut to the middle and resized to [H, W] without new numbers."""
    fitted = ImageOps.fit(Image.fromarray(mask), size[::-1], Image.Resampling.NEAREST)
    return np.asarray(fitted)
