"""Asset packs: what simulated sets show. One registry for built-in and fetched ones.

A new pack is one file in ``simtailor.assets.packs`` with one function, registered under a name:

    @register_pack("my_pack", packages=("my_package",))
    def my_pack(folders: Mapping[str, Path]) -> AssetPack:
        ...

``folders`` holds the folder of each fetched package by name. A pack may bring categories,
environments, materials, or several of them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simtailor.assets.mesh import Material, Mesh
from simtailor.errors import UserError, nearest_name

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
    """Assets of one origin. Category names are unique; any part may be empty."""

    name: str
    categories: tuple[Category, ...] = ()
    environments: tuple[Sky, ...] = ()
    materials: tuple[Material, ...] = ()


PackMaker = Callable[[Mapping[str, Path]], AssetPack]


@dataclass(frozen=True)
class RegisteredPack:
    """A pack's function and the packages that it reads."""

    make: PackMaker
    packages: tuple[str, ...]


_PACKS: dict[str, RegisteredPack] = {}


def register_pack(name: str, *, packages: tuple[str, ...] = ()) -> Callable[[PackMaker], PackMaker]:
    """Register a pack's function under ``name``; ``packages`` as in ``simtailor.packages``."""

    def register(make: PackMaker) -> PackMaker:
        _PACKS[name] = RegisteredPack(make, packages)
        return make

    return register


def pack_names() -> list[str]:
    """Return the names of all packs, sorted."""
    package = importlib.import_module("simtailor.assets.packs")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return sorted(_PACKS)


def find_pack(name: str) -> RegisteredPack:
    """Return what is registered under a name.

    Raises:
        UserError: there is no such pack.
    """
    known = pack_names()
    if name not in known:
        raise UserError(
            f"unknown asset pack '{name}'; known: {', '.join(known)}." + nearest_name(name, known)
        )
    return _PACKS[name]


def required_packages(names: Sequence[str]) -> list[str]:
    """Return the packages that must be fetched for packs, each once."""
    return list(dict.fromkeys(p for name in names for p in find_pack(name).packages))


def load_pack(name: str, *, resources: str | Path) -> AssetPack:
    """Return a pack.

    Args:
        resources: folder of caches and fetched packages.

    Raises:
        UserError: there is no such pack, or its files are not as expected.
    """
    found = find_pack(name)
    folders = {p: Path(resources) / "packages" / p for p in found.packages}
    return found.make(folders)
