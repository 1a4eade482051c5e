"""The assets of a study in the order in which scenes number them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from simtailor.assets.arrays import read_pack
from simtailor.assets.content import AssetPack, Category
from simtailor.assets.mesh import Material
from simtailor.assets.pack import load_pack
from simtailor.errors import UserError
from simtailor.render.raycast.environment import Environment, prefilter
from simtailor.simulation.classes import Classes

BUILTIN = "builtin"


@dataclass(frozen=True, eq=False)
class Catalogue(Classes):
    """C categories with M models, prefiltered skies and materials, of one or several packs.

    A set's classes, and a scene's models, skies and materials, are numbers of these; ``notes`` say
    what of the packs' files was passed over, or is not drawn as it was meant.
    """

    categories: tuple[Category, ...]
    skies: tuple[Environment, ...]
    materials: tuple[Material, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def create(cls, pack: AssetPack, cache: str | Path | None) -> Catalogue:
        """Return the assets of a pack with its skies prefiltered, which ``cache`` keeps."""
        skies = tuple(prefilter(sky.radiance, cache) for sky in pack.environments)
        return cls(pack.categories, skies, pack.materials, pack.notes)

    @cached_property
    def sides(self) -> np.ndarray:
        """The longest side of the box around each model: float [M], metres."""
        return np.array([np.ptp(model.mesh.vertices, axis=0).max() for model in self.models])

    @cached_property
    def slots(self) -> np.ndarray:
        """How many materials each model has: int [M]."""
        return np.array([len(model.mesh.materials) for model in self.models])

    @cached_property
    def digest(self) -> str:
        """A short name for the content: from other assets come other images."""
        state = hashlib.sha256()
        for category in self.categories:
            state.update(f"{category.name}|{category.wordnet_id}|{len(category.models)}".encode())
        for model in self.models:
            mesh = model.mesh
            state.update(model.name.encode())
            parts = (mesh.vertices, mesh.normals, mesh.coordinates, mesh.faces, mesh.face_materials)
            _add_arrays(state, parts)
            for material in mesh.materials:
                _add_material(state, material)
        for material in self.materials:
            _add_material(state, material)
        for sky in self.skies:
            _add_arrays(state, (sky.background, sky.reflections, sky.harmonics))
        return state.hexdigest()[:20]


def _add_arrays(state: hashlib._Hash, arrays: Sequence[np.ndarray]) -> None:
    for values in arrays:
        state.update(np.ascontiguousarray(values).data)


def _add_material(state: hashlib._Hash, material: Material) -> None:
    numbers = (*material.base_colour, material.roughness, material.metallic)
    _add_arrays(state, [np.array(numbers, dtype=np.float64)])
    if material.texture is not None:
        _add_arrays(state, [np.asarray(material.texture, dtype=np.float32)])


def merge_packs(packs: Sequence[str], classes: int | None, *, resources: str | Path) -> AssetPack:
    """Return the assets of some packs together as one pack.

    Where none brings skies, or none materials, those of the built-in pack are taken.

    Args:
        classes: take only the first so many categories; None takes all.
        resources: folder of caches and fetched packages.

    Raises:
        UserError: there is no such pack, or together they lack something.
    """
    loaded = [load_pack(name, resources=resources) for name in packs]
    merged = AssetPack(
        ", ".join(packs),
        tuple(c for pack in loaded for c in pack.categories)[:classes],
        tuple(s for pack in loaded for s in pack.environments),
        tuple(m for pack in loaded for m in pack.materials),
        tuple(note for pack in loaded for note in pack.notes),
    )
    missing = {k for k in ("environments", "materials") if not getattr(merged, k)}
    if missing:
        builtin = load_pack(BUILTIN, resources=resources)
        note = f"no pack brings {' or '.join(sorted(missing))}: those of '{BUILTIN}' are taken"
        merged = replace(
            merged,
            notes=(*merged.notes, note),
            **{kind: getattr(builtin, kind) for kind in missing},
        )
    key = "configuration key task2sim.simulation"
    if not merged.categories:
        raise UserError(f"{key}.packs: {merged.name}: no categories; add a pack with models")
    titles = [category.name for category in merged.categories]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if twice:
        raise UserError(
            f"{key}.packs: of {merged.name} several bring the categories {', '.join(twice)}; "
            "leave one pack out"
        )
    if classes is not None and classes > len(titles):
        raise UserError(f"{key}.classes: {classes}, but the packs have {len(titles)} categories")
    if len({sky.radiance.shape for sky in merged.environments}) > 1:
        raise UserError(f"{key}.packs: the skies of {merged.name} differ in size; leave one out")
    return merged


def read_catalogue(path: str | Path, *, cache: str | Path | None) -> Catalogue:
    """Read the assets of a study from the file that ``write_pack`` made of them.

    Args:
        cache: folder of prefiltered skies; those that it lacks are computed and added.

    Raises:
        UserError: the file is absent or holds no assets.
    """
    return Catalogue.create(read_pack(path), cache)
