"""Lists of pixels that are to be drawn: of whole pictures, or of parts of their rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(eq=False)
class Spans:
    """One stretch of pixels in each row of B pictures.

    Attributes:
        first: int32 [B, H], its first column; length: int32 [B, H], 0 for none.
    """

    first: np.ndarray
    length: np.ndarray

    def __getitem__(self, part: slice) -> Spans:
        return Spans(self.first[part], self.length[part])


def pixel_list(
    order: np.ndarray, where: Spans | np.ndarray | None, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scene and place of pixels, both int32 [n].

    Args:
        order: int [B], the scenes in the order of the list.
        where: spans of the pictures' rows, bool [B, H, W], or None for all pixels.
    """
    scenes = order.astype(np.int32)
    if where is None:
        pixels = height * width
        return np.repeat(scenes, pixels), np.tile(np.arange(pixels, dtype=np.int32), len(scenes))
    if isinstance(where, Spans):
        first, length = where.first[order], where.length[order]
        scenes = np.repeat(scenes, length.sum(1))
        begin = (first + np.arange(height, dtype=np.int32) * width).reshape(-1)
        length = length.reshape(-1)
        before = np.cumsum(length) - length
        places = np.arange(len(scenes)) + np.repeat(begin - before, length)
        return scenes, places.astype(np.int32)
    chosen = where.reshape(len(where), -1)[order]
    counts = np.count_nonzero(chosen, axis=1)
    # Places in one row of all pictures, which are found faster than in many rows.
    places = np.flatnonzero(chosen)
    places -= np.repeat(np.arange(len(chosen)) * chosen.shape[1], counts)
    return np.repeat(scenes, counts), places.astype(np.int32)
