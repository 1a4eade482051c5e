"""Grey levels of more than 8 bits, scaled over the range of a whole set of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from simtailor.intake.raw import tiff_numbers

DEEP_MODES = ("I", "F")  # and all that begin with I;16
BITS = (8, 10, 12, 14, 16)  # of cameras and scanners
FLOAT_TOPS = (1.0, 255.0, 65535.0)
GREY = 128  # where all images of a set show one and the same value


@dataclass(eq=False)
class DeepImage:
    """A small image before its values are scaled.

    Attributes:
        values: float32 [h, w] or [h, w, 3], from which ``base`` is taken away, so that large
            whole numbers keep their differences; times ``alpha`` where there is one.
        base: added to ``values`` gives the image's own numbers.
        low, high: smallest and largest value of the whole image, before it was made small;
            of what is not transparent.
        floating: whether its numbers have fractions.
        alpha: float32 [h, w], 1 where the image is opaque; None where it is everywhere.
    """

    values: np.ndarray
    base: float
    low: float
    high: float
    floating: bool
    alpha: np.ndarray | None = None


def deep_values(
    image: Image.Image, lower: Image.Image | None
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Return the numbers of an image of more than 8 bits and how opaque it is, else None.

    The numbers are float [H, W] or [H, W, 3], opacity float32 [H, W] of 0 to 1, or None where
    all is opaque. Of images that are transparent everywhere None is returned.

    Args:
        image: of 16 bits a colour, its upper bytes.
        lower: the lower bytes (see ``tiles_of_16_bits``).

    Raises:
        ValueError: some are not finite, or are kept in a way that is not read.
    """
    alpha = None
    if lower is not None:
        values = np.asarray(image, np.float32) * 256 + np.asarray(lower)
        if lower.mode == "RGBA":
            values, alpha = values[..., :3], values[..., 3] / 65535
    elif image.mode in DEEP_MODES or image.mode.startswith("I;16"):
        values = tiff_numbers(image)
    else:
        return None
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ValueError(f"{count:,} of its {values.size:,} values are NaN or infinite")
    if image.format == "PNG" and "transparency" in image.info:  # one colour
        other = values != np.array(image.info["transparency"], np.float32)
        alpha = (other if other.ndim == 2 else other.any(-1)).astype(np.float32)
    if alpha is not None and alpha.max() == 0:
        return None
    return values, alpha if alpha is not None and alpha.min() < 1 else None


def made_small(
    values: np.ndarray,
    alpha: np.ndarray | None,
    floating: bool,
    resize: Callable[[Image.Image], Image.Image],
) -> DeepImage:
    """Return an image's numbers as they are after ``resize``, which takes images of mode F."""
    seen = values if alpha is None else values[alpha > 0]
    low, high = float(seen.min()), float(seen.max())
    channels = values[..., None] if values.ndim == 2 else values

    def resized(channel: np.ndarray) -> np.ndarray:
        return np.asarray(resize(Image.fromarray(channel.astype(np.float32))))

    opaque = 1 if alpha is None else alpha
    small = [resized((channels[..., c] - low) * opaque) for c in range(channels.shape[-1])]
    stacked = small[0] if values.ndim == 2 else np.stack(small, -1)
    return DeepImage(stacked, low, low, high, floating, None if alpha is None else resized(alpha))


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
    """Return an image as uint8 of the same shape, ``low`` black and ``high`` white.

    What is transparent is laid on white.
    """
    alpha: np.ndarray | float = 1.0
    if image.alpha is not None:
        alpha = image.alpha if image.values.ndim == 2 else image.alpha[..., None]
    if high <= low:
        values = np.broadcast_to(GREY * alpha, image.values.shape)
    else:
        values = image.values.astype(np.float64) + (image.base - low) * alpha
        values = values * (255 / (high - low))
    return np.rint(np.clip(values + 255 * (1 - alpha), 0, 255)).astype(np.uint8)
