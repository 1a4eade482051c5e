"""labels.csv: the attributes of photographs, a row a picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simtailor.errors import UserError, first_of, nearest_name
from simtailor.intake.named import picture_of, pictures_in
from simtailor.text_files import read_text

TABLE, FILE = "labels.csv", "file"
EXAMPLE = "a first line such as 'file,yaw,loc_x', and a line a picture such as '001.jpg,93.5,112'"


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Pictures with the values of some attributes.

    Attributes:
        attributes: their names, in the order of the columns.
        values: float64 [E] by the name of the picture without suffix.
        files: the picture of each name.
    """

    attributes: tuple[str, ...]
    values: dict[str, np.ndarray]
    files: dict[str, Path]


def read_label_table(folder: str | Path, attributes: Sequence[str]) -> LabelTable:
    """Read labels.csv of a folder of pictures.

    Args:
        attributes: names that a column may have.

    Raises:
        UserError: the file is absent or malformed, or a picture that it names is.
    """
    path = Path(folder, TABLE)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file of labels. Write {EXAMPLE}.")
    rows = list(csv.reader(read_text(path).split("\n")))
    head = [cell.strip() for cell in rows[0]]
    columns = _columns(path, head, attributes)
    values: dict[str, np.ndarray] = {}
    files: dict[str, Path] = {}
    there = pictures_in(folder)
    for line, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(head):
            raise UserError(
                f"{path}:{line}: {len(row)} values, but the first line names {len(head)} columns. "
                "Give each picture one value a column."
            )
        cells = dict(zip(head, (cell.strip() for cell in row), strict=True))
        name = _name_of(cells[FILE], there)
        if name in values:
            raise UserError(f"{path}:{line}: '{cells[FILE]}' stands twice. Remove one line.")
        files[name] = picture_of(folder, name, there)
        values[name] = np.array([_number(path, line, c, cells[c]) for c in columns])
    if not values:
        raise UserError(f"{path}: no picture is labelled. Write {EXAMPLE}.")
    return LabelTable(tuple(columns), values, files)


def _name_of(cell: str, there: Mapping[str, list[Path]]) -> str:
    """Return the name without suffix of a picture, which may have a point in it."""
    return cell if cell in there else Path(cell).stem


def _columns(path: Path, head: list[str], attributes: Sequence[str]) -> list[str]:
    """Return the columns of attributes."""
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise UserError(f"{path}:1: the column '{twice}' stands twice. Remove one.")
    if FILE not in head:
        raise UserError(
            f"{path}:1: no column '{FILE}' with the pictures' names; the columns are "
            f"{first_of(head, 8)}. Write {EXAMPLE}."
        )
    columns = [name for name in head if name != FILE]
    known = ", ".join(attributes)
    if unknown := [name for name in columns if name not in attributes]:
        raise UserError(
            f"{path}:1: the column '{unknown[0]}' is no attribute that the grammar lets vary."
            f"{nearest_name(unknown[0], attributes)} These are {known}. Rename or remove it."
        )
    if not columns:
        raise UserError(f"{path}:1: no column of an attribute. Give one or several of {known}.")
    return columns


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(
            f"{path}:{line}: {column} is {cell!r}, not a finite number. Give one in the "
            "attribute's unit with a decimal point, or remove the line."
        )
    return value
