"""A walk through a user's folder: links followed, service files and folders passed over."""

from __future__ import annotations

import os
import time
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
AGAIN = "links to a file that is taken"
SETTLED = 2 * 10**9  # ns: a folder that changed within them may change again unnoticed


@dataclass(frozen=True)
class Walk:
    """The files below a folder.

    Attributes:
        files: sorted by their path, links followed.
        passed_over: number of files by the reason for which they were not taken.
        folders: those entered, by their path, with the time of their last change in ns.
    """

    files: list[Path] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    folders: dict[str, int] = field(default_factory=dict)


# Planning asks for the same folder several times; 100,000 files take a second to list.
_KNOWN: dict[tuple[str, Path], Walk] = {}


def walk_folder(folder: str | Path) -> Walk:
    """Return all files below a folder, of any name that the system allows.

    Raises:
        UserError: the folder, or one below it, is absent or may not be read.
    """
    key = (os.getcwd(), Path(folder))
    walk = _KNOWN.get(key)
    if walk is None or not _unchanged(walk):
        begun, walk = time.time_ns(), Walk()
        _enter(Path(folder), frozenset(), walk)
        _KNOWN.pop(key, None)
        if BROKEN not in walk.passed_over and max(walk.folders.values()) < begun - SETTLED:
            _KNOWN[key] = walk
    return Walk(list(walk.files), Counter(walk.passed_over), dict(walk.folders))


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


def _unchanged(walk: Walk) -> bool:
    """Return whether no folder gained, lost or renamed an entry since the walk."""
    try:
        return all(os.stat(path).st_mtime_ns == time for path, time in walk.folders.items())
    except OSError:
        return False


def _enter(folder: Path, above: frozenset[tuple[int, int]], walk: Walk) -> None:
    try:
        status = folder.stat()
    except OSError:  # which the listing explains
        status = None
    inside = above | ({(status.st_dev, status.st_ino)} if status else set())
    entries = _entries(folder)
    walk.folders[str(folder)] = status.st_mtime_ns if status else 0
    taken: dict[tuple[str, int], os.DirEntry[str]] = {}
    for entry in entries:
        reason = service_reason(entry.name)
        if reason is not None:
            walk.passed_over[reason] += _count(Path(entry.path))
        elif _is_folder(entry):
            target = os.stat(entry.path)
            if (target.st_dev, target.st_ino) in inside:
                walk.passed_over[LOOP] += 1
            else:
                _enter(Path(entry.path), inside, walk)
        elif os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file():
            if _is_taken(entry, taken):
                walk.passed_over[AGAIN] += 1
            else:
                walk.files.append(Path(entry.path))
        else:
            walk.passed_over[BROKEN if entry.is_symlink() else SPECIAL] += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # An entry knows its kind without asking the file system; only of links it may fail.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _is_taken(entry: os.DirEntry[str], taken: dict[tuple[str, int], os.DirEntry[str]]) -> bool:
    """Return whether a file, of the same suffix, is already taken from this folder."""
    number = entry.stat().st_ino if entry.is_symlink() else entry.inode()
    key = (os.path.splitext(entry.name)[1].lower(), number)
    first = taken.setdefault(key, entry)
    # Some network file systems number files wrongly: only what is a link counts.
    return first is not entry and (
        os.path.samefile(first.path, entry.path)
        and (first.is_symlink() or entry.is_symlink() or entry.stat().st_nlink > 1)
    )


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
