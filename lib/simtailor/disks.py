"""Disks that are full: found out, and said in one paragraph."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from simtailor.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)  # no space on the disk, or none left of the user's share
PROBE = 1 << 16  # bytes: what a library's last unsuccessful write may have left free


def is_full(folder: str | Path) -> bool:
    """Return whether a little more cannot be written into a folder for want of space."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            written = file.write(bytes(PROBE))
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in FULL
    return written < PROBE


def want_of_space(error: BaseException, path: str | Path) -> UserError | None:
    """Return what to tell where an error comes of a full disk; None where it does not.

    Args:
        path: what was being written, in a folder that exists.
    """
    if isinstance(error, UserError):
        return None
    path = Path(path)
    # Some libraries pass the system's words on, without its number, and some neither.
    told = any(
        getattr(one, "errno", None) in FULL or any(os.strerror(n) in str(one) for n in FULL)
        for one in (error, error.__cause__, error.__context__)
        if one is not None
    )
    return full_disk(path) if told or is_full(path.parent) else None


def full_disk(path: str | Path) -> UserError:
    """Return the error of a file that found no space."""
    path = Path(path)
    usage = shutil.disk_usage(path.parent)
    return UserError(
        f"{path} cannot be written: its disk is full ({usage.free / 1e6:,.1f} MB of "
        f"{usage.total / 1e9:,.2f} GB are free), or your share of it is. Make room there, or let "
        "the key results, work or resources name a folder on a larger disk."
    )
