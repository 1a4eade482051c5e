"""A folder of the user's own models as an asset pack: FOLDER/CATEGORY/*.obj, .glb, .ply and so on.

An optional ``pack.yaml`` in the folder says more:

    size: 0.3              # metres; scale each model's longest side to it. Absent: real units.
    wordnet:               # WordNet 3.0 ids by category, for the sets' labels
      mug: n03797390
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from simtailor.assets.content import AssetPack, Category, Model
from simtailor.assets.model_files import SUFFIXES, ModelError, read_model_file
from simtailor.assets.shapes import stretched
from simtailor.errors import UserError, first_of
from simtailor.intake.names import printable
from simtailor.intake.walk import Walk, subfolders, walk_folder
from simtailor.layers import Layer
from simtailor.section import Section
from simtailor.validation import validate
from simtailor.yaml_files import read_yaml

SETTINGS = "pack.yaml"
NO_WORDNET_ID = "n00000000"  # of a category that pack.yaml names none for
# Sides in metres between a bead and a block of flats: outside, the unit is hardly the metre.
PLAUSIBLE = (0.001, 100.0)
WITHOUT_UNIT = (".ply", ".stl")
# Files of models that are not read: a class of them must not vanish.
UNREAD = {
    ".3dm", ".3ds", ".3mf", ".7z", ".abc", ".blend", ".c4d", ".dae", ".fbx", ".iges", ".igs",
    ".lwo", ".ma", ".max", ".mb", ".off", ".rar", ".skp", ".step", ".stp", ".usd", ".usda",
    ".usdc", ".usdz", ".vrm", ".wrl", ".x3d", ".zip",
}  # fmt: skip
NAMED = 3  # files that a note or an error names; of more it says how many
CONVERT = f"convert them to one of {', '.join(SUFFIXES)} (Blender imports and exports most)"


class FolderSettings(Section):
    """The keys of ``pack.yaml``."""

    size: Annotated[float, Field(gt=0, le=100)] | None = None
    wordnet: dict[str, Annotated[str, Field(pattern=r"^n\d{8}$")]] = Field({})


def files_of(folder: Path) -> list[Path]:
    """Return all files that a folder's pack depends on.

    Raises:
        UserError: there is no such folder.
    """
    try:
        there = folder.is_dir()
    except OSError as error:  # it may not be entered, or its name is too long
        raise UserError(
            f"folder:{printable(folder)}: {error.strerror}; give a folder that can be read"
        ) from None
    if not there:
        raise UserError(f"folder:{printable(folder)}: there is no such folder of models")
    return walk_folder(folder).files


def read_folder(folder: Path) -> AssetPack:
    """Read all models of a folder; notes say what was not read, or not drawn as it was meant.

    Raises:
        UserError: the folder holds no categories, or a file cannot be used; names the file.
    """
    settings = _settings(folder)
    _check_top(folder)
    places = subfolders(folder)
    known = {printable(place.name) for place in places}
    if len(known) < len(places):
        raise UserError(f"{printable(folder)}: two categories have the same name; rename one")
    wordnet = {printable(name): wordnet_id for name, wordnet_id in settings.wordnet.items()}
    for name in sorted(wordnet.keys() - known):
        raise UserError(f"{printable(folder / SETTINGS)}: wordnet: there is no category '{name}'")
    if len(places) == 1 and printable(places[0].name) not in wordnet:
        _check_wrapper(places[0])
    notes = _Notes()
    # All folders are looked through before the first model is read, which may take minutes.
    paths = {place: _models_of(place, notes) for place in places}
    wrong: list[UserError] = []
    categories = []
    for place, found in paths.items():
        models = []
        for path in found:
            try:
                models.append(_model(path, place, settings.size, notes))
            except UserError as error:
                wrong.append(error)
        name = printable(place.name)
        categories.append(Category(name, wordnet.get(name, NO_WORDNET_ID), tuple(models)))
    if wrong:
        others = [str(error).split(": ", 1)[0] for error in wrong[1:]]
        more = f". Not read either: {first_of(others, NAMED)}" if others else ""
        unforeseen = next((e.__cause__ for e in wrong if e.__cause__ is not None), None)
        raise UserError(f"{wrong[0]}{more}") from unforeseen
    return AssetPack(folder.name, tuple(categories), notes=notes.lines())


class _Notes:
    """Notes about files; those that say the same become one line."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = defaultdict(list)

    def add(self, name: str, text: str) -> None:
        self._files[text].append(printable(name))

    def lines(self) -> tuple[str, ...]:
        """Return a line a note, each with the first files that it is about."""
        return tuple(f"{first_of(names, NAMED)}: {text}" for text, names in self._files.items())


def _check_top(folder: Path) -> None:
    """Check what lies in the folder beside its categories.

    Raises:
        UserError: models without a category, a broken link, or no categories.
    """
    loose = sorted(p.name for p in folder.iterdir() if _is_model(p) and p.is_file())
    if loose:
        raise UserError(
            f"{printable(folder)}: {first_of(map(printable, loose), NAMED)}: models directly in "
            f"the folder have no category; put them into {printable(folder)}/CATEGORY/, one folder "
            "a category"
        )
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not os.path.exists(path):
            raise UserError(f"{printable(path)}: this link leads nowhere; repair or delete it")
    if not subfolders(folder):
        raise UserError(
            f"{printable(folder)}: holds no categories; put the models into "
            f"{printable(folder)}/CATEGORY/, one folder a category"
        )


def _check_wrapper(place: Path) -> None:
    """Stop at a single folder around the categories: it would be the only category.

    Raises:
        UserError: all its models lie in folders of it, of which there are several.
    """
    inside = [p.relative_to(place).parts for p in walk_folder(place).files if _is_model(p)]
    below = sorted({parts[0] for parts in inside})
    if len(below) < 2 or any(len(parts) < 2 for parts in inside):
        return
    name = printable(place.name)
    raise UserError(
        f"{printable(place.parent)}: its only category, '{name}', itself holds folders "
        f"({first_of(map(printable, below), NAMED)}); if they are the categories, give "
        f"{printable(place)}, else name '{name}' in {SETTINGS}: "
        f"wordnet: {{{name}: {NO_WORDNET_ID}}}"
    )


def _is_model(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in (*SUFFIXES, *UNREAD)


def _models_of(place: Path, notes: _Notes) -> list[Path]:
    """Return the models below a category's folder.

    Raises:
        UserError: there are none, or fewer than models of formats that are not read.
    """
    walk = walk_folder(place)
    read = [path for path in walk.files if path.suffix.lower() in SUFFIXES]
    stems = {path.stem.casefold() for path in read}
    # The same model beside it in a format that is read is no loss.
    unread = Counter(
        path.suffix.lower()
        for path in walk.files
        if path.suffix.lower() in UNREAD and path.stem.casefold() not in stems
    )
    counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(unread.items()))
    if not read:
        there = counts or _suffixes(walk)
        raise UserError(
            f"{printable(place)}: holds no model that is read ({', '.join(SUFFIXES)}), but {there}"
            + (f"; {CONVERT}" if unread else "; add models, or delete the folder")
        )
    if unread.total() > len(read):
        raise UserError(
            f"{printable(place)}: holds {len(read)} models that are read, but {counts} that are "
            f"not; {CONVERT}, or move them elsewhere"
        )
    if unread:
        notes.add(place.name, f"passed over: {counts}, which are not read")
    for reason, count in sorted(walk.passed_over.items()):
        notes.add(place.name, f"passed over: {count} ({reason})")
    several = [stem for stem, n in Counter(_name(p, place) for p in read).items() if n > 1]
    for name in several:
        notes.add(f"{place.name}/{name}", "is there in several formats: each counts as a model")
    return read


def _suffixes(walk: Walk) -> str:
    found = Counter(path.suffix.lower() or "files without suffix" for path in walk.files)
    return ", ".join(f"{n} {suffix}" for suffix, n in found.most_common(5)) or "nothing at all"


def _name(path: Path, place: Path) -> str:
    return str(path.relative_to(place).with_suffix(""))


def _model(path: Path, place: Path, size: float | None, notes: _Notes) -> Model:
    try:
        model = read_model_file(path)
    except ModelError as error:
        # What a reader did not foresee, whose traceback belongs into the log.
        raise UserError(f"{printable(path)}: {error}") from error.__cause__
    mesh, file = model.mesh, f"{place.name}/{path.relative_to(place)}"
    for note in model.notes:
        notes.add(file, note)
    longest = float(np.ptp(mesh.vertices, axis=0).max())
    if size is not None:
        mesh = stretched(mesh, np.full(3, size / longest))
    elif not PLAUSIBLE[0] <= longest <= PLAUSIBLE[1]:
        raise UserError(
            f"{printable(path)}: its longest side is {longest:.4g} m if its unit is the "
            f"metre; scale it, or set 'size' in {printable(place.parent / SETTINGS)}"
        )
    elif path.suffix.lower() in WITHOUT_UNIT:
        notes.add(file, f"taken as metres, since its format has no unit; see 'size' in {SETTINGS}")
    return Model(printable(_name(path, place)), mesh)


def _settings(folder: Path) -> FolderSettings:
    path = folder / SETTINGS
    for other in sorted(folder.iterdir()):
        if other.name != SETTINGS and other.name.lower() in (SETTINGS, "pack.yml"):
            raise UserError(f"{printable(other)}: is not read under this name; call it {SETTINGS}")
    if not path.exists():
        return FolderSettings()
    values = read_yaml(path)
    return validate(FolderSettings, values, [Layer(values, [path])])
