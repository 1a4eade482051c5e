"""Landsat pixels of R's package mlbench: 3 x 3 pixels in four bands."""

from __future__ import annotations

import lzma
import struct
from typing import Any

import numpy as np

from simtailor.errors import UserError
from simtailor.tasks.sources.base import (
    ImageSource,
    NoOptions,
    Place,
    array_source,
    register_source,
)

FILE = "Satellite.rda"
EDGE, BANDS = 3, 4
FALSE_COLOUR = [2, 1, 0]  # near infrared, red, green
HEADER = b"RDX2\nX\n"
# Types of R's serialisation, "R Internals", section 1.8.
NIL, SYMBOL, PAIR, CHARACTERS, INTEGERS, REALS, STRINGS, VECTOR, REFERENCE = (
    254, 1, 2, 9, 13, 14, 16, 19, 255
)  # fmt: skip
HAS_ATTRIBUTES, HAS_TAG = 1 << 9, 1 << 10


@register_source("landsat", NoOptions, needs="packages")
def load_landsat(place: Place, _: NoOptions) -> ImageSource:
    """Return the pixels as false colours: near infrared, red and green.

    Raises:
        UserError: the file holds something else.
    """
    path = place.folders[0] / FILE
    try:
        content = lzma.decompress(path.read_bytes())
        columns, _ = RReader(content).read()["Satellite"]
        labels, of_labels = columns[-1]
        classes = tuple(of_labels["levels"])
        values = np.stack(columns[:-1], 1).reshape(-1, EDGE, EDGE, BANDS)
    except (OSError, lzma.LZMAError, struct.error, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: not mlbench's table: {error!r}") from error
    images = np.rint(np.clip(values[..., FALSE_COLOUR], 0, 255)).astype(np.uint8)
    note = "3 x 3 pixels; neighbouring pixels of one scene overlap, so that the split leaks"
    return array_source(images, labels - 1, classes, notes=(note,))


class RReader:
    """Reads data frames of numbers and factors from R's binary format (XDR, version 2).

    Args:
        content: of a file that ``save`` wrote, without its compression.
    """

    def __init__(self, content: bytes) -> None:
        if not content.startswith(HEADER):
            raise ValueError(f"starts with {content[:7]!r}, not {HEADER!r}")
        self._content, self._at = content, len(HEADER) + 12
        self._symbols: list[str] = []

    def read(self) -> Any:
        """Return the next value: a pair list as dict, a vector as list or array.

        A value with attributes comes as a pair of itself and the dict of these.
        """
        flags = self._number()
        kind = flags & 0xFF
        if kind == NIL:
            return {}
        if kind == REFERENCE:
            return self._symbols[(flags >> 8) - 1]
        if kind == SYMBOL:
            self._symbols.append(self.read())
            return self._symbols[-1]
        if kind == PAIR:
            return self._pairs(flags)
        count = self._number()
        if kind == CHARACTERS:
            return self._take(count).decode()
        if kind in (INTEGERS, REALS):
            stored = np.dtype(">i4" if kind == INTEGERS else ">f8")
            value: Any = np.frombuffer(self._take(count * stored.itemsize), stored).astype(
                stored.newbyteorder("=")
            )
        elif kind in (STRINGS, VECTOR):
            value = [self.read() for _ in range(count)]
        else:
            raise ValueError(f"type {kind} of R's values is not known")
        return (value, self.read()) if flags & HAS_ATTRIBUTES else value

    def _pairs(self, flags: int) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        while flags & 0xFF == PAIR:
            name = self.read() if flags & HAS_TAG else str(len(pairs))
            pairs[name] = self.read()
            flags = self._number()
        return pairs

    def _number(self) -> int:
        return struct.unpack(">i", self._take(4))[0]

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._content[self._at - count : self._at]
