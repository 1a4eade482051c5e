"""Solids that procedural objects are put together from, and how meshes are shaded and placed.

Lengths in metres, y points up. Every solid is closed, with flat faces where it is flat and
smooth ones where it is smooth: an edge is sharp if its faces meet at more than ``crease``
degrees. Texture coordinates are projected along the axis that a face looks at, one repeat a
metre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import trimesh

from simtailor.assets.mesh import Material, Mesh
from simtailor.render.raycast.scenes import rotation_about

Point = Sequence[float] | np.ndarray
CREASE = 40.0  # degrees


def shaded(
    vertices: np.ndarray,
    faces: np.ndarray,
    material: Material,
    *,
    crease: float = CREASE,
    coordinates: np.ndarray | None = None,
    repeats: float = 1.0,
    face_materials: np.ndarray | None = None,
) -> Mesh:
    """Return triangles as a mesh of one material, with normals and texture coordinates.

    Normals are those of the neighbouring faces within ``crease`` degrees, weighted by area.

    Args:
        vertices: [V, 3]; faces: int [F, 3]. Faces without area are left out.
        coordinates: [V, 2], or None to project them with ``repeats`` a metre.
        face_materials: int [F], which of several materials each face is of; the caller sets them.
    """
    vertices, faces = np.asarray(vertices, dtype=np.float64), np.asarray(faces)
    first, place = _distinct(np.round(vertices * 1e6))
    given, faces = faces, place[faces]
    places = vertices[first]
    corners = places[faces]
    of_face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(of_face, axis=1)
    keep = area > 1e-14
    faces, given, of_face = faces[keep], given[keep], of_face[keep]
    unit = of_face / area[keep, None]
    normals = _corner_normals(faces, of_face, unit, crease)
    points = places[faces.reshape(-1)]
    if coordinates is None:
        axis = np.repeat(np.abs(unit).argmax(1), 3)
        row = np.arange(len(points))
        flat = [points[row, np.where(axis == 0, 2, 0)], points[row, np.where(axis == 1, 2, 1)]]
        texture = repeats * np.stack(flat, -1)
    else:
        texture = np.asarray(coordinates, dtype=np.float64)[given.reshape(-1)]
    # Corners that share place, normal and texture become one vertex.
    key = [faces.reshape(-1), np.round(normals * 1000), np.round(texture * 10000)]
    first, index = _distinct(np.column_stack(key))
    return Mesh(
        vertices=points[first].astype(np.float32),
        normals=normals[first].astype(np.float32),
        coordinates=texture[first].astype(np.float32),
        faces=index.reshape(-1, 3).astype(np.int32),
        face_materials=(
            np.zeros(len(faces), np.int32)
            if face_materials is None
            else face_materials[keep].astype(np.int32)
        ),
        materials=(material,),
    )


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first place of each distinct row of whole numbers, and which one each row is.

    Rows are told apart by a hash of 64 bits, which sorts far faster than rows.
    """
    factors = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], dtype=np.uint64) | 1
    mixed = rows.astype(np.int64).view(np.uint64) * factors
    mixed ^= mixed >> np.uint64(29)
    hashes = (mixed * factors).sum(1)
    _, first, index = np.unique(hashes, return_index=True, return_inverse=True)
    return first, index.reshape(-1)


def _corner_normals(
    faces: np.ndarray, of_face: np.ndarray, unit: np.ndarray, crease: float
) -> np.ndarray:
    """Return the unit normal of every face's corner: [3 F, 3]."""
    places = faces.reshape(-1)
    order = np.argsort(places, kind="stable")
    sizes = np.bincount(places)
    starts = np.cumsum(sizes) - sizes
    # Every pair of a corner and a face that meets it at its place.
    size = sizes[places]
    corner = np.repeat(np.arange(len(places)), size)
    within = np.arange(len(corner)) - np.repeat(np.cumsum(size) - size, size)
    face = order[np.repeat(starts[places], size) + within] // 3
    alike = (unit[corner // 3] * unit[face]).sum(1) > np.cos(np.radians(crease))
    corner, face = corner[alike], face[alike]
    normals = np.stack(
        [np.bincount(corner, of_face[face, i], minlength=len(places)) for i in range(3)], -1
    )
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)


def from_trimesh(shape: trimesh.Trimesh, material: Material, *, crease: float = CREASE) -> Mesh:
    """Return a shape of trimesh, whose z points up, as a mesh of ours."""
    vertices = shape.vertices[:, [0, 2, 1]] * [1, 1, -1]
    return shaded(vertices, shape.faces, material, crease=crease)


def block(
    size: Point, material: Material, *, centre: Point = (0, 0, 0), bevel: float = 0.0
) -> Mesh:
    """Return a cuboid, or one whose edges are rounded by ``bevel``."""
    half = np.asarray(size, dtype=np.float64) / 2
    if bevel <= 0:
        shape = trimesh.creation.box(extents=2 * half)
        return shaded(shape.vertices + centre, shape.faces, material)
    bevel = min(bevel, half.min() * 0.999)
    ball = trimesh.creation.icosphere(subdivisions=1).vertices * bevel
    corners = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1).T * (half - bevel)
    return hull((corners[:, None] + ball).reshape(-1, 3) + centre, material)


def hull(points: np.ndarray, material: Material, *, crease: float = CREASE) -> Mesh:
    """Return the convex hull of points [n, 3]."""
    shape = trimesh.convex.convex_hull(np.asarray(points, dtype=np.float64))
    return shaded(shape.vertices, shape.faces, material, crease=crease)


def ellipsoid(
    radii: Point, material: Material, *, centre: Point = (0, 0, 0), fine: bool = False
) -> Mesh:
    """Return an ellipsoid with half axes ``radii``, of 320 triangles, or 1280 if ``fine``."""
    ball = trimesh.creation.icosphere(subdivisions=3 if fine else 2)
    return shaded(ball.vertices * radii + centre, ball.faces, material, crease=180)


def revolved(
    profile: Sequence[tuple[float, float]],
    material: Material,
    *,
    sections: int = 40,
    crease: float = CREASE,
) -> Mesh:
    """Return the solid that a profile of (radius, height) pairs makes around the y axis."""
    line = np.maximum(np.asarray(profile, dtype=np.float64), [0, -np.inf])
    return from_trimesh(trimesh.creation.revolve(line, sections=sections), material, crease=crease)


def curve(points: Sequence[Point], count: int = 24) -> np.ndarray:
    """Return a smooth curve through points: [count, d] (Catmull and Rom, 1974)."""
    points = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    at = np.linspace(0, len(points) - 1, count)
    start = np.minimum(at.astype(int), len(points) - 2)
    t = (at - start)[:, None]
    a, b, c, d = (padded[start + i] for i in range(4))
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )


def rod(
    path: Sequence[Point],
    radius: float | Sequence[float] | np.ndarray,
    material: Material,
    *,
    sides: int = 14,
    flatten: float = 1.0,
    crease: float = CREASE,
) -> Mesh:
    """Return a closed rod along any path [n, 3].

    Args:
        radius: of the rod, or of each point of the path.
        flatten: the rod's thickness over its width.
    """
    path = np.asarray(path, dtype=np.float64)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.eye(3)[np.abs(tangent[0]).argmin()]
    frames = []
    for direction in tangent:  # carried along without twist
        side = side - direction * (side @ direction)
        side /= np.linalg.norm(side)
        frames.append((side, np.cross(direction, side)))
    frames = np.array(frames)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.stack([flatten * np.cos(angle), np.sin(angle)], -1) @ frames
    ring *= np.broadcast_to(radius, len(path))[:, None, None]
    return lofted(path[:, None] + ring, material, crease=crease)


def lofted(
    rings: np.ndarray, material: Material, *, crease: float = CREASE, ends: bool = True
) -> Mesh:
    """Return the surface through rings of points [n, m, 3], closed by fans at both ends."""
    n, m = rings.shape[:2]
    index = np.arange(n * m).reshape(n, m)
    a, c = index[:-1], index[1:]
    b, d = np.roll(a, -1, axis=1), np.roll(c, -1, axis=1)
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    if ends:
        first, last = np.full(m, n * m), np.full(m, n * m + 1)
        faces.append(np.stack([first, np.roll(index[0], -1), index[0]], -1))
        faces.append(np.stack([last, index[-1], np.roll(index[-1], -1)], -1))
    vertices = np.concatenate([rings.reshape(-1, 3), rings[[0, -1]].mean(1)])
    return shaded(vertices, np.concatenate(faces), material, crease=crease)


def extruded(
    outline: np.ndarray, depth: float, material: Material, *, crease: float = CREASE
) -> Mesh:
    """Return an outline [n, 2] in the x-y plane as a plate of a thickness in z, centred.

    Every point of the outline must be seen from its centre.
    """
    outline = np.asarray(outline, dtype=np.float64)
    rings = [np.column_stack([outline, np.full(len(outline), z)]) for z in (-depth / 2, depth / 2)]
    return lofted(np.array(rings), material, crease=crease)


def turned(mesh: Mesh, axis: str, degrees: float) -> Mesh:
    """Return the mesh turned about ``x``, ``y`` or ``z`` through the origin."""
    return rotated(mesh, rotation_about(axis, degrees))


def rotated(mesh: Mesh, rotation: np.ndarray) -> Mesh:
    """Return the mesh turned by a rotation matrix [3, 3]."""
    turn = rotation.T.astype(np.float32)
    return replace(mesh, vertices=mesh.vertices @ turn, normals=mesh.normals @ turn)


def stretched(mesh: Mesh, factors: Point) -> Mesh:
    """Return the mesh stretched along the axes by factors greater than 0."""
    factors = np.asarray(factors, dtype=np.float32)
    normals = mesh.normals / factors
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return replace(mesh, vertices=mesh.vertices * factors, normals=normals)


def centred(mesh: Mesh) -> Mesh:
    """Return the mesh with the middle of its bounding box at the origin."""
    middle = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
    return replace(mesh, vertices=mesh.vertices - middle)
