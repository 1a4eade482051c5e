"""The grid that a forest is drawn on, and random fields over it that are alike at any size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Canvas:
    """A picture with a margin, from which trees throw their shadows in.

    Attributes:
        size: pixels of the picture's edge; width: metres of it; margin: metres around it.
    """

    size: int
    width: float
    margin: float

    @property
    def pixel(self) -> float:
        """Metres of a pixel."""
        return self.width / self.size

    @property
    def border(self) -> int:
        """Pixels of the margin."""
        return int(np.ceil(self.margin / self.pixel))

    @property
    def extent(self) -> int:
        """Pixels of an edge, the margin included."""
        return self.size + 2 * self.border

    @cached_property
    def places(self) -> np.ndarray:
        """Metres of the pixels' middles from the picture's left or upper edge: float32 [extent]."""
        middles = (np.arange(self.extent) + 0.5 - self.border) * self.pixel
        return middles.astype(np.float32)

    @property
    def inside(self) -> tuple[slice, slice]:
        """Where the picture is."""
        return self.around(0)

    def around(self, more: int) -> tuple[slice, slice]:
        """Return where the picture is and so many pixels around it, at most the margin."""
        more = min(more, self.border)
        part = slice(self.border - more, self.border + self.size + more)
        return part, part

    def field(self, cell: float, random: np.random.Generator) -> np.ndarray:
        """Return a smooth random field of mean 0 and deviation of about 1: float32 [E, E].

        Normal numbers on a lattice of ``cell`` metres, with straight lines between them, so that
        the same random numbers give the same field at any size in pixels. Where a pixel has
        several cells, their mean varies less.
        """
        count = int(np.ceil((self.width + 2 * self.margin) / cell)) + 3
        lattice = random.standard_normal((count, count), dtype=np.float32)
        place = (self.places + self.margin) / cell + 0.5
        low = np.floor(place).astype(np.int64).clip(0, count - 2)
        share = (place - low).astype(np.float32)
        rows = lattice[low] * (1 - share[:, None]) + lattice[low + 1] * share[:, None]
        strength = 1.5 * min(1.0, cell / self.pixel)
        return strength * (rows[:, low] * (1 - share) + rows[:, low + 1] * share)

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """Return the pixels within ``reach`` metres of a place."""
        ends = []
        for middle in (y, x):
            low = int((middle - reach) / self.pixel) + self.border
            high = int(np.ceil((middle + reach) / self.pixel)) + self.border
            ends.append(slice(max(low, 0), max(min(high, self.extent), 0)))
        return ends[0], ends[1]
