"""Reader of Radiance HDR files, pictures of light as most panoramas are shared.

Source of the format: Ward, "Real Pixels", Graphics Gems II (1991): three mantissas and one
exponent a pixel, rows in runs.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

MAGIC = (b"#?RADIANCE", b"#?RGBE")
SIZE = re.compile(rb"^-Y (\d+) \+X (\d+)$")
SHORTEST, LONGEST = 8, 0x7FFF  # pixels of a row in runs of single channels
MOST_PIXELS = 1 << 28
RUN = 128  # a count above this repeats one byte
BIAS = 128 + 8  # of the exponent, and the bits of a mantissa


class RadianceError(ValueError):
    """A file that is no Radiance picture, or is damaged; says what is wrong."""


def read_radiance(path: str | Path) -> np.ndarray:
    """Return the linear radiance of a file: float32 [H, W, 3], row 0 on top.

    Raises:
        OSError: it cannot be opened.
        RadianceError: it is another kind of file, or damaged.
    """
    content = Path(path).read_bytes()
    width, height, place = _header(content)
    data = np.frombuffer(content, np.uint8)
    rows = np.empty((height, width, 4), np.uint8)
    for row in rows:
        begin = content[place : place + 4]
        in_runs = SHORTEST <= width <= LONGEST and begin == bytes((2, 2, width >> 8, width & 255))
        place = _runs(data, content, place + 4, row) if in_runs else _pixels(data, place, row)
    scale = np.ldexp(np.float32(1), rows[..., 3].astype(np.int32) - BIAS)
    scale[rows[..., 3] == 0] = 0
    # Half a step, as Radiance's own reader adds, is left out: black stays black.
    return rows[..., :3].astype(np.float32) * scale[..., None]


def _header(content: bytes) -> tuple[int, int, int]:
    """Return width, height, and where the pixels begin."""
    if not content.startswith(MAGIC):
        raise RadianceError("it does not begin as a Radiance picture does (#?RADIANCE)")
    end = content.find(b"\n\n")
    if end < 0:
        raise RadianceError("its header has no end; it is damaged")
    for line in content[:end].split(b"\n"):
        if line.startswith(b"FORMAT=") and line.strip() != b"FORMAT=32-bit_rle_rgbe":
            form = line[7:].decode(errors="replace")
            raise RadianceError(f"its format is {form}; save it as RGB (32-bit_rle_rgbe)")
    last = content.find(b"\n", end + 2)
    size = SIZE.match(content[end + 2 : last].strip())
    if last < 0 or size is None:
        raise RadianceError("its rows do not go from top to bottom; save it anew")
    height, width = map(int, size.groups())
    if not 0 < width * height <= MOST_PIXELS:
        raise RadianceError(f"it has {width} x {height} pixels; at most {MOST_PIXELS:,} are read")
    return width, height, last + 1


def _runs(data: np.ndarray, content: bytes, place: int, row: np.ndarray) -> int:
    """Read a row whose channels follow one another in runs; return where the next begins."""
    width = len(row)
    for channel in range(4):
        column = 0
        while column < width:
            if place + 1 >= len(content):
                raise RadianceError("it is cut short")
            count = content[place]
            if count > RUN:
                count -= RUN
                row[column : column + count, channel] = content[place + 1]
                place += 2
            else:
                some = data[place + 1 : place + 1 + count]
                if len(some) < count or not count:
                    raise RadianceError("it is cut short or damaged")
                row[column : column + count, channel] = some[: width - column]
                place += 1 + count
            column += count
        if column != width:
            raise RadianceError("a row is longer than the picture is wide; it is damaged")
    return place


def _pixels(data: np.ndarray, place: int, row: np.ndarray) -> int:
    """Read a row of whole pixels, in which (1, 1, 1, n) repeats the one before n times."""
    width, column, shift = len(row), 0, 0
    while column < width:
        some = data[place : place + 4]
        if len(some) < 4:
            raise RadianceError("it is cut short")
        place += 4
        if column and (some[:3] == 1).all():
            count = min(int(some[3]) << shift, width - column)
            row[column : column + count] = row[column - 1]
            shift += 8
        else:
            count, shift = 1, 0
            row[column] = some
        column += count
    return place
