"""glTF 2.0 and GLB files: the header, what they name, and numbers in their buffers.

The format is that of the Khronos Group's specification 2.0.1.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from simtailor.assets.companions import read_uri
from simtailor.assets.model_parts import ModelError, Parts
from simtailor.assets.textures import open_picture

MAGIC = b"glTF"
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
MOST_NUMBERS = 300_000_000  # in one accessor; more is damage, and would fill the memory
UNDRACO = (
    "its triangles are compressed with Draco, which is not read; export it again without "
    "compression (Blender: 'Compression' off in the export of glTF), or remove it with "
    "'gltf-transform copy IN OUT'"
)
MESHOPT = (
    "it is compressed with meshoptimizer, which is not read; export it again from its program "
    "without compression"
)
COMPRESSED = {
    "KHR_draco_mesh_compression": UNDRACO,
    "EXT_meshopt_compression": MESHOPT,
    "KHR_meshopt_compression": MESHOPT,
}
# Required ones that are read, or change nothing that is drawn here.
READ = {
    "EXT_texture_webp", "KHR_mesh_quantization", "KHR_texture_transform",
    "KHR_materials_pbrSpecularGlossiness", "KHR_lights_punctual",
}  # fmt: skip
FINISH = "KHR_materials_"  # of coats, sheens and the like: the base is drawn


class Gltf:
    """An open glTF file.

    Args:
        path: of the file, .gltf or .glb, told apart by content.
        found: takes the notes.

    Raises:
        ModelError: it is no glTF 2.0, or needs what is not read; here or while reading on.
    """

    def __init__(self, path: Path, found: Parts) -> None:
        self.folder, self.found = path.parent, found
        content = path.read_bytes()
        text, self._binary = _chunks(content) if content.startswith(MAGIC) else (content, None)
        self.header = _header(text)
        _check_extensions(self.header)
        self._buffers: dict[int, bytes] = {}
        self._pictures: dict[int, Image.Image] = {}

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Return the header's list of ``nodes``, ``meshes`` and so on; empty where absent."""
        return self.header.get(kind, [])

    def entry(self, kind: str, index: Any) -> dict[str, Any]:
        """Return one entry of a list of the header."""
        entries = self.entries(kind)
        if not isinstance(index, int) or not 0 <= index < len(entries):
            raise ModelError(f"it names number {index} of {len(entries)} {kind}; it is damaged")
        return entries[index]

    def accessor(self, index: int) -> np.ndarray:
        """Return an accessor's numbers: [count, width], floats where they are normalised."""
        entry = self.entry("accessors", index)
        count, width = int(entry["count"]), WIDTHS[entry["type"]]
        dtype = np.dtype(COMPONENTS[entry["componentType"]])
        if not 0 <= count * width <= MOST_NUMBERS:
            raise ModelError(f"accessor {index} has {count} entries; the file is damaged")
        if "bufferView" in entry:
            start = int(entry.get("byteOffset", 0))
            values = self._numbers(entry["bufferView"], start, count, width, dtype)
        else:
            values = np.zeros((count, width), dtype)
        if "sparse" in entry:
            values = self._with_sparse(values, entry["sparse"], dtype)
        if entry.get("normalized") and dtype.kind in "iu":
            return np.maximum(values / np.iinfo(dtype).max, -1.0)
        return values

    def _with_sparse(self, values: np.ndarray, sparse: dict, dtype: np.dtype) -> np.ndarray:
        values, count = values.copy(), int(sparse["count"])
        indices, changed = sparse["indices"], sparse["values"]
        kind = np.dtype(COMPONENTS[indices["componentType"]])
        start = int(indices.get("byteOffset", 0))
        places = self._numbers(indices["bufferView"], start, count, 1, kind)[:, 0]
        start = int(changed.get("byteOffset", 0))
        new = self._numbers(changed["bufferView"], start, count, values.shape[1], dtype)
        values[places] = new
        return values

    def _numbers(
        self, view: int, start: int, count: int, width: int, dtype: np.dtype
    ) -> np.ndarray:
        entry = self.entry("bufferViews", view)
        content = self._view(view)
        row = width * dtype.itemsize
        stride = int(entry.get("byteStride") or row)
        if count and (
            start < 0 or stride < row or start + (count - 1) * stride + row > len(content)
        ):
            raise ModelError(
                "its numbers reach beyond their buffer: the file is cut off or damaged"
            )
        if not count:
            return np.zeros((0, width), dtype)
        rows = np.ndarray((count, row), np.uint8, content, start, (stride, 1))
        return np.ascontiguousarray(rows).view(dtype).reshape(count, width)

    def _view(self, index: int) -> bytes:
        entry = self.entry("bufferViews", index)
        content = self._buffer(entry["buffer"])
        start, length = int(entry.get("byteOffset", 0)), int(entry["byteLength"])
        if not 0 <= start <= start + length <= len(content):
            raise ModelError("a part of its buffer is absent: the file is cut off or damaged")
        return content[start : start + length]

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            entry = self.entry("buffers", index)
            if "uri" in entry:
                content = read_uri(self.folder, entry["uri"], "buffer", self.found)
            elif self._binary is not None and index == 0:
                content = self._binary
            else:
                raise ModelError(f"its buffer {index} is nowhere: it has no uri; export it again")
            if len(content) < int(entry["byteLength"]):
                raise ModelError(
                    f"its buffer {index} has {len(content)} bytes of {entry['byteLength']}: it is "
                    "cut off; copy it again"
                )
            self._buffers[index] = content
        return self._buffers[index]

    def picture(self, texture: int) -> Image.Image:
        """Return the picture of a texture, decoded."""
        entry = self.entry("textures", texture)
        extensions = entry.get("extensions", {})
        source = entry.get("source", extensions.get("EXT_texture_webp", {}).get("source"))
        if source is None and "KHR_texture_basisu" in extensions:
            raise ModelError(_basis())
        if source is None:
            names = ", ".join(extensions) or "no picture"
            raise ModelError(f"its texture {texture} has {names}; export it with PNG or JPEG")
        if source not in self._pictures:
            image = self.entry("images", source)
            if "uri" in image:
                content = read_uri(self.folder, image["uri"], "picture", self.found)
                name = image["uri"] if len(image["uri"]) < 200 else f"number {source}"
            else:
                content, name = self._view(image["bufferView"]), f"number {source}"
            self._pictures[source] = open_picture(content, name)
        return self._pictures[source]


def _chunks(content: bytes) -> tuple[bytes, bytes | None]:
    """Return the JSON and the binary part of a GLB file."""
    if len(content) < 20:
        raise ModelError(f"it ends after {len(content)} bytes, within its head; copy it again")
    version, length = struct.unpack_from("<II", content, 4)
    if version != 2:
        raise ModelError(f"it is GLB of version {version}; {_convert()}")
    if length > len(content):
        raise ModelError(f"it ends after {len(content)} of {length} bytes; copy it again")
    text, binary, at = None, None, 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", content, at)
        if at + 8 + size > length:
            raise ModelError("a part of it is longer than the file; it is damaged, copy it again")
        part = content[at + 8 : at + 8 + size]
        if kind == JSON_CHUNK and text is None:
            text = part
        elif kind == BINARY_CHUNK and binary is None:
            binary = part
        at += 8 + size + (-size % 4)
    if text is None:
        raise ModelError("it has no JSON part; it is damaged, export it again")
    return text, binary


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ModelError(
            f"its JSON is wrong in line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ModelError("it is no glTF: neither JSON nor GLB; export it again") from error
    if not isinstance(header, dict) or not isinstance(header.get("asset"), dict):
        raise ModelError("it is JSON, but no glTF: it has no 'asset'; export it again")
    version = str(header["asset"].get("version", ""))
    if not version.startswith("2"):
        raise ModelError(f"it is glTF of version {version or 'unknown'}; {_convert()}")
    return header


def _convert() -> str:
    return "export it as glTF 2.0 (Blender opens and exports; or 'gltf-pipeline -i IN -o OUT')"


def _basis() -> str:
    return (
        "its pictures are compressed for GPUs (KHR_texture_basisu, KTX2), which is not read; "
        "export it again with PNG or JPEG pictures ('gltf-transform ktxdecompress IN OUT')"
    )


def _check_extensions(header: dict[str, Any]) -> None:
    required = header.get("extensionsRequired", [])
    required = [required] if isinstance(required, str) else required
    for name in required:
        if name in COMPRESSED:
            raise ModelError(f"{COMPRESSED[name]} ({name})")
    if "KHR_texture_basisu" in required:
        raise ModelError(_basis())
    unknown = [n for n in required if n not in READ and not str(n).startswith(FINISH)]
    if unknown:
        raise ModelError(
            f"it needs {', '.join(map(str, unknown))} of glTF, which is not read; export it without"
        )
    # Without being required: what has no uncompressed numbers beside cannot be read either.
    for mesh in header.get("meshes", []):
        for primitive in mesh.get("primitives", []):
            draco = "KHR_draco_mesh_compression"
            position = primitive.get("attributes", {}).get("POSITION")
            accessors = header.get("accessors", [])
            if draco not in primitive.get("extensions", {}) or position is None:
                continue
            if "bufferView" not in accessors[position]:
                raise ModelError(f"{UNDRACO} ({draco})")
