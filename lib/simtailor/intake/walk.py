"""A walk through a user's folder: links followed, service files and folders passed over."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from simtailor.errors import UserError

# Left beside a user's files by macOS, Synology, Windows and archives; compared in lower case.
SERVICE_NAMES = ("__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin",
                 "#recycle", "lost+found", "__pycache__")  # fmt: skip
HIDDEN = "names that begin with a dot"
BROKEN = "links to nothing"
LOOP = "links to a folder that they are in"
SPECIAL = "neither files nor folders"


@dataclass(frozen=True)
class Walk:
    """The files below a folder.

    Attributes:
        files: sorted by their path, links followed.
        passed_over: number of files by the reason for which they were not taken.
    """

    files: list[Path] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def walk_folder(folder: str | Path) -> Walk:
    """Return all files below a folder, of any name that the system allows.

    Raises:
        UserError: the folder, or one below it, is absent or may not be read.
    """
    walk = Walk()
    _enter(Path(folder), frozenset(), walk)
    return walk


def subfolders(folder: str | Path) -> list[Path]:
    """Return the folders directly in a folder, links among them, without service folders, sorted.

    Raises:
        UserError: the folder is absent or may not be read.
    """
    entries = _entries(Path(folder))
    return [
        Path(e.path) for e in entries if service_reason(e.name) is None and os.path.isdir(e.path)
    ]


def service_reason(name: str) -> str | None:
    """Return why a file or folder of this name is passed over; None where it is taken."""
    if name.startswith("."):
        return HIDDEN
    return name if name.lower() in SERVICE_NAMES else None


def _enter(folder: Path, above: frozenset[tuple[int, int]], walk: Walk) -> None:
    status = folder.stat() if folder.exists() else None
    inside = above | ({(status.st_dev, status.st_ino)} if status else set())
    for entry in _entries(folder):
        reason = service_reason(entry.name)
        if reason is not None:
            walk.passed_over[reason] += _count(Path(entry.path))
        elif os.path.isdir(entry.path):
            target = os.stat(entry.path)
            if (target.st_dev, target.st_ino) in inside:
                walk.passed_over[LOOP] += 1
            else:
                _enter(Path(entry.path), inside, walk)
        elif os.path.isfile(entry.path):
            walk.files.append(Path(entry.path))
        else:
            walk.passed_over[BROKEN if entry.is_symlink() else SPECIAL] += 1


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read as a folder: {error.strerror}") from error


def _count(path: Path) -> int:
    """Return how many files a path is or holds; links in it are not followed."""
    if path.is_symlink() or not path.is_dir():
        return 1
    return sum(len(files) for _, _, files in os.walk(path))
