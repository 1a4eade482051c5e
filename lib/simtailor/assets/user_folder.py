"""A folder of the user's own models as an asset pack: FOLDER/CATEGORY/*.obj, .glb or .gltf.

An optional ``pack.yaml`` in the folder says more:

    size: 0.3              # metres; scale each model's longest side to it. Absent: real units.
    wordnet:               # WordNet 3.0 ids by category, for the sets' labels
      mug: n03797390
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from pydantic import Field, ValidationError

from simtailor.assets.content import AssetPack, Category, Model
from simtailor.assets.model_files import SUFFIXES, ModelError, read_model
from simtailor.assets.shapes import stretched
from simtailor.errors import UserError
from simtailor.section import Section

SETTINGS = "pack.yaml"
NO_WORDNET_ID = "n00000000"  # of a category that pack.yaml names none for
# Sides in metres between a bead and a block of flats: outside, the unit is hardly the metre.
PLAUSIBLE = (0.001, 100.0)


class FolderSettings(Section):
    """The keys of ``pack.yaml``."""

    size: Annotated[float, Field(gt=0, le=100)] | None = None
    wordnet: dict[str, Annotated[str, Field(pattern=r"^n\d{8}$")]] = Field({})


def files_of(folder: Path) -> list[Path]:
    """Return all files that a folder's pack depends on.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"folder:{folder}: there is no such folder of models")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read_folder(folder: Path) -> AssetPack:
    """Read all models of a folder.

    Raises:
        UserError: the folder holds no categories, or a file cannot be used; names the file.
    """
    settings = _settings(folder / SETTINGS)
    categories = []
    for place in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        paths = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise UserError(f"{place}: holds no model ({', '.join(SUFFIXES)})")
        models = tuple(_model(path, place, settings.size) for path in paths)
        wordnet_id = settings.wordnet.get(place.name, NO_WORDNET_ID)
        categories.append(Category(place.name, wordnet_id, models))
    if not categories:
        raise UserError(
            f"{folder}: holds no categories; put the models into {folder}/CATEGORY/, one folder "
            "a category"
        )
    for name in settings.wordnet:
        if name not in {category.name for category in categories}:
            raise UserError(f"{folder / SETTINGS}: wordnet: there is no category '{name}'")
    return AssetPack(folder.name, tuple(categories))


def _model(path: Path, place: Path, size: float | None) -> Model:
    _check_companions(path)
    try:
        mesh = read_model(path)
    except ModelError as error:
        raise UserError(f"{path}: {error}") from error
    longest = float(np.ptp(mesh.vertices, axis=0).max())
    if size is not None:
        mesh = stretched(mesh, np.full(3, size / longest))
    elif not PLAUSIBLE[0] <= longest <= PLAUSIBLE[1]:
        raise UserError(
            f"{path}: its longest side is {longest:.4g} m if its unit is the metre; scale it, or "
            f"set 'size' in {place.parent / SETTINGS}"
        )
    return Model(str(path.relative_to(place).with_suffix("")), mesh)


def _check_companions(path: Path) -> None:
    """Check that an OBJ file's materials and pictures are there: without, it would be plain grey.

    Raises:
        UserError: names the file and what it lacks.
    """
    if path.suffix.lower() != ".obj":
        return
    for library in _named(path, "mtllib"):
        for picture in _named(library, "map_kd"):
            if not picture.is_file():
                raise UserError(f"{library}: names the picture {picture}, which is absent; add it")


def _named(path: Path, keyword: str) -> list[Path]:
    """Return the files that a text file names after this word: the rest of the line, as trimesh."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror}; add it, or take the line 'mtllib "
            f"{path.name}' out of the models beside it"
        ) from error
    lines = [line.strip() for line in lines]
    names = [line[len(keyword) :].strip() for line in lines if line.lower().startswith(keyword)]
    return [path.parent / name for name in names if name]


def _settings(path: Path) -> FolderSettings:
    if not path.exists():
        return FolderSettings()
    try:
        return FolderSettings.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (ValueError, yaml.YAMLError) as error:
        if isinstance(error, ValidationError):
            error = "; ".join(
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors()
            )
        raise UserError(f"{path}: {error}. Keys: size, wordnet") from None
