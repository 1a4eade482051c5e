"""Prepare a task: take images from its source, split them, check them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.errors import UserError
from simtailor.files import files_state
from simtailor.intake.folder import check_images
from simtailor.intake.limits import MOST_PIXELS
from simtailor.intake.names import printable
from simtailor.intake.reading import Reading, Squares, read_squares
from simtailor.seeds import generator
from simtailor.tasks.prepared import PreparedTask
from simtailor.tasks.settings import Tasks
from simtailor.tasks.sources.base import ImageSource, find_kind
from simtailor.tasks.split import (
    balanced_choice,
    merged_groups,
    near_duplicates,
    split_by_groups,
)
from simtailor.tasks.table import TaskRow

FEWEST_CLASSES = 2
FOLDERS = ("folder", "files")  # kinds of sources that are a user's images in files
READING_THREADS = 4


@dataclass(frozen=True)
class TaskSize:
    """How much of a task is taken: the settings of these names."""

    image_size: int
    most_images: int | None
    test_share: float
    most_pixels: int = MOST_PIXELS

    @classmethod
    def of(cls, settings: Tasks) -> TaskSize:
        """Return the part of the settings that a prepared task depends on."""
        names = (field.name for field in fields(cls))
        return cls(**{name: getattr(settings, name) for name in names})


def prepare_task(
    row: TaskRow,
    size: TaskSize,
    resources: str | Path,
    seed: int,
    report: Callable[[str], None],
    threads: int = 1,
) -> tuple[PreparedTask, dict[str, Any]]:
    """Return the prepared task of a row, and the summary of what was done.

    Args:
        threads: that read images; the result does not depend on them.

    Raises:
        UserError: the source cannot be read, or a class lacks images to train or to test.
    """
    kind = find_kind(row.kind)
    source = kind.load(row.place(resources), kind.options.model_validate(row.options))
    if row.test_share is not None:
        size = replace(size, test_share=row.test_share)
    for line in source.intake.lines() if source.intake else ():
        report(line)
    report(f"{len(source.labels)} images of {len(source.classes)} classes in the source")
    where = ", ".join(row.packages) or row.source
    _check_classes(source, where)
    random = generator(seed, "task", row.name)
    chosen = _choose(source, size, random)
    squares = _read(source, chosen, size, row, report, threads)
    images = squares.images
    labels = source.labels[chosen]
    test, alike = _split(source, chosen, images, size, random)
    leaked = int(np.isin(alike[test], alike[~test]).sum())  # test images like one that trains
    notes = [note for note in (row.notes, *source.notes, *squares.notes()) if note]
    if leaked:
        notes.append(
            f"{leaked:,} of {int(test.sum()):,} test images have a near-duplicate that trains: "
            "the source's own split leaks"
        )
        report(notes[-1])
    shared = _groups_on_both_sides(source, chosen)
    if shared:
        notes.append(
            f"{shared:,} groups have images that train and images that test: the source's own "
            "split leaks"
        )
        report(notes[-1])
    counts = {
        name: {
            "train": int((~test & (labels == i)).sum()),
            "test": int((test & (labels == i)).sum()),
        }
        for i, name in enumerate(source.classes)
    }
    for index, (name, count) in enumerate(counts.items()):
        if not count["train"] or not count["test"]:
            own = labels == index
            same = source.test is None and len(np.unique(alike[own])) == 1
            one = source.groups is not None and len(np.unique(source.groups[chosen][own])) == 1
            raise UserError(
                f"task '{row.name}' from {where}: the class '{name}' has {count['train']} images "
                f"to train and {count['test']} to test"
                + (", as all its images are near-duplicates of each other" if same else "")
                + (", as all its images are of one group" if one and not same else "")
                + "; give it more, or take it out"
            )
    facts = {
        "name": row.name,
        "title": row.title,
        "classes": list(source.classes),
        "image_size": size.image_size,
        "source": f"{row.kind}: {where}",
        "licence": row.licence,
        "notes": notes,
        "train": int((~test).sum()),
        "test": int(test.sum()),
        "in_source": len(source.labels),
        "fit": row.fit,
        "flip": row.flip,
        "ranges": [[kind, *ends] for kind, ends in sorted(squares.ranges.items())],
    }
    summary = {
        **facts,
        "study": row.study,
        "split": source.split,
        "seed": seed,
        "original_sizes": _described(squares.sizes),
        "chance": round(100 / len(source.classes), 2),
        "largest_class": round(100 * max(c["test"] for c in counts.values()) / facts["test"], 2),
        "near_duplicates": int(len(alike) - len(np.unique(alike))),
        "near_duplicates_across_the_split": leaked,
        "counts": counts,
    }
    if source.intake is not None:
        source.intake.read, source.intake.converted = len(chosen), squares.converted
        summary["intake"] = source.intake.summary()
    parts = np.flatnonzero(~test), np.flatnonzero(test)
    names = tuple(source.name_of(int(index)) for index in chosen)
    return PreparedTask(facts, images, labels, *parts, names), summary


def reading_threads(row: TaskRow) -> int:
    """Return how many threads read a row's images."""
    return READING_THREADS if row.kind in FOLDERS else 1


def source_state(row: TaskRow, resources: str | Path) -> str:
    """Return a digest of names, sizes and times of a row's folder; empty for other sources.

    Raises:
        UserError: the folder is absent or laid out otherwise, or some images cannot be opened.
    """
    if row.packages:
        return ""
    folder = row.place(resources).folders[0]
    if row.kind in FOLDERS:
        kind = find_kind(row.kind)
        source = kind.load(row.place(resources), kind.options.model_validate(row.options))
        _check_classes(source, printable(folder))
        check_images(source.files, f"{printable(folder)}: ")
        files = source.files
    elif row.kind in ("idx", "datasets") and os.path.isdir(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    else:
        return ""
    return files_state(files)


def source_exists(row: TaskRow, resources: str | Path) -> bool:
    """Return whether a row's folder is there, right or wrong."""
    return row.place(resources).folders[0].exists()


def _check_classes(source: ImageSource, where: str) -> None:
    if len(source.classes) < FEWEST_CLASSES:
        raise UserError(f"{where}: only one class, {source.classes[0]}; a task needs two or more")
    wrong = np.flatnonzero((source.labels < 0) | (source.labels >= len(source.classes)))
    if len(wrong):
        raise UserError(
            f"{where}: the label of {source.name_of(int(wrong[0]))} is {source.labels[wrong[0]]}, "
            f"but there are {len(source.classes)} classes, 0 to {len(source.classes) - 1}"
        )
    counts = np.bincount(source.labels, minlength=len(source.classes))
    few = [source.classes[i] for i in np.flatnonzero(counts < FEWEST_CLASSES)]
    if few:
        raise UserError(
            f"{where}: classes with fewer than two images, one to train and one to test: "
            f"{', '.join(few[:10])}; give them more, or take them out"
        )


def _choose(source: ImageSource, size: TaskSize, random: np.random.Generator) -> np.ndarray:
    """Return sorted indices of the images to take, the source's own parts by their shares."""
    if size.most_images is None:
        return np.arange(len(source.labels))
    testing = round(size.test_share * size.most_images)
    fewest = min(testing, size.most_images - testing)
    if fewest < len(source.classes):
        raise UserError(
            f"task2sim.tasks.most_images: {size.most_images} leave {fewest} images to train or to "
            f"test for {len(source.classes)} classes; give more"
        )
    if source.test is None:
        return balanced_choice(source.labels, size.most_images, random)
    parts = ((~source.test, size.most_images - testing), (source.test, testing))
    chosen = []
    for mask, count in parts:
        members = np.flatnonzero(mask)
        chosen.append(members[balanced_choice(source.labels[members], count, random)])
    return np.sort(np.concatenate(chosen))


def _read(
    source: ImageSource,
    chosen: np.ndarray,
    size: TaskSize,
    row: TaskRow,
    report: Callable[[str], None],
    threads: int,
) -> Squares:
    reading = Reading(
        size.image_size,
        row.fit,
        most_pixels=size.most_pixels,
        key="task2sim.tasks.most_pixels",
    )
    where = f"task '{row.name}' from {', '.join(row.packages) or row.source}: "
    threads = threads if source.files else 1  # other readers may not bear several
    squares = read_squares(source.read, source.name_of, chosen, reading, threads, report, where)
    for note in squares.notes():
        report(note)
    return squares


def _split(
    source: ImageSource,
    chosen: np.ndarray,
    images: np.ndarray,
    size: TaskSize,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return which images test, bool [n], and the group of near-duplicates of each, int64 [n]."""
    alike = near_duplicates(images)
    labels = source.labels[chosen]
    if source.test is not None:
        return source.test[chosen], alike
    groups = alike if source.groups is None else merged_groups(alike, source.groups[chosen])
    return split_by_groups(labels, groups, size.test_share, random), alike


def _groups_on_both_sides(source: ImageSource, chosen: np.ndarray) -> int:
    """Return how many groups a source's own split divides."""
    if source.test is None or source.groups is None:
        return 0
    groups, test = source.groups[chosen], source.test[chosen]
    return len(np.intersect1d(groups[test], groups[~test]))


def _described(sizes: set[tuple[int, int]]) -> str:
    if len(sizes) == 1:
        return "{} x {}".format(*next(iter(sizes)))
    edges = [edge for size in sizes for edge in size]
    return f"{len(sizes)} sizes, edges from {min(edges)} to {max(edges)}"
