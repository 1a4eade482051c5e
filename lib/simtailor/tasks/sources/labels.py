"""Labels as data sets of libraries give them, checked, and as numbers of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simtailor.errors import UserError, first_of

UNLABELLED = -1  # what Hugging Face and torchvision write where a label is withheld
LISTED = 10
LARGEST = 2**62  # of labels: what int64 holds


@dataclass(frozen=True, eq=False)
class Labels:
    """Which images of a data set have which class.

    Attributes:
        classes: names of the classes that have images.
        labels: int64 [n], indices into ``classes``, of the images that have a label.
        kept: int64 [n], which of all images these are, in their order.
        notes: what was left out, in sentences.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    kept: np.ndarray
    notes: tuple[str, ...]


def read_labels(
    parts: dict[str, Sequence[Any]], names: Sequence[str] | None, where: str, fix: str = ""
) -> Labels:
    """Return the labels of a data set whose parts are one after the other.

    Args:
        parts: each part's labels by its name: numbers of classes, or names.
        names: of the classes, where the data set has them; a label is an index into them.
        where: names the data set in messages; fix: what to do about a part without labels.

    Raises:
        UserError: a part has no labels, or they are no classes.
    """
    for name, part in parts.items():
        if not len(part):
            raise UserError(f"{where}: the {name} part has no images.{fix}")
    values = np.empty(sum(len(part) for part in parts.values()), object)
    values[:] = [value for part in parts.values() for value in _plain(part)]
    labelled = np.array([not _is_absent(value) for value in values], bool)
    start = 0
    for name, part in parts.items():
        if not labelled[start : start + len(part)].any():
            raise UserError(
                f"{where}: the {name} part has no labels (all are {values[start]}), as where "
                f"they are withheld for a competition.{fix}"
            )
        start += len(part)
    numbers = _as_numbers(values[labelled], where)
    notes = []
    if absent := int((~labelled).sum()):
        notes.append(f"{absent} of {len(values)} images have no label and are left out.")
    if numbers is None:
        found, labels = np.unique(values[labelled].astype(str), return_inverse=True)
        classes = tuple(str(name) for name in found)
    else:
        classes, labels, more = _numbered(numbers, names, where)
        notes += more
    return Labels(classes, labels.astype(np.int64), np.flatnonzero(labelled), tuple(notes))


def _plain(part: Any) -> list[Any]:
    """Return Python values of a list, a column, an array or a tensor."""
    values = part.tolist() if hasattr(part, "tolist") else list(part)
    return [value.item() if np.ndim(value) == 0 and hasattr(value, "item") else value
            for value in values]  # fmt: skip


def _is_absent(value: Any) -> bool:
    if isinstance(value, float) and math.isnan(value):
        return True
    return value is None or value in ("", UNLABELLED)


def _as_numbers(values: np.ndarray, where: str) -> np.ndarray | None:
    """Return whole numbers as int64; None for names.

    Raises:
        UserError: they are neither.
    """
    kinds = {type(value) for value in values}
    if kinds <= {str, bool}:
        return None
    if str in kinds:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise UserError(f"{where}: some labels are names, others are not ({found})")
    wrong = next((v for v in values if not isinstance(v, int | float)), None)
    if wrong is not None:
        raise UserError(
            f"{where}: labels such as {str(wrong)[:40]!r} ({type(wrong).__name__}) are no classes: "
            "each image needs one number or one name"
        )
    beyond = next((v for v in values if not abs(v) < LARGEST), None)
    if beyond is not None:
        raise UserError(
            f"{where}: a label is {str(beyond)[:40]}; the numbers of classes count from 0, or name "
            "a column of classes"
        )
    fraction = next((v for v in values if v != np.floor(v)), None)
    if fraction is not None:
        raise UserError(
            f"{where}: labels such as {fraction} are measured values, no classes; name a column "
            "of classes"
        )
    numbers = values.astype(np.int64)
    if numbers.min() < 0:
        raise UserError(f"{where}: a label is {numbers.min()}; classes count from 0")
    return numbers


def _numbered(
    numbers: np.ndarray, names: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """Return the names of the classes with images, indices into them, and notes."""
    if names is not None and numbers.max() >= len(names):
        raise UserError(
            f"{where}: a label is {numbers.max()}, but {len(names)} classes are named, "
            f"0 to {len(names) - 1}"
        )
    found, labels = np.unique(numbers, return_inverse=True)
    if names is None:
        return tuple(str(number) for number in found), labels, []
    empty = [str(names[i]) for i in range(len(names)) if i not in set(found.tolist())]
    notes = []
    if empty:
        listed = first_of((f"'{name}'" for name in empty), LISTED)
        notes.append(
            f"No images of {len(empty)} of the {len(names)} classes that the source names "
            f"({listed}); they are left out."
        )
    return tuple(str(names[i]) for i in found), labels, notes
