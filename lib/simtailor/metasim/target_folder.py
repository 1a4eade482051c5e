"""The user's folder of images as a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.errors import UserError
from simtailor.intake.folder import (
    ImageFolder,
    check_formats,
    find_images,
    note_folders_without_images,
)
from simtailor.intake.formats import open_image
from simtailor.intake.limits import MOST_PIXELS
from simtailor.intake.names import printable
from simtailor.intake.parts import check_distinct, part_roles
from simtailor.intake.reading import Reading, read_squares
from simtailor.intake.report import IntakeReport
from simtailor.metasim.target import FEWEST_CLASSES, TargetImages
from simtailor.seeds import generator

FEWEST_IMAGES = 20
UNEVEN = 1.5  # times as many images of one class as of another
KEY = "target.folder"


@dataclass(frozen=True, eq=False)
class TargetFolder:
    """The images of a target's folder.

    Attributes:
        files: sorted by path.
        label_names: names of the classes, sorted; empty where folders name none.
        labels: index of each image's class; empty where there are none.
        report: of the intake.
        where: begins messages about the folder.
    """

    files: list[Path]
    label_names: tuple[str, ...]
    labels: list[int]
    report: IntakeReport
    where: str


def find_target(folder: str | Path) -> TargetFolder:
    """Return the images of a folder and its subfolders.

    Subfolders name classes only where every image lies directly in one and there are at least
    two. Of folders that are all parts of a split, the test part is left out, and classes lie
    below the others; images beside the parts are taken with them.

    Raises:
        UserError: there is no such folder, it holds too few images, or too many of a format
            that is not read.
    """
    images = find_images(folder, KEY)
    roles = part_roles(images)
    left_out = {name for name, role in roles.items() if role == "test"}
    if len(left_out) == len(roles):
        roles, left_out = {}, set()
    depth = 2 if roles else 1
    check_distinct(images, depth, left_out)
    files = [path for path in images.files if images.parts(path)[0] not in left_out]

    def group_of(path: Path) -> str | None:
        parts = images.parts(path)
        return "/".join(parts[:depth]) if len(parts) > depth else None

    check_formats(images, group_of)
    note_folders_without_images(images, [f for f in images.folders if len(images.parts(f)) == 1])
    if len(files) < FEWEST_IMAGES:
        raise UserError(
            f"{images.where}found {len(files)} images, at least {FEWEST_IMAGES} are "
            f"needed; give more, or convert those of other formats ({images.report.sentence()})"
        )
    if roles:
        _report_parts(images, roles, left_out, files)
    images.report.taken = len(files)
    names = _class_names(images, files, depth)
    index = {name: i for i, name in enumerate(sorted(set(names)))}
    return TargetFolder(
        files, tuple(index), [index[name] for name in names], images.report, images.where
    )


def read_target(
    folder: str | Path,
    size: int | tuple[int, int],
    most: int,
    seed: int,
    *,
    most_pixels: int = MOST_PIXELS,
    threads: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> TargetImages:
    """Read a folder of images as a target.

    Images are turned as their EXIF data say, cut to the middle of the wanted form and resized;
    what is transparent is white. If the folder holds more than ``most``, a random choice is taken.

    Args:
        size: edge of squares in pixels, or width and height of other pictures.

    Raises:
        UserError: the folder is empty, or some of its images cannot be read; all are named.
    """
    found = find_target(folder)
    for line in found.report.lines():
        report(line)
    names, count = found.label_names, len(found.files)
    notes = [f"labels are the names of the subfolders: {', '.join(names)}"] if names else []
    notes += found.report.notes
    chosen = np.arange(count)
    if count > most:
        chosen = np.sort(generator(seed, "target choice").choice(count, most, replace=False))
        notes.append(f"{most} of {count} images were taken (target.images)")
    reading = Reading(
        size,
        method=Image.Resampling.LANCZOS,
        most_pixels=most_pixels,
        key="target.most_pixels",
    )
    squares = read_squares(
        lambda i: open_image(found.files[i]),
        lambda i: printable(found.files[i]),
        chosen,
        reading,
        threads,
        report,
        found.where,
    )
    notes += squares.notes()
    found.report.read, found.report.converted = len(chosen), squares.converted
    if squares.sizes != {reading.edges}:
        width, height = reading.edges
        listed = ", ".join(f"{w} x {h}" for w, h in sorted(squares.sizes)[:5])
        form = "a square" if width == height else "this form"
        more = f" and {len(squares.sizes) - 5} other sizes" if len(squares.sizes) > 5 else ""
        notes.append(
            f"images of {listed}{more} were cut to {form} and resized to {width} x {height}"
        )
    labels = np.array(found.labels, np.int64)[chosen] if names else None
    if labels is not None:
        notes += _uneven(labels, names)
    return TargetImages(squares.images, None, notes, labels, names, found.report.summary())


def _report_parts(
    images: ImageFolder, roles: dict[str, str], left_out: set[str], files: Sequence[Path]
) -> None:
    taken = [name for name in roles if name not in left_out]
    images.report.split = f"{' and '.join(taken)} taken"
    note = f"the folder has parts: {' and '.join(taken)} taken"
    if left_out:
        (name,) = left_out
        number = len(images.files) - len(files)
        images.report.passed_over[f"in {name}, kept for tests"] = number
        note += (
            f", the {number:,} images of {name} left for tests of yours; to take them, "
            f"give {printable(images.folder / name)}"
        )
    images.report.notes.append(note)
    beside = sum(len(images.parts(path)) == 1 for path in files)
    if beside:
        images.report.notes.append(f"{beside} images beside the parts are taken with them")


def _class_names(images: ImageFolder, files: Sequence[Path], depth: int) -> list[str]:
    """Return the class of every image; nothing where folders name none."""
    parts = [images.parts(path) for path in files]
    if any(len(names) != depth + 1 for names in parts):
        return []
    classes = [printable(names[depth - 1]) for names in parts]
    return classes if len(set(classes)) >= FEWEST_CLASSES else []


def _uneven(labels: np.ndarray, names: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(names))
    if counts.max() <= UNEVEN * counts.min():
        return []
    listed = ", ".join(f"{n} of {name}" for n, name in zip(counts, names, strict=True))
    return [
        f"the classes are uneven ({listed}), and a grammar draws all equally often: "
        "recovered spreads may be off; take about as many images of each"
    ]
