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


def all_pixels(order: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scene and place of every pixel, both int32 [n], scenes in the given order."""
    scenes = np.repeat(order.astype(np.int32), pixels)
    return scenes, np.tile(np.arange(pixels, dtype=np.int32), len(order))


def pixels_of_spans(order: np.ndarray, spans: Spans, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scene and place of the pixels of spans, both int32 [n], scenes in the given order."""
    first, length = spans.first[order], spans.length[order]
    scenes = np.repeat(order.astype(np.int32), length.sum(1))
    height = first.shape[1]
    begin = (first + np.arange(height, dtype=np.int32) * width).reshape(-1)
    length = length.reshape(-1)
    before = np.cumsum(length, dtype=np.int32) - length
    places = np.arange(len(scenes), dtype=np.int32) + np.repeat(begin - before, length)
    return scenes, places.astype(np.int32)
