"""Which pixels an object and its shadow can change, as spans of a picture's rows."""

from __future__ import annotations

import numpy as np

from simtailor.render.raycast.pixels import Spans
from simtailor.render.raycast.scenes import Scenes

DIRECTIONS = 16  # sides of the polygon around an object and its shadow
MARGIN = 2, 1 / 64  # pixels around it: at least, and as a share of the picture
STEEPEST = 0.05  # least height of a light over the ground, of its length
NEAREST = 0.02  # metres before the camera; what comes nearer fills the picture


def object_spans(
    points: np.ndarray,
    scenes: Scenes,
    size: int,
    ground: tuple[np.ndarray, np.ndarray],
) -> Spans:
    """Return where an object and its shadow on the ground can show.

    Both lie within the convex polygon around their points in the picture, of so many directions.
    Where a shadow can leave the ground, the light is low, or a point comes near the camera, it is
    the whole picture.

    Args:
        points: [B, P, 3] points around the object, metres.
        size: pixels of the square picture.
        ground: opposite corners, [3] each, of the level rectangle that takes the shadow.
    """
    low, high = ground
    shadow, whole = _shadows(points, scenes, low[1])
    inside = (shadow[..., [0, 2]] > low[[0, 2]]) & (shadow[..., [0, 2]] < high[[0, 2]])
    whole |= ~inside.all((1, 2))
    x, y, near = _projected(np.concatenate([points, shadow], 1), scenes, size)
    whole |= near
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    # Rounded, or a side that is level would be taken for one that is nearly so.
    cosine, sine = np.round(np.cos(angles), 9), np.round(np.sin(angles), 9)
    margin = max(MARGIN[0], MARGIN[1] * size)
    reach = np.stack(
        [(x * c + y * s).max(1) for c, s in zip(cosine, sine, strict=True)], axis=1
    ) + margin  # fmt: skip
    rows = np.arange(size) + 0.5
    left, right = np.zeros((len(x), size)), np.full((len(x), size), float(size))
    for c, s, far in zip(cosine, sine, reach.T, strict=True):
        along = far[:, None] - rows * s
        if c > 0:
            right = np.minimum(right, along / c)
        elif c < 0:
            left = np.maximum(left, along / c)
        else:
            right = np.where(along < 0, 0.0, right)
    first = np.ceil(left - 0.5).clip(0, size)
    end = np.floor(right + 0.5).clip(0, size)
    first = np.where(whole[:, None], 0, first)
    end = np.where(whole[:, None], size, end)
    return Spans(first.astype(np.int32), np.maximum(end - first, 0).astype(np.int32))


def _shadows(points: np.ndarray, scenes: Scenes, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the farthest shadows of points on a level plane, [B, 4 P, 3], and which fail [B]."""
    light = scenes.light_direction / np.linalg.norm(scenes.light_direction, axis=1, keepdims=True)
    soft = scenes.light_softness[:, None] * np.array([-1.0, 1.0])
    steep = light[:, 1:2] + soft
    low = steep.min(1) < STEEPEST
    steep = np.maximum(steep, STEEPEST)
    above = points[..., 1] - height
    shifts = []
    for axis in (0, 2):
        ratios = ((light[:, axis : axis + 1] + soft)[:, :, None] / steep[:, None]).reshape(-1, 4)
        shifts.append((ratios.min(1), ratios.max(1)))
    shadow = np.empty((len(points), 4, points.shape[1], 3), points.dtype)
    shadow[..., 1] = height
    for i, (shift_x, shift_z) in enumerate((x, z) for x in shifts[0] for z in shifts[1]):
        shadow[:, i, :, 0] = points[..., 0] - shift_x[:, None] * above
        shadow[:, i, :, 2] = points[..., 2] - shift_z[:, None] * above
    return shadow.reshape(len(points), -1, 3), low


def _projected(
    points: np.ndarray, scenes: Scenes, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns and rows of points in the picture, [B, P], and which come near [B]."""
    seen = (points - scenes.eye[:, None]) @ scenes.camera
    depth = -seen[..., 2]
    near = depth.min(1) < NEAREST
    scale = size / 2 / (np.maximum(depth, NEAREST) * np.tan(scenes.field_of_view[:, None] / 2))
    return size / 2 + seen[..., 0] * scale, size / 2 - seen[..., 1] * scale, near
