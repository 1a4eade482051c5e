"""What is known of a stage's objects beside what a picture shows: whole outlines, poses, models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simtailor.assets.mesh import Material, Mesh
from simtailor.assets.model_parts import srgb
from simtailor.boxes import boxes_of
from simtailor.render.models import ObjectModel
from simtailor.render.raycast.caster import RayCaster
from simtailor.render.raycast.scenes import Scenes

WIDER = 3  # times the picture, in which an object is looked for that reaches beyond its edges
PIXELS = 1 << 24  # looked at at a time
OPENCV = np.diag([1.0, -1.0, -1.0])  # to the right, down, forwards, from right, up, backwards


def full_masks(
    caster: RayCaster, scenes: Scenes, size: tuple[int, int], instances: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each instance would show alone, through a pinhole.

    Args:
        size: height and width in pixels.

    Returns:
        uint8 [B, N, H, W], and boxes and numbers of pixels, int32 [B, N, 5]; an instance that
        reaches the picture's edge is looked at in a picture ``WIDER`` times as wide and high.
    """
    count, (height, width) = len(scenes), size
    masks = np.zeros((count, len(instances), height, width), np.uint8)
    wide = WIDER * height, WIDER * width
    silhouettes = np.zeros((count, len(instances), 5), np.int32)
    for place, instance in enumerate(instances):
        alone = scenes[:]
        alone.mesh = np.where(np.arange(scenes.mesh.shape[1]) == instance, scenes.mesh, -1)
        seen = caster.look(alone, size).masks > 0
        masks[:, place], silhouettes[:, place] = seen, _measured(seen)
        there = scenes.mesh[:, instance] >= 0
        wider = np.flatnonzero(there & (_at_edge(seen) | ~seen.any((1, 2))))
        together = max(1, PIXELS // (wide[0] * wide[1]))
        for some in np.split(wider, range(together, len(wider), together)):
            beyond = _measured(caster.look(_widened(alone[some]), wide).masks > 0)
            beyond[:, :2] -= np.array([width, height]) * (beyond[:, 4:] > 0)
            silhouettes[some, place] = beyond
    return masks, silhouettes


def _measured(seen: np.ndarray) -> np.ndarray:
    """Return boxes and numbers of pixels of masks bool [B, H, W]: int [B, 5]."""
    return np.concatenate([boxes_of(seen), seen.sum((1, 2))[:, None]], 1)


def _at_edge(seen: np.ndarray) -> np.ndarray:
    ends = (seen[:, 0], seen[:, -1], seen[:, :, 0], seen[:, :, -1])
    return np.any([end.any(1) for end in ends], axis=0)


def _widened(scenes: Scenes) -> Scenes:
    """Return scenes whose pictures show as much more as they are larger."""
    scenes.field_of_view = 2 * np.arctan(WIDER * np.tan(scenes.field_of_view / 2))
    scenes.principal = scenes.principal / WIDER
    return scenes


def camera_matrices(scenes: Scenes, size: tuple[int, int]) -> np.ndarray:
    """Return camera matrices float32 [B, 3, 3]; pixel (0, 0) has its middle at (0, 0)."""
    height, width = size
    matrices = np.zeros((len(scenes), 3, 3))
    matrices[:, 0, 0] = width / 2 / np.tan(scenes.field_of_view / 2)
    matrices[:, 1, 1] = matrices[:, 0, 0] * scenes.stretch
    matrices[:, :2, 2] = np.array([width - 1, height - 1]) / 2 + scenes.principal * width / 2
    matrices[:, 2, 2] = 1
    return matrices.astype(np.float32)


def object_poses(scenes: Scenes, instances: Sequence[int]) -> np.ndarray:
    """Return what takes points of the instances' meshes to the camera: float32 [B, N, 3, 4]."""
    to_camera = OPENCV @ scenes.camera.astype(np.float64).transpose(0, 2, 1)  # [B, 3, 3]
    chosen = list(instances)
    turned = scenes.scale[:, chosen, None, None] * scenes.rotation[:, chosen].astype(np.float64)
    away = scenes.position[:, chosen].astype(np.float64) - scenes.eye[:, None]
    poses = np.concatenate(
        [to_camera[:, None] @ turned, to_camera[:, None] @ away[..., None]], axis=-1
    )
    poses[scenes.mesh[:, chosen] < 0] = 0
    return poses.astype(np.float32)


def model_of(mesh: Mesh, symmetry: str) -> ObjectModel:
    """Return a mesh as a model, each vertex in the colour of its material there."""
    parts, first = [], 0
    for number, material in enumerate(mesh.materials):
        faces = mesh.faces[mesh.face_materials == number]
        used, places = np.unique(faces, return_inverse=True)
        colours = _colours(material, mesh.coordinates[used])
        part = mesh.vertices[used], mesh.normals[used], colours, places.reshape(-1, 3) + first
        parts.append(part)
        first += len(used)
    vertices, normals, colours, faces = (np.concatenate(p) for p in zip(*parts, strict=True))
    return ObjectModel(vertices, normals, colours, faces.astype(np.int32), symmetry)


def _colours(material: Material, coordinates: np.ndarray) -> np.ndarray:
    """Return what a material shows at texture coordinates [n, 2]: uint8 [n, 3]."""
    colours = np.broadcast_to(np.float64(material.base_colour), (len(coordinates), 3))
    if material.texture is not None:
        shape = np.array(material.texture.shape[:2])
        rows, columns = (np.floor(coordinates[:, ::-1] * shape).astype(int) % shape).T
        colours = colours * material.texture[rows, columns]
    return np.rint(255 * srgb(colours.clip(0, 1))).astype(np.uint8)
