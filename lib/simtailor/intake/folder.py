"""The images of a user's folder, and what else is in it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simtailor.errors import UserError, first_of
from simtailor.intake.formats import (
    advice,
    any_size,
    looks_like_image,
    open_image,
    readable_suffixes,
    unreadable_suffixes,
)
from simtailor.intake.names import printable
from simtailor.intake.report import IntakeReport
from simtailor.intake.walk import walk_folder

SHOWN = 20  # files that a message names
SHOWN_PLANNING = 3  # the same, while the workflow is planned
LOOKED_AT = 8  # files that are opened while the workflow is planned
OPENED = 20  # files of one suffix in one group that are opened to see whether they are images
MOST_KINDS = 2000  # of groups and suffixes for which this is done


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """The files of a folder by what they are, each list sorted by path.

    Attributes:
        folder: as the user gave it.
        files: images of a format that is read.
        unread: pictures and videos of a format that is not.
        others: everything else but service files.
        folders: the folders below it, without service folders.
        report: of what was found; ``taken`` counts ``files``.
        where: begins messages about it.
    """

    folder: Path
    files: list[Path]
    unread: list[Path]
    others: list[Path]
    folders: list[Path]
    report: IntakeReport
    where: str

    def parts(self, path: Path) -> tuple[str, ...]:
        """Return the names on the way from the folder to a path."""
        return path.parts[len(self.folder.parts) :]


def find_images(folder: str | Path, key: str = "", layout: str = "") -> ImageFolder:
    """Return what a folder and those below it hold.

    Args:
        key: of the configuration, for messages.
        layout: what is expected there, for the message that there is no such folder.

    Raises:
        UserError: there is no such folder, or it may not be read.
    """
    folder = Path(folder)
    where = f"{printable(folder)}: {f'{key}: ' if key else ''}"
    try:
        there, is_folder = folder.exists(), folder.is_dir()
    except OSError as error:  # it may not be entered, or its name is too long
        raise UserError(
            f"{where}{error.strerror}; give a folder that can be read, by its right name"
        ) from None
    if not is_folder:
        kind = "it is a file, not a folder" if there else "no such folder"
        raise UserError(f"{where}{kind}{'; ' + layout if layout else ''}")
    walk, readable, unreadable = walk_folder(folder), readable_suffixes(), unreadable_suffixes()
    files, unread, others = [], [], []
    for path in walk.files:
        suffix = path.suffix.lower()
        if suffix in readable:
            files.append(path)
        else:
            (unread if suffix in unreadable else others).append(path)
    passed_over = Counter(walk.passed_over)
    for path in unread:
        passed_over[f"{_suffix(path)} (a format that is not read)"] += 1
    for path in others:
        passed_over[f"{_suffix(path)} (no image)"] += 1
    report = IntakeReport(
        printable(folder), len(walk.files) + walk.passed_over.total(), len(files), passed_over
    )
    below = [Path(path) for path in sorted(walk.folders) if path != str(folder)]
    return ImageFolder(folder, files, unread, others, below, report, where)


def check_formats(images: ImageFolder, group_of: Callable[[Path], str | None]) -> None:
    """Check that no group of files, nor all of them, is passed over for its format or its names.

    A picture beside an image of the same name (a raw file beside its JPEG, a phone's short video)
    does not count. Notes of the report say what is left out of the others.

    Args:
        group_of: returns the name of a path's group (a class); None for files in none.

    Raises:
        UserError: more of a group is passed over than read; names it, suffixes and counts.
    """
    misnamed = _misnamed(images.others, group_of)
    if not images.unread and not misnamed:
        return
    pictures = sorted([*images.unread, *misnamed])
    named = {(path.parent, path.stem.lower()) for path in images.files}
    missing = [p for p in pictures if (p.parent, p.stem.lower()) not in named]
    read = Counter(group_of(path) for path in images.files)
    passed, absent = _grouped(pictures, group_of), _grouped(missing, group_of)
    lost = {name: paths for name, paths in absent.items() if len(paths) > read[name]}
    if not lost and len(missing) > len(images.files):
        lost, passed = {None: missing}, {None: pictures}
    if lost:
        listed = "; ".join(
            ("" if name is None else f"in '{printable(name)}' ") + _counted(passed[name])
            for name in list(lost)[:SHOWN]
        )
        paths = [path for group in lost.values() for path in group]
        raise UserError(
            f"{images.where}most pictures have {_what(paths, misnamed)}: {listed}; "
            f"{_advice(paths, misnamed)}, or move them away"
        )
    if missing:
        groups = [printable(name) for name in absent if name is not None]
        inside = f" in {', '.join(groups[:SHOWN])}" if groups else ""
        images.report.notes.append(
            f"passed over {_counted(missing)}{inside}, {_what(missing, misnamed)}; "
            f"{_advice(missing, misnamed)} to have them taken"
        )


def note_folders_without_images(images: ImageFolder, groups: Iterable[Path]) -> None:
    """Note the folders among ``groups`` that hold no image."""
    direct = {path.parent for path in (*images.files, *images.unread)}
    holding = direct | {above for folder in direct for above in folder.parents}
    bare = [group for group in groups if group not in holding]
    if bare:
        names = first_of((printable(Path(*images.parts(group))) for group in bare), SHOWN)
        images.report.notes.append(f"folders without an image: {names}")


def check_images(files: Sequence[Path], where: str) -> None:
    """Check, quickly, that images can be opened: sizes of all, the headers of a few.

    Raises:
        UserError: one is empty, or one of those looked at cannot be opened; they are named.
    """
    empty = [path for path in files if os.stat(path).st_size == 0]
    if empty:
        listed = [(printable(path), "the file is empty") for path in empty]
        raise UserError(broken_message(where, len(files), listed, SHOWN_PLANNING))
    looked_at = files[:: max(1, len(files) // LOOKED_AT)][:LOOKED_AT]
    broken = []
    for path in looked_at:
        try:
            with any_size():
                open_image(path).close()
        except Exception as error:  # decoders of damaged files raise errors of many kinds
            broken.append((printable(path), str(error)))
    if broken:
        count = f"{len(looked_at)} images looked at"
        raise UserError(broken_message(where, count, broken, SHOWN_PLANNING))


def broken_message(
    where: str, count: int | str, broken: Sequence[tuple[str, str]], shown: int = SHOWN
) -> str:
    """Return the message that some of ``count`` images cannot be read.

    Args:
        broken: names, each with its reason; equal reasons stand in one line.
        shown: how many are named at most.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in broken[:shown]:
        names[reason].append(name)
    totals, left = Counter(reason for _, reason in broken), len(broken) - shown
    lines = []
    for reason, listed in names.items():
        hidden = totals[reason] - len(listed)
        left -= hidden
        more = f" and {hidden:,} more" if hidden else ""
        lines.append(f"{', '.join(listed)}{more}: {reason}")
    if left > 0:
        lines.append(f"and {left:,} more")
    of = count if isinstance(count, str) else f"{count} images"
    return f"{where}{len(broken)} of {of} cannot be read; remove or replace them:\n  " + (
        "\n  ".join(lines)
    )


def _misnamed(others: Sequence[Path], group_of: Callable[[Path], str | None]) -> set[Path]:
    """Return the files among others that begin like an image.

    Of each suffix in each group some are opened; where there are more, most of these decide.
    """
    alike: dict[tuple[str | None, str], list[Path]] = defaultdict(list)
    for path in others:
        alike[group_of(path), path.suffix.lower()].append(path)
    found: set[Path] = set()
    for paths in list(alike.values())[:MOST_KINDS]:
        opened = paths[:: max(1, len(paths) // OPENED)][:OPENED]
        images = [path for path in opened if looks_like_image(path)]
        most = len(paths) > len(opened) and 2 * len(images) > len(opened)
        found.update(paths if most else images)
    return found


def _what(paths: Sequence[Path], misnamed: set[Path]) -> str:
    """Return why pictures are passed over."""
    count = sum(path in misnamed for path in paths)
    if count == 0:
        return "a format that is not read"
    return "a name without the suffix of an image" + (
        " or a format that is not read" if count < len(paths) else ""
    )


def _advice(paths: Sequence[Path], misnamed: set[Path]) -> str:
    suffixes = {path.suffix.lower() for path in paths if path not in misnamed}
    steps = [advice(suffixes)] if suffixes else []
    renamed = [printable(path.name) for path in paths if path in misnamed]
    if renamed:
        steps.append(f"rename those that look like images ({renamed[0]}) to .jpg or .png")
    return " and ".join(steps)


def _grouped(
    paths: Iterable[Path], group_of: Callable[[Path], str | None]
) -> dict[str | None, list[Path]]:
    groups: dict[str | None, list[Path]] = defaultdict(list)
    for path in paths:
        groups[group_of(path)].append(path)
    return groups


def _counted(paths: Sequence[Path]) -> str:
    counts = Counter(_suffix(path) for path in paths)
    return ", ".join(f"{count:,} {suffix}" for suffix, count in counts.most_common(8))


def _suffix(path: Path) -> str:
    return printable(path.suffix.lower()) or "without suffix"
