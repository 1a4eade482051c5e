"""Small glTF files for tests, and how they are read."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4")
FLAT = np.array([[0, 0], [1, 0], [0, 1]], "<f4")
RED = (200, 20, 20)
LINEAR_RED = 0.578  # of 200 in sRGB


def triangle(**extra) -> dict:
    """Return the header of a textured triangle, its numbers in a data URI."""
    data = base64.b64encode(CORNERS.tobytes() + FLAT.tobytes()).decode()
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0}]}
        ],
        "buffers": [{"byteLength": 60, "uri": f"data:application/octet-stream;base64,{data}"}],
        "bufferViews": [
            {"buffer": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 24},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC2"},
        ],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0}],
        "images": [{"uri": "my%20tex.png"}],
        **extra,
    }


def added(header: dict, values: np.ndarray, kind: str, component: int, **extra) -> int:
    """Add an accessor with a buffer of its own; return its number."""
    data = np.ascontiguousarray(values).tobytes()
    uri = "data:;base64," + base64.b64encode(data).decode()
    header["buffers"].append({"byteLength": len(data), "uri": uri})
    view = {"buffer": len(header["buffers"]) - 1, "byteLength": len(data)}
    header["bufferViews"].append(view)
    header["accessors"].append(
        {"bufferView": len(header["bufferViews"]) - 1, "componentType": component,
         "count": len(values), "type": kind, **extra}
    )  # fmt: skip
    return len(header["accessors"]) - 1


def glb(header: dict, binary: bytes, version: int = 2) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    return b"glTF" + struct.pack("<II", version, 12 + len(chunks)) + chunks


def colour(mesh) -> np.ndarray:
    """Return the mean linear colour of a mesh's only material."""
    (material,) = mesh.materials
    texture = 1 if material.texture is None else np.float64(material.texture).mean((0, 1))
    return np.array(material.base_colour) * texture


def test_a_uri_is_decoded_and_the_texture_is_red(read):
    model = read(triangle())
    np.testing.assert_allclose(colour(model.mesh), [LINEAR_RED, 0.007, 0.007], atol=0.01)
    assert model.notes == ()
