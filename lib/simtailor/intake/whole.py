"""One image at its own size, read as all images are."""

from __future__ import annotations

from pathlib import Path

from simtailor.errors import UserError
from simtailor.intake.formats import any_size, open_image
from simtailor.intake.limits import MOST_PIXELS
from simtailor.intake.reading import ORIENTATION, Reading, Squares, read_what_can_be


def upright_size(path: Path, where: str) -> tuple[int, int]:
    """Return width and height as an image is seen, from its header.

    Args:
        where: begins messages.

    Raises:
        UserError: it is absent or cannot be read.
    """
    try:
        with any_size(), open_image(path) as image:
            turned = image.getexif().get(ORIENTATION, 1) in range(5, 9)
            return image.size[::-1] if turned else image.size
    except Exception as error:  # decoders of damaged files raise errors of many kinds
        raise UserError(f"{where}: cannot read it: {error}") from error


def read_whole(
    path: Path, where: str, most_pixels: int = MOST_PIXELS, key: str = "most_pixels"
) -> Squares:
    """Read an image, upright and of 8 bits a colour.

    Args:
        where: begins messages; key: of ``most_pixels``, for messages.

    Returns:
        The image alone.

    Raises:
        UserError: it is absent, too large, or cannot be read.
    """
    size = upright_size(path, where)
    reading = Reading(size, most_pixels=most_pixels, key=key)
    if size[0] * size[1] > most_pixels:  # before so much memory is asked for
        raise UserError(
            f"{where}: {size[0]} x {size[1]} pixels are more than {key}: {most_pixels}; raise the "
            "key, or make the picture smaller"
        )
    squares = read_what_can_be(lambda _: open_image(path), str, [0], reading)
    if squares.broken:
        raise UserError(f"{where}: cannot read it: {squares.broken[0][1]}")
    return squares
