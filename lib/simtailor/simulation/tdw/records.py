"""What ThreeDWorld's records tell of its models, materials and skies, read without its build."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.errors import UserError, first_of, nearest_name
from simtailor.files import checksum
from simtailor.simulation.classes import Classes
from simtailor.simulation.tdw.settings import ThreeDWorld

KEY = "configuration key task2sim.simulation"
INSTALL = "SIMTAILOR_EXTRAS=tdw ./run snakemake --list"
# Hosts whose assets need no key.
FREE = "https://tdw-public."
PLATFORMS = {"Linux": "Linux", "Darwin": "Darwin", "Windows": "Windows"}
# As published: the sky where backgr is off, those among which it is drawn, and what the random
# materials are made of.
FIXED_SKY = "fish_hoek_beach_4k"
HIGH_SUN = 120.0
PLAIN_MATERIAL = "cotton_natural_rough"
MATERIAL_TYPES = (
    "Ceramic", "Concrete", "Fabric", "Glass", "Metal", "Paper", "Plastic", "Stone", "Wood",
)  # fmt: skip
MOST_MATERIALS = 141
SHOWN = 5


@dataclass(frozen=True)
class Asset:
    """A model, a material or a sky.

    Attributes:
        url: of the asset bundle, for the build.
        facts: further fields of its record that the build is told, or that scenes need.
    """

    name: str
    url: str
    facts: dict[str, Any]

    @property
    def slots(self) -> list[tuple[str, int]]:
        """Of a model: the name of the part and the number of the material there, by slot."""
        return [
            (part["name"], place)
            for part in self.facts["substructure"]
            for place in range(len(part["materials"]))
        ]


@dataclass(frozen=True)
class ModelClass:
    """Models that are the same noun of WordNet."""

    name: str
    wordnet_id: str
    models: tuple[Asset, ...]


@dataclass(frozen=True, eq=False)
class ThreeDWorldCatalogue(Classes):
    """ThreeDWorld's models by their nouns, with skies and materials.

    Attributes:
        skies: the first is that where ``backgr`` is off.
        materials: the first is that of all where ``materials`` is 0.
        notes: what was passed over.
    """

    skies: tuple[Asset, ...]
    materials: tuple[Asset, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def slots(self) -> np.ndarray:
        """How many materials each model has: int [M]."""
        return np.array([len(model.slots) for model in self.models])

    @cached_property
    def digest(self) -> str:
        """A short name for the content: from other assets come other images."""
        classes = [
            [c.name, c.wordnet_id, [[m.name, m.facts] for m in c.models]] for c in self.categories
        ]
        parts = [
            classes,
            [[asset.name, asset.facts] for asset in (*self.skies, *self.materials)],
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def package_folder() -> Path:
    """Return the folder of the package tdw, without importing it.

    Raises:
        UserError: it is not installed, or is another version.
    """
    needed = ("tdw", "zmq")
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        raise UserError(
            f"{KEY}.renderer: 'tdw' needs the Python package tdw 1.13 with its dependencies, and "
            f"{' and '.join(absent)} cannot be found. Install it: {INSTALL}"
        )
    found = version("tdw")
    if not found.startswith("1.13."):
        raise UserError(
            f"{KEY}.renderer: 'tdw' speaks as version 1.13 of ThreeDWorld, and the package tdw "
            f"here is {found}. Install the other: {INSTALL}"
        )
    spec = importlib.util.find_spec("tdw")
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def renderer_state(settings: ThreeDWorld) -> str:
    """Return the name of the package and of the build that draw.

    Raises:
        UserError: the package is not installed.
    """
    package_folder()
    name = f"ThreeDWorld {version('tdw')}"
    if settings.build is None:
        return f"{name}, started by hand"
    words = " ".join([Path(settings.build).name, *settings.arguments])
    return f"{name}, {words}, {checksum(settings.build)[:12]}"


def read_catalogue(settings: ThreeDWorld, classes: int | None) -> ThreeDWorldCatalogue:
    """Return the assets that a study shows.

    Args:
        classes: take only so many categories, those with the most models; None takes all.

    Raises:
        UserError: the package is not there, or nothing is left.
    """
    folder = package_folder() / "metadata_libraries"
    models, notes = _models(settings, folder)
    categories = _by_noun(models)
    if classes is not None and classes > len(categories):
        raise UserError(f"{KEY}.classes: {classes}, but the models are of {len(categories)} nouns")
    largest = sorted(categories, key=lambda category: -len(category.models))[:classes]
    chosen = tuple(sorted(largest, key=lambda category: category.name))
    return ThreeDWorldCatalogue(
        chosen, _skies(settings, folder), _materials(settings, folder), notes
    )


def _models(settings: ThreeDWorld, folder: Path) -> tuple[list[Asset], tuple[str, ...]]:
    """Return the models that can be had, and what is to be said of the others."""
    records = _records(folder, "models_full")
    names = _asked_for(settings, records)
    found, private, advised = [], 0, 0
    for name in names:
        record = records[name]
        fields = ("wcategory", "wnid", "scale_factor", "substructure")
        asset = _asset(settings, "models", record, fields)
        if record["do_not_use"]:
            advised += 1
        elif not (settings.private_models or asset.url.startswith((FREE, "file:"))):
            private += 1
        else:
            points = record.get("affordance_points", [])
            found.append(Asset(asset.name, asset.url, {**asset.facts, "affordance_points": points}))
    notes = []
    if private:
        notes.append(f"{private} models need a key to ThreeDWorld's store and are left out")
    if advised:
        notes.append(f"{advised} models are left out that ThreeDWorld advises against")
    if not found:
        raise UserError(f"{KEY}.tdw: no model is left: {'; '.join(notes) or 'none is asked for'}")
    return found, tuple(notes)


@cache
def _records(folder: Path, library: str) -> dict[str, Any]:
    # Some hold NaN, in fields that are not asked for.
    return json.loads((folder / f"{library}.json").read_text())["records"]


def _asked_for(settings: ThreeDWorld, records: dict[str, Any]) -> list[str]:
    if settings.models is None:
        return sorted(records)
    try:
        lines = Path(settings.models).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{KEY}.tdw.models: {settings.models}: cannot be read: {error}") from error
    names = sorted({line.strip() for line in lines} - {""})
    unknown = [name for name in names if name not in records]
    if unknown:
        raise UserError(
            f"{settings.models}: ThreeDWorld {version('tdw')} has no models "
            f"{first_of(unknown, SHOWN)}.{nearest_name(unknown[0], records)} Correct or remove "
            "these lines."
        )
    return names


def _by_noun(models: Iterable[Asset]) -> list[ModelClass]:
    """Return the models by their noun; a name that two nouns have is told apart."""
    by_noun: defaultdict[str, list[Asset]] = defaultdict(list)
    for model in models:
        by_noun[model.facts["wnid"]].append(model)
    names = {
        noun: Counter(model.facts["wcategory"] for model in group).most_common(1)[0][0]
        for noun, group in by_noun.items()
    }
    counts = Counter(names.values())
    return [
        ModelClass(
            names[noun] if counts[names[noun]] == 1 else f"{names[noun]} ({noun})",
            noun,
            tuple(group),
        )
        for noun, group in by_noun.items()
    ]


def _skies(settings: ThreeDWorld, folder: Path) -> tuple[Asset, ...]:
    """Return the skies outdoors with a high sun, the fixed one first."""
    fields = (
        "exposure", "initial_skybox_rotation", "sun_elevation", "sun_initial_angle",
        "sun_intensity",
    )  # fmt: skip
    skies = [
        _asset(settings, "hdri_skyboxes", record, fields)
        for _, record in sorted(_records(folder, "hdri_skyboxes").items())
        if record["location"] != "interior" and record["sun_elevation"] >= HIGH_SUN
    ]
    return tuple(sorted(skies, key=lambda sky: sky.name != FIXED_SKY))


def _materials(settings: ThreeDWorld, folder: Path) -> tuple[Asset, ...]:
    """Return the plain material, and as many as were published, evenly from all by name."""
    records = _records(folder, "materials_low")
    names = sorted(name for name, record in records.items() if record["type"] in MATERIAL_TYPES)
    places = np.linspace(0, len(names) - 1, MOST_MATERIALS).round().astype(int)
    chosen = [PLAIN_MATERIAL, *(names[place] for place in places)]
    return tuple(_asset(settings, "materials_low", records[name], ()) for name in chosen)


def _asset(
    settings: ThreeDWorld, kind: str, record: dict[str, Any], fields: tuple[str, ...]
) -> Asset:
    name, url = record["name"], record["urls"][PLATFORMS.get(platform.system(), "Linux")]
    if settings.asset_bundles is not None:
        own = (Path(settings.asset_bundles) / kind / name).resolve()
        url = own.as_uri() if own.is_file() else url
    return Asset(name, url, {field: record[field] for field in fields})
