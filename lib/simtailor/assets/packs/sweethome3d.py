"""Furniture and household things of Sweet Home 3D (sweethome3d.com), in 100 categories.

Models are OBJ files in archives with a catalogue of properties, by Java's conventions: keys
``id#7``, ``name#7``, ``model#7`` (a path in the archive), ``width#7``, ``depth#7`` and
``height#7`` (centimetres), and for some ``modelRotation#7`` (nine numbers, row by row).
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from simtailor.assets.content import AssetPack, Category, Model
from simtailor.assets.mesh import Mesh
from simtailor.assets.pack import register_pack
from simtailor.errors import UserError
from simtailor.shipped import found_path

TABLE = Path(found_path("config/assets/sweethome3d.tsv"))
CATALOGUES = ("PluginFurnitureCatalog", "com/eteks/sweethome3d/io/DefaultFurnitureCatalog")
LOADER, STANDARD = "com/eteks/sweethome3d/j3d/OBJLoader.class", "standard materials"
PROPERTY = re.compile(r"(\w+)#(\d+)\s*=\s*(.*)")
THINNEST = 0.04  # flatter things, thickness over length, are left out


@register_pack(
    "sweethome3d",
    packages=("sweethome3d_furniture", "sweethome3d_core"),
    files=(TABLE,),
)
def sweethome3d(folders: Mapping[str, Path]) -> AssetPack:
    """Return the models of the table, each at its real size.

    Raises:
        UserError: the table or an archive is not as expected.
    """
    archives = [
        path
        for folder in folders.values()
        for path in sorted(folder.iterdir())
        if path.suffix in (".sh3f", ".jar")
    ]
    return AssetPack("sweethome3d", read_archives(archives, read_table(TABLE)))


def read_table(path: str | Path) -> dict[str, tuple[str, str]]:
    """Return category and WordNet id by the model's id in its catalogue.

    Raises:
        UserError: a line is wrong.
    """
    path, rows = Path(path), {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot read this table: {error}") from error
    reader = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t")
    if next(reader, None) != ["category", "wordnet_id", "model"]:
        raise UserError(f"{path}: its first line must name category, wordnet_id and model")
    for row in reader:
        if len(row) != 3 or not re.fullmatch(r"n\d{8}", row[1]) or row[2] in rows:
            raise UserError(
                f"{path}: {row}: give a category, a WordNet id such as n03001627 and a model "
                "that stands in no other line, with tabs between them"
            )
        rows[row[2]] = (row[0], row[1])
    return rows


def read_archives(
    archives: list[Path], table: Mapping[str, tuple[str, str]]
) -> tuple[Category, ...]:
    """Return the categories of the table with the models found; unusable models are left out."""
    models = defaultdict(list)
    for archive in archives:
        try:
            with zipfile.ZipFile(archive) as opened:
                for entry in read_catalogue(opened):
                    if entry.get("id") in table:
                        category, _ = table[entry["id"]]
                        models[category] += _read_entry(opened, entry)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{archive}: cannot read this archive: {error}") from error
    if not models:
        names = ", ".join(map(str, archives)) or "no archive"
        raise UserError(f"{names}: holds none of the models of the table")
    ids = dict(table.values())
    return tuple(
        Category(name, ids[name], tuple(found)) for name, found in sorted(models.items()) if found
    )


def read_catalogue(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    """Return the entries of an archive's catalogue of furniture, in its order."""
    names = set(archive.namelist())
    found = next((f"{n}.properties" for n in CATALOGUES if f"{n}.properties" in names), None)
    if found is None:
        raise UserError(f"{archive.filename}: holds no catalogue of furniture")
    entries: dict[int, dict[str, str]] = defaultdict(dict)
    for line in archive.read(found).decode("latin-1").splitlines():
        if match := PROPERTY.match(line):
            entries[int(match[2])][match[1]] = match[3].strip()
    return [entries[number] for number in sorted(entries)]


def _read_entry(archive: zipfile.ZipFile, entry: Mapping[str, str]) -> list[Model]:
    # Imports trimesh; the workflow reads this module while it plans.
    from simtailor.assets.model_files import ModelError, read_model  # noqa: PLC0415

    path = PurePosixPath(entry["model"].lstrip("/"))
    size = np.array([float(entry[side]) for side in ("width", "height", "depth")]) / 100
    if size.min() < THINNEST * size.max():
        return []
    beside = _Beside(archive, path.parent)
    try:
        text = archive.read(str(path))
        if b"mtllib" not in text:
            text = f"mtllib {STANDARD}\n".encode() + text
        mesh = read_model(io.BytesIO(text), file_type="obj", resolver=beside)
    except (KeyError, ModelError):
        return []
    return [Model(entry["id"], sized(mesh, size, entry.get("modelRotation")))]


class _Beside:
    """Finds the files that a model names beside it in the archive, as trimesh asks for them."""

    def __init__(self, archive: zipfile.ZipFile, folder: PurePosixPath) -> None:
        self._archive, self._folder = archive, folder

    def get(self, name: str) -> bytes:
        if name == STANDARD:
            return standard_materials(self._archive)
        return self._archive.read(str(self._folder / name.strip()))

    __getitem__ = get


def standard_materials(archive: zipfile.ZipFile) -> bytes:
    """Return the materials that the program's own models name without a file of materials.

    They are text in the format MTL, kept as a constant of one of the program's classes.
    """
    return b"".join(re.findall(rb"newmtl \w[\n -~]*", archive.read(LOADER)))


def sized(mesh: Mesh, size: np.ndarray, rotation: str | None) -> Mesh:
    """Return the mesh turned as the catalogue says and stretched to its size in metres."""
    from simtailor.assets.shapes import centred, rotated, stretched  # noqa: PLC0415

    if rotation:
        matrix = np.array([float(v) for v in rotation.split()]).reshape(3, 3)
        mesh = rotated(mesh, matrix)
    extent = np.ptp(mesh.vertices, axis=0)
    return centred(stretched(mesh, size / np.maximum(extent, 1e-9)))
