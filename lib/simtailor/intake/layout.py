"""Class folders and parts (training, validation, test) of a folder of labelled images."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simtailor.errors import UserError, first_of, nearest_name
from simtailor.intake.folder import (
    ImageFolder,
    check_formats,
    find_images,
    note_folders_without_images,
)
from simtailor.intake.names import printable
from simtailor.intake.parts import check_distinct, check_same_inside, part_roles, roles_inside
from simtailor.intake.report import IntakeReport

LAYOUT = "expected FOLDER/CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg inside"
AT_RANDOM = "at random, the same share of every class"
FEW = 5  # names that a message lists


@dataclass(frozen=True, eq=False)
class LabelledFiles:
    """Images with their classes.

    Attributes:
        labelled: files with the names of their classes, sorted by path.
        test: whether each is of the test part; None where the folder has no parts.
        report: of the intake.
    """

    labelled: list[tuple[Path, str]]
    test: list[bool] | None
    report: IntakeReport


def labelled_files(folder: str | Path) -> LabelledFiles:
    """Return the images of ``FOLDER/CLASS/**``, ``PART/CLASS/**`` or ``CLASS/PART/**``.

    Parts are told by their names (see ``parts``). Validation images test where there is no test
    part, else they train. A test part without classes is passed over.

    Raises:
        UserError: the folder is laid out otherwise, or its parts have different classes.
    """
    images = find_images(folder, layout=LAYOUT)
    if not images.files and not images.unread:
        check_formats(images, lambda path: None)
        raise UserError(f"{images.where}{LAYOUT}: it has no images ({images.report.sentence()})")
    roles = part_roles(images)
    _check_wrapper(images, roles)
    class_at = 1 if roles else 0
    if not roles:
        roles = roles_inside(images)
    if not roles:
        check_same_inside(images)
    part_at = 1 - class_at
    depth = 2 if roles else 1  # folders above an image, at least
    left_out = _unlabelled_parts(images, roles, class_at)
    check_distinct(images, depth, left_out)
    inside = [(path, images.parts(path)) for path in images.files]
    inside = [(path, names) for path, names in inside if names[0] not in left_out]
    loose = [path for path, names in inside if len(names) <= depth]
    if loose:
        others = f" and {len(loose) - 1} other images are" if len(loose) > 1 else " is"
        parts = f" (parts of a split: {', '.join(map(printable, roles))})" if roles else ""
        raise UserError(
            f"{images.where}{LAYOUT}; {printable(loose[0])}{others} in no class's folder{parts}"
        )

    def group_of(path: Path) -> str | None:
        names = images.parts(path)
        if len(names) <= depth or names[0] in left_out:
            return None
        return "/".join(names[:depth])

    check_formats(images, group_of)
    note_folders_without_images(images, _class_folders(images, depth, left_out))
    images.report.taken = len(inside)
    found = [roles[names[part_at]] if roles else "train" for _, names in inside]
    raw = [names[class_at] for _, names in inside]
    _check_names(images, set(zip(found, raw, strict=True)))
    written = {name: printable(name) for name in set(raw)}
    names = [written[name] for name in raw]
    test, images.report.split = _split(images, found, roles, left_out)
    if test is not None:
        _check_same_classes(images, names, test)
    labelled = [(path, name) for (path, _), name in zip(inside, names, strict=True)]
    return LabelledFiles(labelled, test, images.report)


def _check_wrapper(images: ImageFolder, roles: dict[str, str]) -> None:
    """Stop at a single folder around the class folders: it would be the only class."""
    inside = [images.parts(path) for path in (*images.files, *images.unread)]
    top, below = {parts[0] for parts in inside}, {parts[1] for parts in inside if len(parts) > 2}
    if roles or len(top) > 1 or len(below) < 2 or any(len(parts) < 3 for parts in inside):
        return
    (name,) = top
    listed = ", ".join(printable(n) for n in sorted(below)[:FEW])
    raise UserError(
        f"{images.where}its only class folder, '{printable(name)}', itself holds "
        f"folders ({listed}{', ...' if len(below) > FEW else ''}); give "
        f"{printable(images.folder / name)}"
    )


def _unlabelled_parts(images: ImageFolder, roles: dict[str, str], class_at: int) -> set[str]:
    """Return the parts beside the training part that have no labels, and report them.

    Their images lie directly in them, or in one folder that is no class of the training part.
    """
    if class_at == 0 or "train" not in roles.values():
        return set()
    classes: dict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    loose = set()
    for path in images.files:
        names = images.parts(path)
        counts[names[0]] += 1
        if len(names) > 2:
            classes[names[0]].add(names[1])
        else:
            loose.add(names[0])
    trained = {
        printable(c) for name, found in classes.items() if roles[name] == "train" for c in found
    }
    left_out = set()
    for name, role in roles.items():
        own = {printable(c) for c in classes[name]}
        no_class = name in loose and not own
        only_one = name not in loose and len(own) == 1 and not own & trained
        if role != "train" and trained and (no_class or only_one):
            left_out.add(name)
            images.report.passed_over[f"in {name}, which has no class folders"] += counts[name]
            images.report.notes.append(
                f"the part '{name}' has no class folders: its {counts[name]:,} images are "
                "passed over"
            )
    return left_out


def _split(
    images: ImageFolder, found: Sequence[str], roles: dict[str, str], left_out: set[str]
) -> tuple[list[bool] | None, str]:
    """Return which images test, and the split in words."""
    if not roles:
        return None, AT_RANDOM
    name_of = {role: name for name, role in roles.items() if name not in left_out}
    present = [role for role in ("train", "val", "test") if role in set(found)]
    if len(present) < 2:
        images.report.notes.append(
            f"only the part '{name_of[present[0]]}' has classes; it is split at random"
        )
        return None, f"{AT_RANDOM}, of the part {name_of[present[0]]}"
    tests = present[-1]
    training = " and ".join(name_of[role] for role in present[:-1])
    verb = "train" if len(present) > 2 else "trains"
    why = ", as there is no test part" if tests == "val" else ""
    return [role == tests for role in found], (
        f"the folder's own: {training} {verb}, {name_of[tests]} tests{why}"
    )


def _class_folders(images: ImageFolder, depth: int, left_out: set[str]) -> list[Path]:
    """Return the folders at the depth of classes (or of parts in classes)."""
    found = []
    for folder in images.folders:
        names = images.parts(folder)
        if len(names) == depth and names[0] not in left_out:
            found.append(folder)
    return found


def _check_names(images: ImageFolder, raw: set[tuple[str, str]]) -> None:
    """Stop at folders whose names look the same, and note those that differ in case only."""
    names = sorted({printable(name) for _, name in raw})
    for (_, name), count in Counter((part, printable(name)) for part, name in raw).items():
        if count > 1:
            raise UserError(
                f"{images.where}{count} class folders are all written '{name}'; rename or join them"
            )
    alike = defaultdict(list)
    for name in names:
        alike[name.casefold()].append(name)
    for same in alike.values():
        if len(same) > 1:
            images.report.notes.append(
                f"the classes {', '.join(same)} differ only in upper and lower case, and are "
                "taken as different"
            )


def _check_same_classes(images: ImageFolder, names: Sequence[str], test: Sequence[bool]) -> None:
    parts = [{n for n, t in zip(names, test, strict=True) if t is side} for side in (False, True)]
    for own, other, words in ((*parts, "to train but none to test"),
                              (*parts[::-1], "to test but none to train")):  # fmt: skip
        only = sorted(own - other)
        if only:
            listed = first_of((f"'{name}'" for name in only), FEW)
            hint = nearest_name(only[0], other - own)
            raise UserError(
                f"{images.where}{images.report.split}, but of {listed} there "
                f"are images {words}; give every class to both parts.{hint}"
            )
