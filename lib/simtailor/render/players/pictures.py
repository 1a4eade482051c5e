"""Pictures of players, in the size that is asked for."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from simtailor.render.program.protocol import FaultError


def decoded(data: bytes, image_size: int) -> np.ndarray:
    """Return a picture, averaged down to ``image_size`` pixels: uint8 [S, S, 3].

    Args:
        data: a PNG or JPEG file.

    Raises:
        OSError: it is no picture, or not a whole one.
        FaultError: it is too small, or not square.
    """
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        width, height = picture.size
        if width != height or width < image_size:
            raise FaultError(
                f"its pictures have {width} x {height} pixels, and square ones of at least "
                f"{image_size} are asked for. Set stage.image_size and training.image_size to at "
                f"most {min(width, height)}, and let the player draw squares"
            )
        colours = picture.convert("RGB")
    if width > image_size:
        colours = colours.resize((image_size, image_size), Image.Resampling.BOX)
    return np.asarray(colours)
