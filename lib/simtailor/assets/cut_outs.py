"""Triangles whose picture is clear in places, cut along its edge: the ray caster draws no alpha.

Leaves, fences and hair are often a picture on a few triangles. A triangle that the edge crosses
is divided until its pieces are about two texels wide; pieces that are clear are left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import trimesh
from PIL import Image

from simtailor.assets.model_parts import ModelError, Part, Parts

TEXELS = 64  # of the map of alpha along its longer side: finer edges are not drawn
ROUNDS = 8  # at most so often a triangle is divided
# Where alpha is looked up on a triangle: corners, middles of sides and of what lies between.
PROBES = np.array(
    [[i, j, 6 - i - j] for i in range(7) for j in range(7 - i)], dtype=np.float64
) / 6 * 0.98 + 0.02 / 3  # fmt: skip


def alpha_map(image: Image.Image) -> np.ndarray:
    """Return a picture's alpha in [0, 1], at most ``TEXELS`` along its longer side: [h, w]."""
    alpha = image.convert("RGBA").getchannel("A")
    alpha.thumbnail((TEXELS, TEXELS), Image.Resampling.BOX)
    return np.asarray(alpha, dtype=np.float64) / 255


def cut_outs(found: Parts, maximum_faces: int) -> None:
    """Cut all parts whose pictures are clear in places, within a number of triangles.

    Raises:
        ModelError: nothing is left.
    """
    spare = maximum_faces - sum(len(part.faces) for part in found.parts)
    for index, part in enumerate(found.parts):
        if part.alpha is None or part.coordinates is None or part.of_faces:
            continue
        if not np.isfinite(part.coordinates).all():
            continue
        found.parts[index], whole = _cut(part, part.alpha, max(spare, 0))
        spare -= len(found.parts[index].faces) - len(part.faces)
        if not whole:
            found.note("the edges of clear parts are coarse: they need too many triangles")
    found.parts = [part for part in found.parts if len(part.faces)]
    if not found.parts:
        raise ModelError("all of its pictures are clear (alpha 0): nothing is to be seen")


def _cut(part: Part, alpha: np.ndarray, spare: int) -> tuple[Part, bool]:
    """Return the part without what is clear, and whether all edges were followed.

    Args:
        spare: number of triangles that may be added; beyond, edges are coarse.
    """
    assert part.coordinates is not None
    cutoff = part.cutoff
    carried = [part.coordinates] if part.colours is None else [part.coordinates, part.colours]
    vertices, faces, values = part.vertices, part.faces, np.column_stack(carried)
    whole = True
    for _ in range(ROUNDS):
        shown = _shown(values[faces][..., :2], alpha, cutoff)
        faces = faces[shown.any(1)]  # what is clear falls away
        shown = shown[shown.any(1)]
        mixed = np.flatnonzero(~shown.all(1) & (_texels(values[faces][..., :2], alpha) > 2))
        # Coarse triangles may hide holes between the probes.
        coarse = np.flatnonzero(_texels(values[faces][..., :2], alpha) > TEXELS)
        mixed = np.union1d(mixed, coarse)
        if not len(mixed):
            break
        if 3 * len(mixed) > spare:
            whole = False
            break
        spare -= 3 * len(mixed)
        vertices, faces, attributes = trimesh.remesh.subdivide(
            vertices, faces, face_index=mixed, vertex_attributes={"all": values}
        )
        values = attributes["all"]
    shown = _shown(values[faces][..., :2], alpha, cutoff)
    faces = faces[shown.mean(1) >= 0.5]
    colours = values[:, 2:] if part.colours is not None else None
    return replace(
        part, vertices=vertices, faces=faces, coordinates=values[:, :2], colours=colours
    ), whole


def _shown(corners: np.ndarray, alpha: np.ndarray, cutoff: float) -> np.ndarray:
    """Return for texture coordinates [F, 3, 2] which probes are not clear: bool [F, probes]."""
    at = np.einsum("pi,fid->fpd", PROBES, corners)
    height, width = alpha.shape
    columns = np.floor(at[..., 0] * width).astype(np.int64) % width
    rows = np.floor(at[..., 1] * height).astype(np.int64) % height
    return alpha[rows, columns] >= cutoff


def _texels(corners: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the longest side of triangles [F, 3, 2] in texels of a map."""
    sides = (corners - np.roll(corners, 1, axis=1)) * [alpha.shape[1], alpha.shape[0]]
    return np.linalg.norm(sides, axis=2).max(1)
