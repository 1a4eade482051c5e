"""Masks of photographs: NAME.mask.png beside each picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from simtailor.errors import UserError
from simtailor.intake.formats import any_size, open_image
from simtailor.intake.named import picture_of, pictures_in
from simtailor.intake.reading import ORIENTATION

SUFFIX = ".mask.png"


def find_masks(folder: str | Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the pictures of a folder that have masks, and their masks, by name without suffix.

    Raises:
        UserError: there is no such folder or no mask in it, or a mask is of no picture, or has
            another size than its picture.
    """
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: there is no such folder of labelled pictures")
    paths = sorted(Path(folder).glob(f"*{SUFFIX}"))
    masks = {path.name.removesuffix(SUFFIX): path for path in paths}
    if not masks:
        raise UserError(
            f"{folder}: no picture has a mask. Write NAME{SUFFIX} beside each picture: 0 where "
            "there is no object, else 1, or the number of its class."
        )
    there = pictures_in(folder)
    files = {name: picture_of(folder, name, there) for name in masks}
    for name, path in masks.items():
        sizes = [_upright_size(one) for one in (files[name], path)]
        if sizes[0] != sizes[1]:
            width, height = sizes[0]
            raise UserError(
                f"{path}: this mask has {sizes[1][0]} x {sizes[1][1]} pixels, its picture "
                f"{files[name].name} has {width} x {height}. Draw it as large as the picture."
            )
    return files, masks


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


def _upright_size(path: Path) -> tuple[int, int]:
    """Return width and height as a picture is seen, from its header."""
    try:
        with any_size(), open_image(path) as image:
            turned = image.getexif().get(ORIENTATION, 1) in range(5, 9)
            return image.size[::-1] if turned else image.size
    except Exception as error:  # decoders of damaged files raise errors of many kinds
        raise UserError(f"{path}: cannot read it: {error}") from error
