"""Files that are whole or absent: written to a staging name, then renamed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from simtailor.disks import want_of_space
from simtailor.errors import UserError

# What flock answers where the file system knows no locks, or has none left.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
# What it answers where another holds the lock; EACCES from locks that a network file server keeps.
HELD = (errno.EAGAIN, errno.EACCES)


@contextmanager
def staged(path: str | Path) -> Iterator[Path]:
    """Yield a staging path beside ``path``; rename it to ``path`` if the block succeeds.

    Raises:
        UserError: the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process number keeps a killed run's survivor and its successor apart. The
    # suffix stays last, for writers that choose the format by it.
    staging = path.with_name(f".{path.stem}.staging-{os.getpid()}{path.suffix}")
    try:
        mode = _usual_mode(staging)
        yield staging
        with open(staging, "rb") as file:
            os.fsync(file.fileno())  # or a power cut could leave the new name with no content
        _give_mode(staging, mode)
        os.replace(staging, path)
    except Exception as error:  # libraries have their own for a full disk
        if full := want_of_space(error, path):
            raise full from error
        raise
    finally:
        staging.unlink(missing_ok=True)


@contextmanager
def staged_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty staging folder; it replaces ``path`` if the block succeeds.

    Raises:
        UserError: the disk is full.
    """
    path = Path(path)
    for left_over in path.parent.glob(f".{path.name}.staging-*"):  # of killed runs
        shutil.rmtree(left_over, ignore_errors=True)
    staging = path.with_name(f".{path.name}.staging-{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging.mkdir()
        mode = _usual_mode(staging / ".mode")
        yield staging
        for file in staging.rglob("*"):
            if file.is_file() and not file.is_symlink():
                _give_mode(file, mode)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(staging, path)
    except Exception as error:
        if full := want_of_space(error, path):
            raise full from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _usual_mode(path: Path) -> int:
    """Return the permissions that a new file at ``path`` gets from umask or folder.

    Some writers (safetensors) rename a temporary file that only its owner may read.
    """
    path.touch()
    mode = path.stat().st_mode & 0o777
    path.unlink()
    return mode


def _give_mode(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o777 != mode:
        with suppress(PermissionError):  # a link to another user's, or no such thing there
            path.chmod(mode)


@contextmanager
def only_one(path: str | Path, busy: str, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock file ``path``, whose content says which process has it.

    Args:
        busy: what is wrong, and what to do, where another process holds it.
        report: is told where the file system has no locks; the block then runs without.

    Raises:
        UserError: another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                file.seek(0)
                holder = file.read().strip()
                raise UserError(busy + (f" ({holder} has {path})" if holder else "")) from error
            if error.errno not in NO_LOCKS:
                raise
            report(
                f"{path.parent}: this file system has no locks ({error.strerror}), so nothing "
                "keeps a second run from the same files; start one at a time"
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON with a final newline."""
    with staged(path) as staging:
        staging.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError, ValueError: it cannot be read, or holds NaN or infinity, which JSON has not.
    """
    return json.loads(Path(path).read_text(), parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


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
