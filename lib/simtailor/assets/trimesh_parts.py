"""What trimesh reads, as parts of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import trimesh

from simtailor.assets.mesh import Material
from simtailor.assets.model_parts import Part, linear
from simtailor.assets.textures import texture_of


def load_parts(file: Any, *, file_type: str | None = None, **options: Any) -> list[trimesh.Trimesh]:
    """Return the triangles of a file, one mesh a material; options as of ``trimesh.load_scene``."""
    scene = trimesh.load_scene(
        file, file_type=file_type, process=False, split_object=False, **options
    )
    return [p for p in scene.dump() if isinstance(p, trimesh.Trimesh) and len(p.faces)]


def part_of(mesh: trimesh.Trimesh) -> Part:
    """Return a mesh with its material, or with its colours of vertices or faces (sRGB)."""
    coordinates = getattr(mesh.visual, "uv", None)
    if coordinates is not None:
        coordinates = np.column_stack([coordinates[:, 0], 1 - coordinates[:, 1]])
    material = getattr(mesh.visual, "material", None)
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    if isinstance(material, trimesh.visual.material.SimpleMaterial):
        return Part(vertices, faces, _finish(material), coordinates)
    kind = mesh.visual.kind
    if kind in ("vertex", "face"):
        of_faces = kind == "face"
        given = mesh.visual.face_colors if of_faces else mesh.visual.vertex_colors
        colours = linear(np.asarray(given, dtype=np.float64)[:, :3] / 255)
        return Part(vertices, faces, Material((1, 1, 1), 0.6), None, colours, of_faces)
    colour = linear(np.asarray(mesh.visual.main_color[:3]) / 255)
    return Part(vertices, faces, Material(tuple(map(float, colour)), roughness=0.6), coordinates)


def _finish(material: Any) -> Material:
    """Return an OBJ file's material; its exponent as a roughness (Walter et al. 2007, eq. 34)."""
    colour = np.asarray(material.diffuse, dtype=np.float64)[:3] / 255
    exponent = float(np.clip(np.ravel(material.glossiness or 10.0)[0], 1, 1000))
    texture = texture_of(material.image) if material.image is not None else None
    base = (1.0, 1.0, 1.0) if texture is not None else tuple(map(float, linear(colour)))
    return Material(base, roughness=float((2 / (exponent + 2)) ** 0.25), texture=texture)
