"""Outlines of masks as polygons along the edges of pixels, which are exact."""

from __future__ import annotations

import numpy as np

# Directions on the grid of corners, rows down: right, down, left, up.
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return the closed outlines of a mask bool [H, W], the longest first.

    Walks along the edges between pixels with the mask to the right. Where two pixels of the mask
    meet at a corner alone, it turns so that they are apart.

    Returns:
        int64 [n, 2] each, columns and rows of the corners where the direction changes. Outer ones
        run clockwise in the image, those of holes the other way round.
    """
    padded = np.pad(mask.astype(np.int8), 1)
    # Edges by direction; those that run right have the mask below and none above, and so on.
    below, right = np.diff(padded, axis=0)[:, 1:], np.diff(padded, axis=1)[1:]
    starts = (
        np.argwhere(below == 1),
        np.argwhere(right == -1),
        np.argwhere(below == -1) + np.array([0, 1]),
        np.argwhere(right == 1) + np.array([1, 0]),
    )
    edges = {
        (row, column, d): None for d, some in enumerate(starts) for row, column in some.tolist()
    }
    found = []
    while edges:
        row, column, direction = first = next(iter(edges))
        corners = []
        while (row, column, direction) in edges:
            del edges[row, column, direction]
            row, column = row + STEPS[direction][0], column + STEPS[direction][1]
            turned = next(
                (t for t in (1, 0, 3) if (row, column, (direction + t) % 4) in edges), None
            )
            if turned is None:  # back at the start
                turned = (first[2] - direction) % 4
            if turned:
                corners.append((column, row))
            direction = (direction + turned) % 4
        found.append(np.array(corners, dtype=np.int64))
    return sorted(found, key=len, reverse=True)


def joined(loops: list[np.ndarray]) -> np.ndarray:
    """Return several outlines as one polygon, by bridges without width: int64 [n, 2].

    Formats with one polygon an object need it for objects in several parts or with holes. By the
    rule of even and odd crossings the polygon covers exactly what the outlines do.
    """
    polygon = loops[0]
    for loop in loops[1:]:
        distances = np.abs(polygon[:, None] - loop[None]).sum(-1)
        here, there = np.unravel_index(int(distances.argmin()), distances.shape)
        around = np.roll(loop, -there, axis=0)
        polygon = np.concatenate([polygon[: here + 1], around, around[:1], polygon[here:]])
    return polygon
