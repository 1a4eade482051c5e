"""How far a mesh reaches, by a few of its points."""

from __future__ import annotations

import numpy as np

from simtailor.assets.mesh import Mesh

SLACK_DIRECTIONS = 1500
OUTLINE_POINTS = 320  # directions whose farthest vertices stand for an object's outline


def support_points(mesh: Mesh, directions: int = 1000) -> np.ndarray:
    """Return the vertices that lie furthest in evenly spread directions: float32 [directions, 3].

    They stand for the whole mesh where its lowest point is wanted, at a small part of the cost.
    """
    return mesh.vertices[np.argmax(even_directions(directions) @ mesh.vertices.T, axis=1)]


def even_directions(count: int) -> np.ndarray:
    """Return directions [count, 3]: a Fibonacci lattice, and the axes for exact upright heights."""
    index = np.arange(count - 6) + 0.5
    polar, azimuth = np.arccos(1 - 2 * index / (count - 6)), np.pi * (1 + 5**0.5) * index
    lattice = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)], -1
    )
    return np.concatenate([np.eye(3), -np.eye(3), lattice])


def slack_of(mesh: Mesh, outline: np.ndarray) -> float:
    """Return how far a mesh reaches beyond the convex hull of some of its points, in metres.

    Twice what is found in so many directions, for those between them.
    """
    directions = even_directions(SLACK_DIRECTIONS)
    reach, of_outline = ((directions @ p.T).max(1) for p in (mesh.vertices, outline))
    return 2 * float((reach - of_outline).max())
