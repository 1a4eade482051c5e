"""Images of any size and mode as small squares of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from simtailor.errors import UserError
from simtailor.tasks.sources.base import ImageSource

WHITE = (255, 255, 255)
SHOWN = 20  # unreadable images that a message names


def as_rgb(image: Image.Image) -> Image.Image:
    """Return an image in RGB, turned as its EXIF data say, what is transparent on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):  # Pillow would clip these to white instead of scaling
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGBA", image.size, (*WHITE, 255))
        image = Image.alpha_composite(canvas, image)
    return image.convert("RGB")


def as_square(image: Image.Image, size: int, fit: Literal["crop", "pad"]) -> np.ndarray:
    """Return an image as a square: uint8 [size, size, 3].

    Args:
        fit: ``crop`` takes the middle square, ``pad`` shows all of the image on white.
    """
    rgb = as_rgb(image)
    method = Image.Resampling.BICUBIC
    if fit == "pad":
        return np.asarray(ImageOps.pad(rgb, (size, size), method, color=WHITE))
    return np.asarray(ImageOps.fit(rgb, (size, size), method))


def read_squares(
    source: ImageSource, chosen: Sequence[int], size: int, fit: Literal["crop", "pad"]
) -> tuple[np.ndarray, set[tuple[int, int]]]:
    """Decode images of a source: uint8 [n, size, size, 3], and the sizes that they had.

    Raises:
        UserError: some cannot be read; they are named.
    """
    images = np.empty((len(chosen), size, size, 3), np.uint8)
    sizes, broken = set(), []
    for place, index in enumerate(chosen):
        try:
            image = source.read(int(index))
            sizes.add(image.size)
            images[place] = as_square(image, size, fit)
        except Exception as error:  # decoders of damaged files raise errors of many kinds
            broken.append(f"{source.name_of(int(index))}: {error}")
    if broken:
        more = [f"and {len(broken) - SHOWN} more"] if len(broken) > SHOWN else []
        raise UserError(
            f"{len(broken)} of {len(chosen)} images cannot be read; remove or replace them:\n  "
            + "\n  ".join([*broken[:SHOWN], *more])
        )
    return images, sizes
