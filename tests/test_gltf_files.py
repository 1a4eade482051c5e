"""glTF and GLB: what is read gives the right colours and places, what is not is named."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from gltf_inputs import CORNERS, FLAT, LINEAR_RED, RED, added, colour, glb, triangle
from PIL import Image

from simtailor.assets.model_files import ModelError, read_model_file


@pytest.fixture
def read(tmp_path):
    """Write a header as a.gltf beside a red picture and read it."""
    Image.new("RGB", (8, 8), RED).save(tmp_path / "my tex.png")

    def read(header):
        text = header if isinstance(header, str) else json.dumps(header)
        (tmp_path / "a.gltf").write_text(text)
        return read_model_file(tmp_path / "a.gltf")

    return read


@pytest.mark.parametrize(
    ("uri", "note"), [("my tex.png", None), ("MY%20Tex.PNG", "written differently"),
                      ("C:\\Users\\me\\my tex.png", "another machine"), (".\\my tex.png", None)],
)  # fmt: skip
def test_names_as_exporters_write_them(read, uri, note):
    model = read(triangle(images=[{"uri": uri}]))
    assert colour(model.mesh)[0] > 0.5
    assert all(note in text for text in model.notes) if note else model.notes == ()


def test_a_picture_inside_and_as_webp(read, tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (8, 8), RED).save(content, "WEBP", lossless=True)
    uri = "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
    webp = {"EXT_texture_webp": {"source": 0}}
    header = triangle(images=[{"uri": uri}], textures=[{"extensions": webp}],
                      extensionsRequired=["EXT_texture_webp"])  # fmt: skip
    assert colour(read(header).mesh)[0] == pytest.approx(LINEAR_RED, abs=0.01)


def draco(header: dict, required: bool) -> dict:
    name = "KHR_draco_mesh_compression"
    for accessor in header["accessors"]:
        accessor.pop("bufferView")
    header["meshes"][0]["primitives"][0]["extensions"] = {name: {"bufferView": 0}}
    return header | ({"extensionsRequired": [name]} if required else {})


def without(header: dict, *keys) -> dict:
    return {key: value for key, value in header.items() if key not in keys}


def with_part(**changed) -> dict:
    header = triangle()
    header["meshes"][0]["primitives"][0].update(changed)
    return header


def with_accessor(number: int, **changed) -> dict:
    header = triangle()
    header["accessors"][number].update(changed)
    return header


def with_corners(values: np.ndarray) -> dict:
    header = triangle()
    number = added(header, np.array(values, "<f4"), "VEC3", 5126)
    header["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = number
    return header


def with_indices(values) -> dict:
    header = triangle()
    number = added(header, np.array(values, "<u2"), "SCALAR", 5123)
    header["meshes"][0]["primitives"][0]["indices"] = number
    return header


BASIS = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
KTX2 = base64.b64encode(b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(64)).decode()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (triangle(images=[{"uri": "gone.png"}]), r"picture gone\.png, which is absent \(.*add it"),
        (triangle(images=[{"uri": "https://a.b/c.png"}]), "on the network; download"),
        (triangle(images=[{"uri": "data:image/png;base64,AAAA"}]), "picture .*cannot be read"),
        (triangle(images=[{"uri": f"data:image/ktx2;base64,{KTX2}"}]), r"picture .*KTX2.*export"),
        (triangle(textures=BASIS), "KHR_texture_basisu.*export it again with PNG"),
        (triangle(extensionsRequired=["KHR_texture_basisu"]), "KHR_texture_basisu"),
        (draco(triangle(), True), "Draco.*export it again without compression"),
        (draco(triangle(), False), "Draco.*export it again without compression"),
        (triangle(extensionsRequired=["EXT_meshopt_compression"]), "meshoptimizer.*without"),
        (triangle(extensionsRequired=["ACME_voxels"]), "needs ACME_voxels of glTF"),
        (triangle(extensionsRequired="ACME_voxels"), "needs ACME_voxels of glTF"),
        (triangle(buffers=[{"byteLength": 60, "uri": "a.bin"}]), r"buffer a\.bin, which is absent"),
        (triangle(buffers=[{"byteLength": 60, "uri": "data:,abc"}]), "3 bytes of 60.*cut off"),
        (triangle(buffers=[{"byteLength": 60}]), "buffer 0 is nowhere"),
        (triangle(asset={"version": "1.0"}), "version 1.0; export it as glTF 2.0"),
        (with_part(mode=1), "lines or points only"),
        (with_part(mode=0), "lines or points only"),
        (with_indices([0, 1, 7]), "names vertex 7, but there are 3"),
        (with_indices([0, 1]), "no multiple of 3"),
        (with_indices([]), "no triangles"),
        (with_corners([[0, 0, np.nan], [1, 0, 0], [0, 1, 0]]), "no numbers"),
        (with_corners(np.ones((3, 3))), "no extent"),
        (with_corners([[0, 0, 0], [1, 0, 0], [2, 0, 0]]), "without area"),
        (with_accessor(0, count=9), "cut off or damaged"),
        (with_accessor(0, count=10**12), "entries; the file is damaged"),
        (triangle(accessors=[]), "names number 0 of 0 accessors"),
        (triangle(scenes=[{"nodes": []}]), "shows none of its meshes"),
        (triangle(nodes=[{"mesh": 0, "children": [0]}]), "two parents or is its own"),
        (without(triangle(), "meshes", "nodes", "scenes"), "no triangles"),
        ("{\n  \"asset\": {\"version\": \"2.0\"},\n  oops\n}", "JSON is wrong in line 3, column 3"),
        ("[1, 2]", "no 'asset'"),
        ("", r"empty \(0 bytes\)"),
        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_what_to_do(read, header, words):
    with pytest.raises(ModelError, match=f"(?s){words}"):
        read(header)


def test_glb_files_whole_cut_off_old_and_false(tmp_path):
    path = tmp_path / "a.glb"
    Image.new("RGB", (8, 8), RED).save(tmp_path / "my tex.png")
    binary = CORNERS.tobytes() + FLAT.tobytes()
    whole = glb(triangle(buffers=[{"byteLength": 60}]), binary)
    path.write_bytes(whole)
    assert len(read_model_file(path).mesh.faces) == 1
    for content, words in (
        (whole[:-40], r"ends after \d+ of \d+ bytes; copy it again"),
        (whole[:15], "ends after 15 bytes"),
        (glb({}, b"", version=1), "GLB of version 1"),
        ((tmp_path / "my tex.png").read_bytes(), "neither JSON nor GLB"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=words):
            read_model_file(path)
    # The content counts, not the suffix.
    (tmp_path / "b.gltf").write_bytes(whole)
    assert len(read_model_file(tmp_path / "b.gltf").mesh.faces) == 1


def test_sparse_normalised_and_strided_numbers(read):
    header = triangle()
    shorts = np.array([[0, 0], [65535, 0], [0, 65535]], "<u2")
    part = header["meshes"][0]["primitives"][0]
    part["attributes"]["TEXCOORD_0"] = added(header, shorts, "VEC2", 5123, normalized=True)
    header["bufferViews"].append({"buffer": 0, "byteLength": 36, "byteStride": 12})
    header["accessors"][0]["bufferView"] = len(header["bufferViews"]) - 1
    place = added(header, np.array([[2]], "<u2"), "SCALAR", 5123)
    moved = added(header, np.array([[0, 3, 0]], "<f4"), "VEC3", 5126)
    views = [header["accessors"][i]["bufferView"] for i in (place, moved)]
    header["accessors"][0]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": views[0], "componentType": 5123},
        "values": {"bufferView": views[1]},
    }
    mesh = read(header).mesh
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [1, 3, 0], atol=1e-6)
    np.testing.assert_allclose(np.ptp(mesh.coordinates, axis=0), [1, 1], atol=1e-6)


def test_strips_and_fans_are_as_many_triangles(read):
    square = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4")
    for mode, order in ((5, [0, 1, 2, 3]), (6, [0, 1, 3, 2])):
        header = with_part(mode=mode)
        part = header["meshes"][0]["primitives"][0]
        part["attributes"] = {"POSITION": added(header, square[order], "VEC3", 5126)}
        mesh = read(header).mesh
        assert len(mesh.faces) == 2
        np.testing.assert_allclose(mesh.normals, [[0, 0, 1]] * len(mesh.normals), atol=1e-6)
