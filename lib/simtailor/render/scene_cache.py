"""Drawn scenes on disk: a run that was killed, or begins again, asks for the same scenes.

Each process appends to files of its own, so nothing is locked and the folder may lie on a network
file system. A record is a head (mark, key, length and check sum of the data) and the data: a line
of JSON that names the parts, and their bytes, compressed. The torn last record of a killed process
is ignored, and so is a record whose check sum is wrong. When all files together are too large, the
oldest go.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch

MOST_BYTES = 4 * 2**30  # of all files
FILE_BYTES = 2**26  # of one file; the next begins then
SUFFIX = ".scenes"
HEAD = struct.Struct("<4s32sII")
CLOCK_TICK = 20_000_000  # nanoseconds by which times of files may be behind
MARK = b"ST02"
COMPRESSION = 1  # the fastest: a simulator may take 5 ms for an image, and 6 would take 4


class SceneCache:
    """Scenes that one renderer drew.

    Args:
        folder: of the files, for all renderers.
        common: all that images depend on beside the scene: the renderer's identity, its
            settings, ...
        report: is told, once, that nothing can be kept.
        most_bytes: of all files in the folder.
    """

    def __init__(
        self,
        folder: Path,
        common: str,
        report: Callable[[str], None],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._folder, self._report, self._most_bytes = folder, report, most_bytes
        self._common = hashlib.sha256(common.encode()).hexdigest()
        self._places: dict[bytes, tuple[Path, int, int, int]] = {}
        self._file: IO[bytes] | None = None
        self._usable = True
        # They are in use, so all others are older; among them the order stays.
        now = time.time_ns() - CLOCK_TICK
        for place, path in enumerate(_by_age(folder.glob(f"{self._common[:16]}-*{SUFFIX}"))):
            self._read_heads(path)
            with suppress(OSError):
                os.utime(path, ns=(now + place, now + place))

    def keys(self, graphs: SceneGraphBatch, parts: Sequence[str]) -> list[bytes]:
        """Return the key of each scene: a digest of what its image depends on."""
        layout = graphs.layout
        names = [layout.class_names, layout.node_names, layout.features, layout.node_constants]
        shared = hashlib.sha256(json.dumps([self._common, parts, names], default=str).encode())
        shared.update(layout.parents.tobytes() + layout.maximum.tobytes())
        keys = []
        for classes, features, seed in zip(
            graphs.classes, graphs.features, graphs.seeds, strict=True
        ):
            digest = shared.copy()
            digest.update(classes.tobytes() + features.tobytes() + seed.tobytes())
            keys.append(digest.digest())
        return keys

    def get(self, key: bytes) -> Rendering | None:
        """Return a scene, a rendering of one; None where it was never drawn."""
        if key not in self._places:
            return None
        path, offset, length, check = self._places[key]
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read(length)
        except OSError:  # another process made room
            data = b""
        if len(data) != length or zlib.crc32(data) != check:
            del self._places[key]
            return None
        return _unpacked(data)

    def put(self, keys: Sequence[bytes], rendering: Rendering) -> None:
        """Keep the scenes of a rendering under their keys."""
        for place, key in enumerate(keys):
            if not self._usable:
                return
            data = _packed(rendering[place : place + 1])
            check = zlib.crc32(data)
            try:
                file = self._opened()
                start = file.seek(0, os.SEEK_END)
                file.write(HEAD.pack(MARK, key, len(data), check) + data)
                file.flush()  # what is in the hands of the system survives the process
            except OSError as error:
                self._usable = False
                self._report(f"{self._folder}: drawn scenes cannot be kept: {error}")
                return
            self._places[key] = (Path(file.name), start + HEAD.size, len(data), check)

    def close(self) -> None:
        """Close the file that is written to."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        if self._file is not None and self._file.tell() > FILE_BYTES:
            self.close()
        if self._file is None:
            self._make_room()
            name = f"{self._common[:16]}-{os.getpid()}-{os.urandom(4).hex()}{SUFFIX}"
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self._folder / name, "xb", buffering=0)  # noqa: SIM115
        return self._file

    def _make_room(self) -> None:
        """Delete the oldest files until one more has room."""
        files = _by_age(self._folder.glob(f"*{SUFFIX}"))
        size = sum(files.values())
        for path, length in files.items():
            if size + FILE_BYTES <= self._most_bytes:
                return
            path.unlink(missing_ok=True)
            size -= length

    def _read_heads(self, path: Path) -> None:
        """Learn where the scenes of a file lie, up to the first that is not whole."""
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                while len(head := file.read(HEAD.size)) == HEAD.size:
                    mark, key, length, check = HEAD.unpack(head)
                    start = file.tell()
                    if mark != MARK or start + length > size:
                        return
                    self._places[key] = (path, start, length, check)
                    file.seek(length, os.SEEK_CUR)
        except OSError:
            return


def _by_age(paths: Iterable[Path]) -> dict[Path, int]:
    """Return the sizes of files, the oldest first."""
    found = []
    for path in paths:
        with suppress(OSError):  # another process makes room, too
            status = path.stat()
            found.append((status.st_mtime_ns, path, status.st_size))
    return {path: size for _, path, size in sorted(found)}


def _packed(scene: Rendering) -> bytes:
    parts = {name: np.ascontiguousarray(part) for name, part in scene.parts().items()}
    head = json.dumps([[name, part.dtype.str, part.shape] for name, part in parts.items()])
    whole = b"".join([head.encode(), b"\n", *(part.data for part in parts.values())])
    return zlib.compress(whole, COMPRESSION)


def _unpacked(data: bytes) -> Rendering:
    head, _, content = zlib.decompress(data).partition(b"\n")
    parts, start = {}, 0
    for name, kind, shape in json.loads(head):
        part = np.frombuffer(content, kind, int(np.prod(shape)), start).reshape(shape)
        parts[name] = part
        start += part.nbytes
    return Rendering(**parts)
