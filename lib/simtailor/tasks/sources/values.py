"""Images as columns of data sets hold them: pictures, files' bytes, paths, arrays."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from simtailor.errors import UserError

CHANNELS = (1, 3, 4)
LOOKED_AT = 64  # images of a column that tell the range of its numbers


def as_image(value: Any, folder: Path, highest: float = 255) -> Image.Image:
    """Return the image of a cell of a data set's column.

    Args:
        value: an image, the bytes of a file, a path, a dict of the two, or an array
            [H, W], [H, W, C] or [C, H, W].
        folder: that paths are relative to.
        highest: the number that is full brightness in arrays.

    Raises:
        ValueError, OSError: it is none of these, or cannot be decoded.
    """
    if isinstance(value, Image.Image):
        return value
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if value is None or (isinstance(value, bytes | bytearray | str) and not value):
        raise ValueError("the cell is empty")
    if isinstance(value, bytes | bytearray):
        try:
            return Image.open(io.BytesIO(value))
        except UnidentifiedImageError:
            raise ValueError(f"its {len(value)} bytes are no image of a known format") from None
    if isinstance(value, str):
        return Image.open(folder / value)
    array = np.asarray(value)
    if array.ndim == 0:
        raise ValueError(f"{str(value)[:40]!r} ({type(value).__name__}) is no image")
    return _of_array(array, highest)


def _of_array(array: np.ndarray, highest: float) -> Image.Image:
    if array.ndim == 3 and array.shape[0] in CHANNELS and array.shape[2] not in CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in CHANNELS):
        raise ValueError(f"an array of shape {array.shape} is no image")
    if not np.issubdtype(array.dtype, np.number) or not np.isfinite(array).all():
        raise ValueError(f"an array must hold finite numbers, got {array.dtype}")
    if array.min() < 0 or array.max() > highest:
        raise ValueError(
            f"values from {array.min():.6g} to {array.max():.6g}, where others have 0 to {highest}"
        )
    return Image.fromarray(np.rint(array.astype(np.float64) * (255 / highest)).astype(np.uint8))


def highest_value(cells: Sequence[Any], where: str) -> float:
    """Return the number that is full brightness in a column of arrays: 1, 255 or 65,535.

    Args:
        cells: some of the column's.

    Raises:
        UserError: numbers are negative, as of images that were normalised.
    """
    arrays = [np.asarray(c) for c in cells if isinstance(c, list | tuple | np.ndarray)]
    arrays = [a for a in arrays if a.size and np.issubdtype(a.dtype, np.number)]
    if not arrays:
        return 255
    if (lowest := min(a.min() for a in arrays)) < 0:
        raise UserError(
            f"{where}: arrays with values down to {lowest:.4g} are no images; give them before "
            "they are normalised, from 0 to 1 or to 255"
        )
    most = max(a.max() for a in arrays)
    if most <= 1 and any(np.issubdtype(a.dtype, np.floating) for a in arrays):
        return 1
    return 255 if most <= 255 else 65535
