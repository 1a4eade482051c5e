"""Asset packs as one file of arrays, which is read in seconds (safetensors, nothing to execute).

All meshes lie one after another in the arrays ``vertices``, ``normals``, ``coordinates``,
``faces`` and ``face_materials``; faces count from their mesh's first vertex. Names, counts and
materials are JSON in the file's metadata; textures and skies are arrays of their own.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from simtailor.assets.content import AssetPack, Category, Model, Sky
from simtailor.assets.mesh import Material, Mesh
from simtailor.errors import UserError
from simtailor.files import staged

PARTS = ("vertices", "normals", "coordinates", "faces", "face_materials")


def write_pack(pack: AssetPack, path: str | Path) -> None:
    """Write a pack; materials and textures that models share are written once."""
    meshes = [model.mesh for category in pack.categories for model in category.models]
    materials = {id(m): m for mesh in meshes for m in mesh.materials}
    materials |= {id(m): m for m in pack.materials}
    places = {key: index for index, key in enumerate(materials)}
    textures = {id(m.texture): m.texture for m in materials.values() if m.texture is not None}
    texture_places = {key: index for index, key in enumerate(textures)}
    description = {
        "name": pack.name,
        "categories": [
            {
                "name": category.name,
                "wordnet_id": category.wordnet_id,
                "models": [
                    {
                        "name": model.name,
                        "vertices": len(model.mesh.vertices),
                        "faces": len(model.mesh.faces),
                        "materials": [places[id(m)] for m in model.mesh.materials],
                    }
                    for model in category.models
                ],
            }
            for category in pack.categories
        ],
        "materials": [
            {
                "base_colour": [float(c) for c in m.base_colour],
                "roughness": float(m.roughness),
                "metallic": float(m.metallic),
                "texture": None if m.texture is None else texture_places[id(m.texture)],
            }
            for m in materials.values()
        ],
        "pack_materials": [places[id(m)] for m in pack.materials],
        "environments": [sky.name for sky in pack.environments],
        "notes": list(pack.notes),
    }
    arrays = {f"texture.{i}": t for i, t in enumerate(textures.values())}
    arrays |= {f"environment.{i}": s.radiance for i, s in enumerate(pack.environments)}
    if meshes:
        arrays |= {part: np.concatenate([getattr(m, part) for m in meshes]) for part in PARTS}
    arrays = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    with staged(path) as staging:
        save_file(arrays, staging, metadata={"pack": json.dumps(description)})


def read_pack(path: str | Path) -> AssetPack:
    """Read a pack that ``write_pack`` wrote.

    Raises:
        UserError: the file is absent or damaged.
    """
    try:
        return _read(path)
    except (OSError, SafetensorError, TypeError, KeyError, ValueError, IndexError) as error:
        raise UserError(
            f"{path}: cannot be read as assets: {error}; delete it, and it is made again"
        ) from error


def _read(path: str | Path) -> AssetPack:
    with safe_open(path, framework="numpy") as file:
        description = json.loads(file.metadata()["pack"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    materials = [
        Material(
            tuple(m["base_colour"]), m["roughness"], m["metallic"],
            None if m["texture"] is None else arrays[f"texture.{m['texture']}"],
        )
        for m in description["materials"]
    ]  # fmt: skip
    vertex = face = 0
    categories = []
    for category in description["categories"]:
        models = []
        for entry in category["models"]:
            points = slice(vertex, vertex + entry["vertices"])
            faces = slice(face, face + entry["faces"])
            vertex, face = points.stop, faces.stop
            cut = [arrays[part][points if i < 3 else faces] for i, part in enumerate(PARTS)]
            mesh = Mesh(*cut, materials=tuple(materials[i] for i in entry["materials"]))
            models.append(Model(entry["name"], mesh))
        categories.append(Category(category["name"], category["wordnet_id"], tuple(models)))
    return AssetPack(
        description["name"],
        tuple(categories),
        tuple(
            Sky(name, arrays[f"environment.{i}"])
            for i, name in enumerate(description["environments"])
        ),
        tuple(materials[i] for i in description["pack_materials"]),
        tuple(description["notes"]),
    )
