"""Numbers as image files keep them, where Pillow alone would give others or only a part."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

OWN = "B" if sys.byteorder == "big" else "L"
SWAPPED = {"B": "L", "L": "B", "N": "L" if OWN == "B" else "B"}
COLOURS = ("RGB", "RGBX", "RGBA", "R", "G", "B", "A")  # of Pillow's "RGB;16L" and so on
SGI_HEADER = 512  # bytes
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, UNSIGNED, SIGNED = 0, 1, 2
SAVE = "save it as PNG, of 8 bits or of 16 without transparency"

Tiles = list[ImageFile._Tile]


@dataclass(frozen=True)
class SixteenBits:
    """Tiles that read the upper, and those that read the lower bytes of an image.

    Attributes:
        paired: whether the lower ones read both bytes of grey and of alpha as four colours.
    """

    upper: Tiles
    lower: Tiles
    paired: bool = False

    def lower_bytes(self, image: Image.Image) -> Image.Image:
        """Return the lower bytes of what the lower tiles read."""
        if not self.paired:
            return image
        _, grey, _, alpha = image.split()
        return Image.merge("RGBA", (grey, grey, grey, alpha))


def tiles_of_16_bits(image: Image.Image) -> SixteenBits | None:
    """Return how to read both bytes of an image of 16 bits a colour.

    None for other images, and for those whose pixels are already read. Pillow keeps the upper
    bytes of such colours; the other order of bytes gives the lower.

    Raises:
        ValueError: it keeps its 16 bits in a way of which the lower bytes cannot be read.
    """
    upper, lower = [], []
    for tile in getattr(image, "tile", None) or []:
        if tile.codec_name == "SGI16":
            return SixteenBits(_sgi_tiles(image, "B"), _sgi_tiles(image, "L"))
        if tile.codec_name == "sgi_rle" and tile.args[2] == 2:
            raise ValueError(f"SGI of 16 bits, compressed, is not read; {SAVE}")
        if tile.codec_name == "ppm_plain" and image.mode == "RGB" and tile.args[-1] > 255:
            raise ValueError(f"PPM of 16 bits written as text is not read; {SAVE}")
        whole = tile
        if tile.codec_name == "ppm" and tile.args == ("RGB", 65535):
            whole = tile._replace(codec_name="raw", args=("RGB;16B",))
        arguments = whole.args if isinstance(whole.args, tuple) else (whole.args,)
        colours, _, order = str(arguments[0] if arguments else "").partition(";16")
        if colours == "RGBa" and order:
            raise ValueError(f"16 bits with premultiplied transparency is not read; {SAVE}")
        if (colours, order) == ("LA", "B"):  # there is no other order
            return SixteenBits([tile], [tile._replace(args="RGBA")], paired=True)
        if colours not in COLOURS or order not in SWAPPED:
            return None
        upper.append(whole)
        lower.append(whole._replace(args=(f"{colours};16{SWAPPED[order]}", *arguments[1:])))
    return SixteenBits(upper, lower) if lower else None


def tiff_numbers(image: Image.Image) -> np.ndarray:
    """Return the numbers of an image of one channel, float [H, W], as the tags of a TIFF say."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    unsigned = tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0] == UNSIGNED
    if image.mode == "I" and tags.get(BITS, (1,))[0] == 32 and unsigned:
        values = values.view(np.uint32)
    # Half the memory, and exact for all but whole numbers of 32 bits.
    numbers = values.astype(np.float64 if image.mode == "I" else np.float32)
    if tags.get(PHOTOMETRIC) != WHITE_IS_ZERO:
        return numbers
    return -numbers if image.mode == "F" else 2.0**16 - 1 - numbers


def check_tiff(image: Image.Image) -> None:
    """Check that an image is not a TIFF of signed bytes, which Pillow takes for unsigned.

    Raises:
        ValueError: it is.
    """
    tags = getattr(image, "tag_v2", {})
    if image.mode == "L" and tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0] == SIGNED:
        raise ValueError("a TIFF of signed bytes is not read; convert it to 8 or 16 bits")


def _sgi_tiles(image: Image.Image, order: str) -> Tiles:
    """Return a tile a colour, which lie one after the other, of two bytes a pixel."""
    page = image.width * image.height * 2
    grey = {"B": "L;16B", "L": "L;16"}  # Pillow's names
    raws = [grey[order]] if image.mode == "L" else [f"{c};16{order}" for c in image.mode]
    return [
        ImageFile._Tile("raw", (0, 0, *image.size), SGI_HEADER + i * page, (raw, 0, -1))
        for i, raw in enumerate(raws)
    ]
