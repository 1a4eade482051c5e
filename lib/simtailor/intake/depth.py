"""Grey levels of more than 8 bits, scaled over the range of a whole set of images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

DEEP_MODES = ("I", "F")  # and all that begin with I;16
BITS = (8, 10, 12, 14, 16)  # of cameras and scanners
FLOAT_TOPS = (1.0, 255.0, 65535.0)
GREY = 128  # of images that show one value only
# Pillow keeps the upper bytes of colours of 16 bits; the other order of bytes gives the lower.
LITTLE = sys.byteorder == "little"
OTHER_ORDER = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B",
               "RGB;16N": "RGB;16B" if LITTLE else "RGB;16L"}  # fmt: skip


@dataclass(eq=False)
class DeepImage:
    """A small image before its values are scaled.

    Attributes:
        values: float32 [h, w] or [h, w, 3], from which ``base`` is taken away, so that large
            whole numbers keep their differences.
        base: added to ``values`` gives the image's own numbers.
        low, high: smallest and largest value of the whole image, before it was made small.
        floating: whether its numbers have fractions.
    """

    values: np.ndarray
    base: float
    low: float
    high: float
    floating: bool


def deep_values(image: Image.Image, lower: Image.Image | None) -> np.ndarray | None:
    """Return the numbers of an image of more than 8 bits: float [H, W] or [H, W, 3], else None.

    Args:
        lower: the same image read in the other order of bytes, of 16 bits a colour.

    Raises:
        ValueError: some are not finite.
    """
    if lower is not None:
        return np.asarray(image, np.float32) * 256 + np.asarray(lower)
    if image.mode not in DEEP_MODES and not image.mode.startswith("I;16"):
        return None
    # Half the memory, and exact for all but whole numbers of 32 bits.
    values = np.asarray(image).astype(np.float64 if image.mode == "I" else np.float32)
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ValueError(f"{count:,} of its {values.size:,} values are NaN or infinite")
    return values


def made_small(
    values: np.ndarray, floating: bool, resize: Callable[[Image.Image], Image.Image]
) -> DeepImage:
    """Return an image's numbers as they are after ``resize``, which takes images of mode F."""
    low, high = float(values.min()), float(values.max())
    channels = values[..., None] if values.ndim == 2 else values
    small = [
        np.asarray(resize(Image.fromarray((channels[..., c] - low).astype(np.float32))))
        for c in range(channels.shape[-1])
    ]
    stacked = small[0] if values.ndim == 2 else np.stack(small, -1)
    return DeepImage(stacked, low, low, high, floating)


def value_range(images: Sequence[DeepImage], alone: bool) -> tuple[float, float, str]:
    """Return the numbers that become black and white, and why these.

    Args:
        images: all of a set that are of one kind.
        alone: whether the set holds no others. Then the range of all is taken. Beside images
            of 8 bits, whose black and white are given, the depth that holds the largest
            number is: 255 to 65535, or 1.0 for fractions.
    """
    low, high = min(i.low for i in images), max(i.high for i in images)
    if (alone and high > low) or low < 0:
        return low, high, "the range of all"
    tops = FLOAT_TOPS if images[0].floating else [2.0**bits - 1 for bits in BITS]
    top = next((top for top in tops if top >= high), high)
    return 0.0, top, "the depth that holds them" + ("" if alone else ", beside other images")


def scaled_down(image: DeepImage, low: float, high: float) -> np.ndarray:
    """Return an image as uint8 of the same shape, ``low`` black and ``high`` white."""
    if high <= low:
        return np.full(image.values.shape, GREY, np.uint8)
    values = (image.values.astype(np.float64) + (image.base - low)) * (255 / (high - low))
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def tiles_in_other_order(image: Image.Image) -> list | None:
    """Return tiles that read an image of 16 bits a colour in the other order of bytes.

    None for all others, and for those whose pixels are already read.
    """
    tiles = getattr(image, "tile", None) or []
    swapped = []
    for tile in tiles:
        arguments = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        order = OTHER_ORDER.get(arguments[0]) if arguments else None
        if image.mode != "RGB" or order is None:
            return None
        others = (order, *arguments[1:])
        swapped.append(tile._replace(args=others if isinstance(tile.args, tuple) else order))
    return swapped or None
