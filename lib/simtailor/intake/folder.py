"""The images of a user's folder, and what else is in it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simtailor.errors import UserError
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
LOOKED_AT = 8  # files that are opened while the workflow is planned


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
    """Check that no group of files, nor all of them, is passed over for its format.

    A picture beside an image of the same name (a raw file beside its JPEG, a phone's short video)
    does not count. Notes of the report say what is left out of the others.

    Args:
        group_of: returns the name of a path's group (a class); None for files in none.

    Raises:
        UserError: more of a group is passed over than read; names it, suffixes and counts.
    """
    if not images.unread:
        return
    named = {(path.parent, path.stem.lower()) for path in images.files}
    missing = [p for p in images.unread if (p.parent, p.stem.lower()) not in named]
    read = Counter(group_of(path) for path in images.files)
    unread, absent = _grouped(images.unread, group_of), _grouped(missing, group_of)
    lost = {name: paths for name, paths in absent.items() if len(paths) > read[name]}
    if not lost and len(missing) > len(images.files):
        lost, unread = {None: missing}, {None: images.unread}
    if lost:
        listed = "; ".join(
            ("" if name is None else f"in '{printable(name)}' ") + _counted(unread[name])
            for name in list(lost)[:SHOWN]
        )
        suffixes = {path.suffix.lower() for paths in lost.values() for path in paths}
        raise UserError(
            f"{images.where}most pictures have a format that is not read: {listed}; "
            f"{advice(suffixes)}, or move them away"
        )
    if missing:
        groups = [printable(name) for name in absent if name is not None]
        inside = f" in {', '.join(groups[:SHOWN])}" if groups else ""
        images.report.notes.append(
            f"passed over {_counted(missing)}{inside}, a format that is not read; "
            f"{advice({p.suffix.lower() for p in missing})} to have them taken"
        )


def check_without_images(images: ImageFolder, groups: Iterable[Path]) -> None:
    """Note the folders among ``groups`` that hold no image, and stop where they seem to.

    Raises:
        UserError: files of a folder begin like images, but have no suffix of one.
    """
    direct = {path.parent for path in (*images.files, *images.unread)}
    holding = direct | {above for folder in direct for above in folder.parents}
    bare = [group for group in groups if group not in holding]
    for group in bare:
        inside = [path for path in images.others if group in path.parents]
        if inside and looks_like_image(inside[0]):
            raise UserError(
                f"{images.where}the {len(inside)} files in "
                f"'{printable(images.folder / group)}' look like images, but their names have no "
                f"suffix of one ({printable(inside[0].name)}); rename them, to .jpg or .png"
            )
    if bare:
        names = ", ".join(printable(Path(*images.parts(group))) for group in bare[:SHOWN])
        more = f" and {len(bare) - SHOWN} more" if len(bare) > SHOWN else ""
        images.report.notes.append(f"folders without an image: {names}{more}")


def check_images(files: Sequence[Path], where: str) -> None:
    """Check, quickly, that images can be opened: sizes of all, the headers of a few.

    Raises:
        UserError: one is empty, or one of those looked at cannot be opened; they are named.
    """
    empty = [path for path in files if os.stat(path).st_size == 0]
    if empty:
        listed = [f"{printable(path)}: the file is empty" for path in empty]
        raise UserError(broken_message(where, len(files), listed))
    looked_at = files[:: max(1, len(files) // LOOKED_AT)][:LOOKED_AT]
    broken = []
    for path in looked_at:
        try:
            with any_size():
                open_image(path).close()
        except Exception as error:  # decoders of damaged files raise errors of many kinds
            broken.append(f"{printable(path)}: {error}")
    if broken:
        raise UserError(broken_message(where, len(looked_at), broken, " looked at"))


def broken_message(where: str, count: int, broken: Sequence[str], looked_at: str = "") -> str:
    """Return the message that ``broken``, a line each, of ``count`` images cannot be read."""
    more = [f"and {len(broken) - SHOWN} more"] if len(broken) > SHOWN else []
    return (
        f"{where}{len(broken)} of {count} images{looked_at} cannot be read; remove or replace "
        "them:\n  " + "\n  ".join([*broken[:SHOWN], *more])
    )


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
