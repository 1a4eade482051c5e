"""Assets on a device: meshes, materials, textures and environments as the kernels want them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import warp as wp

from simtailor.assets.mesh import Material, Mesh
from simtailor.render.raycast import records
from simtailor.render.raycast.environment import Environment


def upload_assets(
    meshes: Sequence[Mesh],
    environments: Sequence[Environment],
    extra_materials: Sequence[Material],
    device: wp.Device,
) -> records.Assets:
    """Upload assets; ``extra_materials`` come after those of all meshes.

    Args:
        environments: all of one size.
    """

    def array(values: np.ndarray, kind: type) -> wp.array:
        return wp.array(np.ascontiguousarray(values), dtype=kind, device=device)

    assets = records.Assets()
    assets.meshes = array(_mesh_records(meshes), records.MeshRecord)
    assets.points = array(np.concatenate([m.vertices for m in meshes]), wp.vec3)
    assets.normals = array(np.concatenate([m.normals for m in meshes]), wp.vec3)
    assets.coordinates = array(np.concatenate([m.coordinates for m in meshes]), wp.vec2)
    assets.faces = array(np.concatenate([m.faces for m in meshes]), wp.vec3i)
    assets.face_materials = array(np.concatenate([m.face_materials for m in meshes]), wp.int32)
    own = [material for mesh in meshes for material in mesh.materials]
    materials, textures, texels = _material_records([*own, *extra_materials])
    assets.materials = array(materials, records.MaterialRecord)
    assets.textures = array(textures, records.TextureRecord)
    assets.texels = array(texels, wp.vec3h)
    assets.backgrounds = array(np.stack([e.background for e in environments])[:, None], wp.vec3h)
    assets.reflections = array(np.stack([e.reflections for e in environments]), wp.vec3h)
    assets.harmonics = array(np.stack([e.harmonics for e in environments]), wp.vec3)
    return assets


def _material_records(
    materials: Sequence[Material],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return records of materials and textures, and the texels of all textures [T, 3]."""
    textures, texels, known = [], [np.zeros((1, 3), np.float16)], {}
    material_records = np.zeros(max(1, len(materials)), records.MaterialRecord.numpy_dtype())
    for record, material in zip(material_records, materials, strict=False):
        record["base_colour"] = material.base_colour
        record["roughness"] = material.roughness
        record["metallic"] = material.metallic
        record["texture"] = -1
        if material.texture is not None:
            key = id(material.texture)
            if key not in known:
                known[key] = len(textures)
                levels = mip_levels(material.texture)
                height, width = material.texture.shape[:2]
                first = sum(len(t) for t in texels)
                textures.append((first, width, height, len(levels)))
                texels += [level.reshape(-1, 3).astype(np.float16) for level in levels]
            record["texture"] = known[key]
    texture_records = np.zeros(max(1, len(textures)), records.TextureRecord.numpy_dtype())
    for record, values in zip(texture_records, textures, strict=False):
        names = ("first_texel", "width", "height", "levels")
        for name, value in zip(names, values, strict=True):
            record[name] = value
    return material_records, texture_records, np.concatenate(texels)


def _mesh_records(meshes: Sequence[Mesh]) -> np.ndarray:
    mesh_records = np.zeros(len(meshes), records.MeshRecord.numpy_dtype())
    first_vertex = first_face = first_material = 0
    for record, mesh in zip(mesh_records, meshes, strict=True):
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        margin = 1e-4 * np.linalg.norm(high - low)  # nothing is lost by rounding
        record["first_vertex"], record["first_face"] = first_vertex, first_face
        record["first_material"] = first_material
        record["low"], record["high"] = low - margin, high + margin
        record["texture_density"] = mesh.texture_density
        if mesh.clear_top:
            corners = mesh.vertices[mesh.faces[:2]].reshape(-1, 3)
            record["clear_top"] = 1
            record["clear_low"], record["clear_high"] = corners.min(0), corners.max(0)
        first_vertex += len(mesh.vertices)
        first_face += len(mesh.faces)
        first_material += len(mesh.materials)
    return mesh_records


def mip_levels(texture: np.ndarray) -> list[np.ndarray]:
    """Return the texture and its halvings down to one texel: [h, w, 3], [h/2, w/2, 3], ..."""
    levels = [np.asarray(texture, dtype=np.float32)]
    while max(levels[-1].shape[:2]) > 1:
        level = levels[-1]
        for axis in (0, 1):
            if level.shape[axis] > 1:
                even = level.shape[axis] // 2 * 2
                first = level.take(range(0, even, 2), axis)
                level = (first + level.take(range(1, even, 2), axis)) / 2
        levels.append(level)
    return levels
