"""The list of procedural categories, filled by the modules beside this one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from simtailor.assets.content import Category, Model
from simtailor.assets.mesh import Mesh, join
from simtailor.assets.shapes import centred
from simtailor.seeds import generator

MODULES = ("furniture", "tableware", "tools", "vehicles", "outdoors", "leisure")
MODELS = 6  # of a category
# Textures repeat so often along an object's longest side, so that a texture from another pack
# suits a key and a house alike.
REPEATS = 2.0

Maker = Callable[[np.random.Generator], list[Mesh]]


@dataclass(frozen=True)
class ProceduralCategory:
    """A function that makes the parts of one model, and what it is a picture of."""

    name: str
    wordnet_id: str
    make: Maker


_CATEGORIES: dict[str, ProceduralCategory] = {}


def category(name: str, wordnet_id: str) -> Callable[[Maker], Maker]:
    """Register a function that makes one model's parts from a random generator."""

    def register(make: Maker) -> Maker:
        _CATEGORIES[name] = ProceduralCategory(name, wordnet_id, make)
        return make

    return register


def procedural_categories(models: int = MODELS, seed: int = 0) -> tuple[Category, ...]:
    """Return all procedural categories, sorted by name, with so many models each."""
    return tuple(
        Category(
            name,
            _CATEGORIES[name].wordnet_id,
            tuple(procedural_model(name, i, seed) for i in range(models)),
        )
        for name in procedural_names()
    )


def procedural_names() -> list[str]:
    """Return the names of all procedural categories, sorted."""
    for module in MODULES:
        importlib.import_module(f"simtailor.assets.procedural.{module}")
    return sorted(_CATEGORIES)


def procedural_model(name: str, number: int = 0, seed: int = 0) -> Model:
    """Return a model of a procedural category, one of ``procedural_names``."""
    made = _CATEGORIES[name].make(generator(seed, name, number))
    return Model(f"{name}_{number}", _finished(made))


def _finished(parts: list[Mesh]) -> Mesh:
    mesh = centred(join(*parts))
    longest = np.ptp(mesh.vertices, axis=0).max()
    return replace(mesh, coordinates=mesh.coordinates * np.float32(REPEATS / longest))
