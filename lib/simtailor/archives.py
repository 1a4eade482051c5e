"""Members of zip, tar and Debian archives, one after the other."""

from __future__ import annotations

import lzma
import os
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60  # bytes
TIME_LIMIT = 600  # seconds that unpacking may take
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError)


def members_of(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]] | None]]:
    """Yield the name of each file in a zip, tar or Debian archive, and how to open it.

    Each must be opened before the next is asked for. A link has no way to open it: it would
    lead out of the archive.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                if not member.is_dir():
                    yield member.filename, partial(opened.open, member)
        return
    with _tar_file(archive) as file, tarfile.open(fileobj=file) as opened:
        for member in opened:
            if not member.isdir():
                yield member.name, partial(opened.extractfile, member) if member.isreg() else None


@contextmanager
def _tar_file(archive: Path) -> Iterator[IO[bytes]]:
    """Open a tar archive, or the one with the installed files that a Debian package holds.

    A Debian package is an ``ar`` archive, see deb(5) and ar(5): a header a member with its name
    in bytes 0 to 16 and its size, decimal, in bytes 48 to 58; members start at even bytes.
    """
    with open(archive, "rb") as file:
        if file.read(len(AR_MAGIC)) != AR_MAGIC:
            file.seek(0)
            yield file
            return
        while header := file.read(AR_HEADER):
            name, size = header[:16].decode("ascii", "replace").strip(" /"), int(header[48:58])
            if name.startswith("data.tar"):
                break
            file.seek(size + size % 2, os.SEEK_CUR)
        else:
            raise OSError("this Debian package holds no data")
        with tempfile.TemporaryFile() as data:
            if name.endswith(".zst"):  # of Ubuntu, where dpkg is; Python 3.12 reads no Zstandard
                command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
                subprocess.run(command, check=True, stdout=data, timeout=TIME_LIMIT)
            else:
                data.write(file.read(size))
            data.seek(0)
            yield data
