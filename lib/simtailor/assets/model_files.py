"""Models read from OBJ, glTF and GLB files, as meshes of ours."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
import trimesh
from PIL import Image

from simtailor.assets.mesh import Material, Mesh, join
from simtailor.assets.shapes import CREASE, centred, shaded, stretched

SUFFIXES = (".obj", ".glb", ".gltf")
MAXIMUM_FACES = 30_000  # more would cost memory that no picture of an object repays
TEXTURE_SIZE = 256  # texels of a texture's longer side, at most
REPEATS = 2.0  # of a material from elsewhere along the longest side, where a part has no texture


class ModelError(ValueError):
    """A file holds no model that can be used; the message says why."""


def read_model(
    file: str | Path | IO[bytes],
    *,
    file_type: str | None = None,
    resolver: Any = None,
    maximum_faces: int = MAXIMUM_FACES,
) -> Mesh:
    """Read a model in its own units, with colours and textures.

    Args:
        file_type: of an open file, such as ``obj``; resolver: finds the files it names.

    Raises:
        ModelError: the file is damaged, holds no triangles, or too many.
    """
    try:
        scene = trimesh.load_scene(
            file, file_type=file_type, resolver=resolver, process=False, split_object=False
        )
        parts = [p for p in scene.dump() if isinstance(p, trimesh.Trimesh) and len(p.faces)]
    except Exception as error:  # readers of many formats, each with exceptions of its own
        raise ModelError(f"cannot be read as a model: {type(error).__name__}: {error}") from error
    faces = sum(len(part.faces) for part in parts)
    if not faces:
        raise ModelError("it holds no triangles")
    if faces > maximum_faces:
        raise ModelError(f"it has {faces} triangles, more than {maximum_faces}")
    if not all(np.isfinite(part.vertices).all() for part in parts):
        raise ModelError("it has vertices that are no numbers")
    low, high = scene.bounds
    # Normals, merging and textures work at the size of a metre, whatever the file's unit is.
    unit = float((high - low).max())
    if unit <= 0:
        raise ModelError("it has no extent")
    meshes = [_part(part, unit) for part in parts]
    meshes = [mesh for mesh in meshes if len(mesh.faces)]
    if not meshes:
        raise ModelError("all its triangles are without area")
    return centred(stretched(join(*meshes), (unit, unit, unit)))


def _part(part: trimesh.Trimesh, unit: float) -> Mesh:
    """Return one part of a file, ``unit`` times smaller."""
    material = getattr(part.visual, "material", None)
    coordinates = getattr(part.visual, "uv", None)
    if isinstance(material, trimesh.visual.material.PBRMaterial):
        finish = _from_pbr(material)
    elif isinstance(material, trimesh.visual.material.SimpleMaterial):
        finish = _from_simple(material)
    else:
        colour = _linear(np.asarray(part.visual.main_color[:3]) / 255)
        finish = Material(tuple(map(float, colour)), roughness=0.6)
    if finish.texture is None or coordinates is None or not np.isfinite(coordinates).all():
        coordinates = None
        finish = Material(finish.base_colour, finish.roughness, finish.metallic)
    else:
        coordinates = np.column_stack([coordinates[:, 0], 1 - coordinates[:, 1]])
    return shaded(
        part.vertices / unit, part.faces, finish, crease=CREASE, coordinates=coordinates,
        repeats=REPEATS,
    )  # fmt: skip


def _from_simple(material: Any) -> Material:
    """Return an OBJ file's material; its exponent as a roughness (Walter et al. 2007, eq. 34)."""
    colour = np.asarray(material.diffuse, dtype=np.float64)[:3] / 255
    exponent = float(np.clip(np.ravel(material.glossiness or 10.0)[0], 1, 1000))
    texture = texture_of(material.image) if material.image is not None else None
    base = (1.0, 1.0, 1.0) if texture is not None else tuple(map(float, _linear(colour)))
    return Material(base, roughness=float((2 / (exponent + 2)) ** 0.25), texture=texture)


def _from_pbr(material: Any) -> Material:
    def factor(value: Any, default: float) -> float:
        return default if value is None else float(np.clip(value, 0, 1))

    colour = material.baseColorFactor
    base = np.ones(3) if colour is None else np.asarray(colour, dtype=np.float64)[:3]
    if colour is not None and np.asarray(colour).dtype.kind in "iu":
        base = base / 255
    image = material.baseColorTexture
    return Material(
        tuple(map(float, base.clip(0, 1))),
        roughness=factor(material.roughnessFactor, 0.8),
        metallic=factor(material.metallicFactor, 0.0 if image is not None else 0.2),
        texture=texture_of(image) if image is not None else None,
    )


def texture_of(image: Image.Image, size: int = TEXTURE_SIZE) -> np.ndarray:
    """Return an sRGB picture as a linear texture no larger than ``size``: float16 [h, w, 3]."""
    image = image.convert("RGB")
    image.thumbnail((size, size), Image.Resampling.BOX)
    return _linear(np.asarray(image, dtype=np.float32) / 255).astype(np.float16)


def _linear(colour: np.ndarray) -> np.ndarray:
    """Return sRGB in [0, 1] as linear RGB (IEC 61966-2-1)."""
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
