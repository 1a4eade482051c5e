"""Files that are whole or absent: written to a staging name, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def staged(path: str | Path) -> Iterator[Path]:
    """Yield a staging path beside ``path``; rename it to ``path`` if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process number keeps a killed run's survivor and its successor apart. The
    # suffix stays last, for writers that choose the format by it.
    staging = path.with_name(f".{path.stem}.staging-{os.getpid()}{path.suffix}")
    try:
        yield staging
        with open(staging, "rb") as file:
            os.fsync(file.fileno())  # or a power cut could leave the new name with no content
        os.replace(staging, path)
    finally:
        staging.unlink(missing_ok=True)


@contextmanager
def staged_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty staging folder; it replaces ``path`` if the block succeeds."""
    path = Path(path)
    for left_over in path.parent.glob(f".{path.name}.staging-*"):  # of killed runs
        shutil.rmtree(left_over, ignore_errors=True)
    staging = path.with_name(f".{path.name}.staging-{os.getpid()}")
    staging.mkdir(parents=True)
    try:
        yield staging
        shutil.rmtree(path, ignore_errors=True)
        os.replace(staging, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def copy_folder(source: str | Path, path: str | Path) -> None:
    """Copy a folder, whole or not at all."""
    with staged_folder(path) as staging:
        shutil.copytree(source, staging, dirs_exist_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON with a final newline."""
    with staged(path) as staging:
        staging.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def checksum(path: str | Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_state(paths: Iterable[str | Path]) -> str:
    """Return a digest of names, sizes and times of files; those that are absent count as that."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = os.stat(path)
            state = f"{status.st_size}\0{status.st_mtime_ns}"
        except OSError:
            state = "absent"
        digest.update(os.fsencode(path) + f"\0{state}\n".encode())
    return digest.hexdigest()
