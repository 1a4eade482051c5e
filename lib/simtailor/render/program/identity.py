"""Which program it is that draws: check sums of the files that images depend on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from simtailor.files import checksum
from simtailor.render.program.hello import Hello
from simtailor.render.program.settings import ProgramSettings, filled


def command_sums(settings: ProgramSettings) -> list[str]:
    """Return check sums of the files that stand in the command.

    A program that is found on PATH is no file of the user's: what it tells of its version
    stands for it.
    """
    words = settings.words
    own = [] if os.sep not in filled(settings.command[0]) else words[:1]
    named = [os.path.join(settings.folder, word) for word in words[1:]]
    return _sums([*own, *(path for path in named if os.path.isfile(path))])


def identity_of(settings: ProgramSettings, hello: Hello) -> str:
    """Return the digest of all that images depend on beside the settings and the scene."""
    files = _sums(os.path.join(settings.folder, filled(name)) for name in settings.files)
    said = [hello.name, hello.version, sorted(hello.files.values())]
    parts = json.dumps([said, command_sums(settings), files])
    return f"{hello.name} {hello.version} {hashlib.sha256(parts.encode()).hexdigest()}"


def is_current(hello: Hello) -> bool:
    """Return whether the files that a program told of are as they were, where they are here."""
    return all(
        not os.path.isfile(path) or _sums([path]) == [known] for path, known in hello.files.items()
    )


def _sums(paths: Iterable[str]) -> list[str]:
    """Return check sums of files, and of all files in folders by their names."""
    found = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(_sum(path))
            continue
        for file in sorted(p for p in Path(path).rglob("*") if p.is_file()):
            found += [str(file.relative_to(path)), _sum(str(file))]
    return found


def _sum(path: str) -> str:
    status = os.stat(path)
    return _sum_of_state(os.path.abspath(path), status.st_mtime_ns, status.st_size)


@cache
def _sum_of_state(path: str, changed: int, size: int) -> str:
    return checksum(path)
