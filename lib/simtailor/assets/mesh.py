"""Meshes with materials, and the few surfaces that built-in objects are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Material:
    """Parametric PBR material.

    Attributes:
        base_colour: linear RGB in [0, 1].
        roughness: in [0, 1]; metallic: in [0, 1].
        texture: linear float [h, w, 3] that multiplies the base colour, or None.
    """

    base_colour: tuple[float, float, float]
    roughness: float = 0.5
    metallic: float = 0.0
    texture: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with shading normals, texture coordinates and a material a face.

    Attributes:
        vertices: float32 [V, 3] metres; normals: float32 [V, 3]; coordinates: float32 [V, 2].
        faces: int32 [F, 3]; face_materials: int32 [F], indices into ``materials``.
        clear_top: a horizontal rectangle, faces 0 and 1, that every ray which comes from
            above and meets it meets first of all this mesh; such a ray needs no search.
    """

    vertices: np.ndarray
    normals: np.ndarray
    coordinates: np.ndarray
    faces: np.ndarray
    face_materials: np.ndarray
    materials: tuple[Material, ...] = field(default=())
    clear_top: bool = False

    @property
    def texture_density(self) -> float:
        """Texture repeats a metre: the root of texture area over surface area."""
        corner, *others = (self.vertices[self.faces[:, i]] for i in range(3))
        area = np.linalg.norm(np.cross(others[0] - corner, others[1] - corner), axis=1).sum()
        corner, *others = (self.coordinates[self.faces[:, i]] for i in range(3))
        first, second = others[0] - corner, others[1] - corner
        texture_area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum()
        return float(np.sqrt(texture_area / max(area, 1e-12)))

    def with_material(self, material: Material) -> Mesh:
        """Return the mesh made of one material."""
        return replace(
            self, materials=(material,), face_materials=np.zeros(len(self.faces), np.int32)
        )


def smooth_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return area-weighted vertex normals; vertices at the same place share one (no seams)."""
    corner, *others = (vertices[faces[:, i]] for i in range(3))
    of_face = np.cross(others[0] - corner, others[1] - corner)
    _, place = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
    place = place.reshape(-1)
    total = np.zeros((place.max() + 1, 3))
    for i in range(3):
        np.add.at(total, place[faces[:, i]], of_face)
    normals = total[place]
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def grid_surface(points: np.ndarray, material: Material, repeats: tuple[float, float]) -> Mesh:
    """Return the surface through a grid of points.

    Args:
        points: [m, n, 3] metres.
        repeats: how often the texture repeats along the two directions of the grid.
    """
    m, n = points.shape[:2]
    index = np.arange(m * n).reshape(m, n)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate(
        [np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)]
    )
    vertices = points.reshape(-1, 3)
    rows, columns = np.meshgrid(
        np.linspace(0, repeats[0], m), np.linspace(0, repeats[1], n), indexing="ij"
    )
    return Mesh(
        vertices=vertices.astype(np.float32),
        normals=smooth_normals(vertices, faces).astype(np.float32),
        coordinates=np.stack([columns, rows], -1).reshape(-1, 2).astype(np.float32),
        faces=faces.astype(np.int32),
        face_materials=np.zeros(len(faces), np.int32),
        materials=(material,),
    )


def loft(
    half_width: float,
    half_length: float,
    profile: list[tuple[float, float]],
    material: Material,
    *,
    exponent: float = 2.0,
    segments: int = 96,
    relief: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    repeats: tuple[float, float] = (1.0, 1.0),
) -> Mesh:
    """Return a vessel: a superellipse swept along a profile.

    Args:
        half_width, half_length: half axes of the outline in x and z, metres.
        profile: (inset, height) pairs in metres; an inset of the whole half width closes it.
        exponent: 2 is an ellipse, 5 a rectangle with round corners.
        relief: displacement outwards in metres of (row, turn), turn in [0, 1].
    """
    insets, heights = np.array(profile, dtype=np.float64).T
    turn = np.linspace(0, 1, segments + 1)
    # Rounded, or the root of a zero that is not quite zero would open the seam.
    cosine, sine = (np.round(f(2 * np.pi * turn), 12) for f in (np.cos, np.sin))
    unit_x = np.sign(cosine) * np.abs(cosine) ** (2 / exponent)
    unit_z = np.sign(sine) * np.abs(sine) ** (2 / exponent)
    # A vessel closed at its axis shrinks both half axes to 0 together.
    smaller = min(half_width, half_length)
    shrink_x = half_width - insets * half_width / smaller
    shrink_z = half_length - insets * half_length / smaller
    rows, turns = np.meshgrid(np.arange(len(insets)), turn, indexing="ij")
    offset = relief(rows, turns) if relief else np.zeros_like(turns)
    x = shrink_x[:, None] * unit_x + offset * unit_x
    z = shrink_z[:, None] * unit_z + offset * unit_z
    y = np.repeat(heights[:, None], segments + 1, axis=1)
    return grid_surface(np.stack([x, y, z], -1), material, repeats)


def tube(path: np.ndarray, radius: float, material: Material, *, sides: int = 20) -> Mesh:
    """Return a round tube along a path [n, 3] that lies in a plane."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.cross(path[-1] - path[0], path[len(path) // 2] - path[0])
    normal /= np.linalg.norm(normal)
    other = np.cross(tangent, normal)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angle)[None, :, None] * normal + np.sin(angle)[None, :, None] * other[:, None, :]
    return grid_surface(path[:, None, :] + radius * ring, material, (8.0, 1.0))


def join(*meshes: Mesh) -> Mesh:
    """Return one mesh of several; each keeps its own materials."""
    vertex = np.cumsum([0, *[len(m.vertices) for m in meshes]])
    material = np.cumsum([0, *[len(m.materials) for m in meshes]])
    return Mesh(
        vertices=np.concatenate([m.vertices for m in meshes]),
        normals=np.concatenate([m.normals for m in meshes]),
        coordinates=np.concatenate([m.coordinates for m in meshes]),
        faces=np.concatenate(
            [m.faces + start for m, start in zip(meshes, vertex, strict=False)]
        ).astype(np.int32),
        face_materials=np.concatenate(
            [m.face_materials + start for m, start in zip(meshes, material, strict=False)]
        ).astype(np.int32),
        materials=sum((m.materials for m in meshes), ()),
    )


def moved(mesh: Mesh, offset: tuple[float, float, float]) -> Mesh:
    """Return the mesh moved by ``offset`` metres."""
    return replace(mesh, vertices=mesh.vertices + np.array(offset, np.float32))


def box(
    low: tuple[float, float, float], high: tuple[float, float, float], material: Material
) -> Mesh:
    """Return an axis-aligned box with flat faces."""
    corners = np.array([low, high], dtype=np.float32)
    sides = []
    for axis in range(3):
        for side in (0, 1):
            first, second = (axis + 1) % 3, (axis + 2) % 3
            points = np.zeros((2, 2, 3), np.float32)
            points[..., axis] = corners[side, axis]
            points[..., first] = corners[:, first][:, None]
            points[..., second] = corners[:, second][None, :]
            sides.append(grid_surface(points, material, (1.0, 1.0)))
    joined = join(*sides)
    return joined.with_material(material)
