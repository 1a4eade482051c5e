"""What an asset pack holds: models by category, environments and materials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simtailor.assets.mesh import Material, Mesh

MODEL_SUFFIXES = (".obj", ".glb", ".gltf", ".ply", ".stl")  # of files that are read
SKY_HEIGHT = 256  # the ray caster wants all environments of one size


@dataclass(frozen=True, eq=False)
class Model:
    """An object: real size in metres, centred on its bounding box, y up."""

    name: str
    mesh: Mesh


@dataclass(frozen=True, eq=False)
class Category:
    """Models of one kind. ``wordnet_id`` is ImageNet's form of a noun of WordNet 3.0."""

    name: str
    wordnet_id: str
    models: tuple[Model, ...]


@dataclass(frozen=True, eq=False)
class Sky:
    """An environment: linear radiance, float32 [SKY_HEIGHT, 2 SKY_HEIGHT, 3], row 0 straight up."""

    name: str
    radiance: np.ndarray


@dataclass(frozen=True, eq=False)
class AssetPack:
    """Assets of one origin. Category names are unique; any part may be empty.

    ``notes`` say what of its files was passed over, or is not drawn as it was meant.
    """

    name: str
    categories: tuple[Category, ...] = ()
    environments: tuple[Sky, ...] = ()
    materials: tuple[Material, ...] = ()
    notes: tuple[str, ...] = ()
