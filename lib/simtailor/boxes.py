"""Boxes around masks."""

from __future__ import annotations

import numpy as np


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Return boxes int [B, 4] of masks bool [B, H, W]: left, top, width, height in pixels.

    An empty mask has a box of no width and height.
    """
    boxes = np.zeros((len(masks), 4), dtype=np.int64)
    for column, axis in ((0, 1), (1, 2)):
        filled = masks.any(axis)
        boxes[:, column] = filled.argmax(1)
        boxes[:, column + 2] = filled.shape[1] - filled[:, ::-1].argmax(1) - boxes[:, column]
    boxes[~masks.any((1, 2))] = 0
    return boxes
