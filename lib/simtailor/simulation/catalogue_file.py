"""A catalogue in one file: made once a study, read by every job in a moment.

Making procedural models and reading hundreds of files takes far longer than a small set.
The format is safetensors: plain arrays, which run nothing when read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from simtailor.assets.mesh import Material, Mesh
from simtailor.assets.pack import Category, Model
from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.render.raycast.environment import Environment
from simtailor.simulation.catalogue import Catalogue

CORNERS = ("vertices", "normals", "coordinates")
FACES = ("faces", "face_materials")
SKY_PARTS = tuple(field.name for field in fields(Environment))
NO_TEXTURE = -1


def write_catalogue(catalogue: Catalogue, path: str | Path) -> None:
    """Write a catalogue."""
    meshes = [model.mesh for model in catalogue.models]
    materials = [m for mesh in meshes for m in mesh.materials] + list(catalogue.materials)
    # Models share textures: each is written once.
    textures = {id(m.texture): m.texture for m in materials if m.texture is not None}
    number = {key: n for n, key in enumerate(textures)}
    arrays = {
        name: np.concatenate([getattr(mesh, name) for mesh in meshes]) for name in CORNERS + FACES
    }
    arrays["sizes"] = np.array([[len(m.vertices), len(m.faces), len(m.materials)] for m in meshes])
    arrays["materials"] = np.array([[*m.base_colour, m.roughness, m.metallic] for m in materials])
    arrays["textures"] = np.array(
        [NO_TEXTURE if m.texture is None else number[id(m.texture)] for m in materials]
    )
    for n, texture in enumerate(textures.values()):
        arrays[f"texture {n}"] = np.asarray(texture, dtype=np.float32)
    for name in SKY_PARTS:
        arrays[f"sky {name}"] = np.stack([getattr(sky, name) for sky in catalogue.skies])
    categories = [
        {"name": c.name, "wordnet_id": c.wordnet_id, "models": [m.name for m in c.models]}
        for c in catalogue.categories
    ]
    with staged(path) as staging:
        arrays = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        save_file(arrays, staging, metadata={"categories": json.dumps(categories)})


def read_catalogue(path: str | Path) -> Catalogue:
    """Read a catalogue.

    Raises:
        UserError: the file is absent or no catalogue.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            categories = json.loads(file.metadata()["categories"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        materials = _materials(arrays)
        meshes = _meshes(arrays, materials)
        return Catalogue(
            categories=tuple(
                Category(
                    c["name"],
                    c["wordnet_id"],
                    tuple(Model(name, next(meshes)) for name in c["models"]),
                )
                for c in categories
            ),
            skies=tuple(
                Environment(*parts)
                for parts in zip(*(arrays[f"sky {name}"] for name in SKY_PARTS), strict=True)
            ),
            materials=tuple(materials[arrays["sizes"][:, 2].sum() :]),
        )
    except (OSError, SafetensorError, TypeError, KeyError, ValueError, IndexError) as error:
        raise UserError(f"{path}: cannot be read as a catalogue of assets: {error}") from error


def _materials(arrays: Mapping[str, np.ndarray]) -> list[Material]:
    return [
        Material(
            (red, green, blue),
            roughness,
            metallic,
            None if texture == NO_TEXTURE else arrays[f"texture {texture}"],
        )
        for (red, green, blue, roughness, metallic), texture in zip(
            arrays["materials"].tolist(), arrays["textures"].tolist(), strict=True
        )
    ]


def _meshes(arrays: Mapping[str, np.ndarray], materials: list[Material]) -> Iterator[Mesh]:
    corner = face = material = 0
    for corners, faces, count in arrays["sizes"].tolist():
        yield Mesh(
            **{name: arrays[name][corner : corner + corners] for name in CORNERS},
            **{name: arrays[name][face : face + faces] for name in FACES},
            materials=tuple(materials[material : material + count]),
        )
        corner, face, material = corner + corners, face + faces, material + count
