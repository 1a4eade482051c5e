"""What a source of a task's images gives, and the registry of the kinds of sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.errors import UserError, nearest_name
from simtailor.intake.report import IntakeReport
from simtailor.section import Section


@dataclass(frozen=True, eq=False)
class ImageSource:
    """The images of a task, not yet decoded.

    Attributes:
        classes: names of the classes.
        labels: int64 [N], indices into ``classes``.
        read: returns the image of an index, of any size and mode.
        name_of: names an image in messages.
        test: bool [N], whether an image is of the source's own test part; None where it has
            no parts.
        groups: int64 [N]; images of a group (a person, a tile) are never on both sides of a
            split. None where every image stands for itself.
        split: in words, what keeps training and test apart.
        notes: what a reader of the results should know, in sentences.
        files: of each image, where each is one; these may be read by several threads.
        intake: what was found in the user's folder, where there is one.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    read: Callable[[int], Image.Image]
    name_of: Callable[[int], str] = "image {}".format
    test: np.ndarray | None = None
    groups: np.ndarray | None = None
    split: str = "at random, the same share of every class"
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    intake: IntakeReport | None = None


@dataclass(frozen=True)
class Place:
    """Where a source finds its files.

    Attributes:
        folders: of the fetched packages in the order of the table, or the row's own source.
        source: the row's column ``source``.
        downloads: folder that libraries may download into.
    """

    folders: tuple[Path, ...]
    source: str
    downloads: Path


class NoOptions(Section):
    """A source with nothing to choose."""


@dataclass(frozen=True)
class SourceKind:
    """A kind of source.

    Attributes:
        options: model of the column ``options``.
        load: makes the source of a place and options.
        needs: ``packages``, ``source`` or ``either``: which columns of the table say where.
    """

    options: type[Section]
    load: Callable[[Place, Section], ImageSource]
    needs: str


KINDS: dict[str, SourceKind] = {}


def register_source(kind: str, options: type[Section] = NoOptions, needs: str = "either"):
    """Make a function ``(place, options) -> ImageSource`` known as a kind of source."""

    def register(load: Callable[[Place, Section], ImageSource]):
        KINDS[kind] = SourceKind(options, load, needs)
        return load

    return register


def find_kind(name: str) -> SourceKind:
    """Return the kind of source of this name.

    Raises:
        UserError: there is none.
    """
    if name not in KINDS:
        raise UserError(
            f"unknown kind of source '{name}'; known: {', '.join(sorted(KINDS))}."
            + nearest_name(name, KINDS)
        )
    return KINDS[name]


def array_source(
    images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], **more: object
) -> ImageSource:
    """Return the source of images in memory.

    Args:
        images: uint8 [N, H, W] or [N, H, W, 3].
        labels: integers [N] that index ``classes``.
    """
    return ImageSource(
        classes, labels.astype(np.int64), lambda i: Image.fromarray(images[i]), **more
    )


def scaled(images: np.ndarray, highest: float) -> np.ndarray:
    """Return images of values from 0 to ``highest`` as uint8."""
    return np.rint(np.clip(images / highest, 0, 1) * 255).astype(np.uint8)
