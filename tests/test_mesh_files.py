"""OBJ with MTL, PLY and STL files: what is read looks right, what is not is named."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import trimesh
from gltf_inputs import LINEAR_RED, RED, colour
from PIL import Image

from simtailor.assets.model_files import ModelError, read_model_file

PLACES = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
PAINTED = PLACES + "usemtl m\nf 1/1 2/2 3/3\n"


@pytest.fixture
def obj(tmp_path):
    """Write an OBJ with one MTL beside a red picture of some names, and read it."""
    (tmp_path / "pictures").mkdir()
    for name in ("t.png", "my tex.png", "pictures/t.png"):
        Image.new("RGB", (8, 8), RED).save(tmp_path / name)

    def read(material="", text=PAINTED, lines="mtllib a.mtl\n"):
        (tmp_path / "a.mtl").write_text(f"newmtl m\nKd 1 1 1\n{material}\n")
        (tmp_path / "a.obj").write_bytes((lines + text).encode())
        return read_model_file(tmp_path / "a.obj")

    return read


@pytest.mark.parametrize(
    "line",
    [
        "map_Kd t.png",
        "map_Kd -s 1 1 1 t.png",
        "map_Kd -s 1 1 1 -o 0 0 0 -clamp on t.png",
        "map_Kd -bm 0.5 -mm 0 1 -texres 256 my tex.png",
        "map_Kd my tex.png",
        'map_Kd "my tex.png"',
        "map_Kd pictures\\t.png",
        "map_kd T.PNG",
        "map_Kd\tC:\\work\\t.png",
        "map_Kd file:///C:/models/t.png",
        "  map_Kd   ./pictures/t.png  ",
    ],
)
def test_pictures_as_mtl_files_name_them(obj, line):
    np.testing.assert_allclose(colour(obj(line).mesh), [LINEAR_RED, 0.007, 0.007], atol=0.01)


def test_scale_and_offset_of_a_map_move_its_picture(obj):
    mesh = obj("map_Kd -s 2 3 -o 0.5 0.25 0 t.png").mesh
    # v points up in the file and down the rows here: rows 1 - (3 v + 0.25).
    np.testing.assert_allclose(mesh.coordinates.min(0), [0.5, -2.25], atol=1e-6)
    np.testing.assert_allclose(mesh.coordinates.max(0), [2.5, 0.75], atol=1e-6)


@pytest.mark.parametrize(
    "lines",
    ["mtllib a.mtl\nmtllib b file.mtl\n", "# mtllib c.mtl\nmtllib a.mtl b.mtl\n"],
)
def test_several_files_of_materials(obj, tmp_path, lines):
    for name in ("b file.mtl", "b.mtl"):
        (tmp_path / name).write_text("newmtl n\nKd 0 1 0\n")
    mesh = obj("map_Kd t.png", PAINTED + "usemtl n\nf 3/3 2/2 1/1\n", lines).mesh
    assert sorted(m.texture is None for m in mesh.materials) == [False, True]
    assert (0, 1, 0) in {m.base_colour for m in mesh.materials}


def test_windows_lines_continued_lines_marks_and_polygons(obj):
    five = (
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0.5 1.5 0\nv 0 1 0\nusemtl m\nf 1 2 3 \\\n 4 5\nf -5 -4 -3\n"
    )
    mesh = obj("", five.replace("\n", "\r\n"), "\ufeffmtllib a.mtl\r\n").mesh
    assert len(mesh.faces) == 4
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [1, 1.5, 0], atol=1e-6)


def test_tabs_and_comments_stand_anywhere(obj):
    text = PAINTED.replace("f 1/1 2/2 3/3", "f 1/1 2/2 3/3 # of three").replace(" ", "\t")
    model = obj("map_Kd\tt.png", text, "mtllib\ta.mtl # of red\n")
    np.testing.assert_allclose(colour(model.mesh), [LINEAR_RED, 0.007, 0.007], atol=0.01)
    assert model.notes == ()


def test_corners_that_count_back_do_so_from_their_face(obj):
    mesh = obj("", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 9 9 9\n").mesh
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [1, 1, 0], atol=1e-6)


def test_colour_roughness_and_metalness_of_a_material(obj):
    def finish(material):
        return obj(material).mesh.materials[0]

    assert finish("Kd 0.5").base_colour == pytest.approx((0.214,) * 3, abs=1e-3)
    assert (finish("Pr 0.1").roughness, finish("Pm 1").metallic) == (0.1, 1.0)
    # A colour beside a picture multiplies it; black, which would hide it, is passed over.
    assert finish("Kd 0.5 1 1\nmap_Kd t.png").base_colour == pytest.approx((0.214, 1, 1), abs=1e-3)
    black = obj("map_Kd t.png\nKd 0 0 0")
    assert black.mesh.materials[0].base_colour == (1, 1, 1)
    assert any("Kd 0 0 0" in note for note in black.notes)
    assert any("255" in note for note in obj("Kd 255 128 0").notes)


def test_names_that_are_not_utf8(obj, tmp_path):
    obj()
    picture = tmp_path.joinpath("t.png").read_bytes()
    with open(bytes(tmp_path) + b"/caf\xe9.png", "wb") as file:
        file.write(picture)
    (tmp_path / "a.mtl").write_bytes(b"newmtl gr\xfcn\nmap_Kd caf\xe9.png\n")
    (tmp_path / "a.obj").write_bytes(
        b"mtllib a.mtl\n" + PAINTED.encode().replace(b"usemtl m", b"usemtl gr\xfcn")
    )
    assert colour(read_model_file(tmp_path / "a.obj").mesh)[0] > 0.5


def test_colours_of_vertices_in_an_obj(obj):
    text = "v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 1 0 1 0 0\nusemtl m\nf 1 2 3\n"
    assert obj("", text).mesh.materials[0].base_colour == pytest.approx((1, 0, 0))
    assert obj("", text, "").mesh.materials[0].base_colour == pytest.approx((1, 0, 0))


def test_opacity_is_drawn_or_named(obj):
    assert any("drawn opaque" in note for note in obj("d 0.4").notes)
    assert any("drawn opaque" in note for note in obj("Tr 0.6").notes)
    assert obj("d 1").notes == obj("Tr 0").notes == obj("d 1\nTr 1").notes == ()
    text = PAINTED + "v 0 9 0\nusemtl glass\nf 1 2 4\n"
    model = obj("newmtl glass\nd 0", text)
    assert np.ptp(model.mesh.vertices, axis=0).max() == pytest.approx(1)
    assert any("left out" in note for note in model.notes)


def test_a_material_that_is_not_there_is_named(obj):
    assert any("no material wood" in n for n in obj("", PAINTED.replace("l m", "l wood")).notes)


def test_a_texture_without_coordinates_is_its_mean_colour(obj):
    model = obj("map_Kd t.png", "v 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl m\nf 1 2 3\n")
    assert colour(model.mesh)[0] == pytest.approx(LINEAR_RED, abs=0.01)
    assert any("without coordinates" in note for note in model.notes)


@pytest.mark.parametrize(
    ("material", "text", "words"),
    [
        ("map_Kd gone.png", PAINTED, r"a\.mtl: it names the picture gone\.png, which is absent"),
        ("map_Kd a.obj", PAINTED, "picture .*a.obj cannot be read.*replace it"),
        ("", PLACES, "points but no triangles"),
        ("", PLACES + "l 1 2\n", "lines or points only"),
        ("", PLACES + "p 1\n", "lines or points only"),
        ("", "hello world\n", "no line begins with 'v' or 'f'"),
        ("", PLACES + "f 1 2 3\nf 1 2 9\n", "'f 1 2 9' names vertex 9, but there are 3"),
        ("", PLACES + "f -4 -1 -2\n", "names vertex -4, but there are 3"),
        ("", PLACES + "f 1 2 3\nf 0/1 1/2 2/3\n", "names vertex 0, but faces count from 1"),
        ("", PLACES + "f 1 2 3\nf 1 2\n", "'f 1 2' has fewer than 3 corners"),
        ("", PLACES + "f 1 2 x\n", "'f 1 2 x' has a corner that is no number"),
        ("Kd red", PAINTED, "a.mtl: 'Kd red' is no colour; write three numbers"),
        ("Pm shiny", PAINTED, "a.mtl: 'Pm shiny' is no number"),
        ("Tr 1", PAINTED, "all its parts are clear .*'d 1'"),
        ("", PLACES + "v 2 0 0\nf 1 2 4\n", "without area"),
        ("", "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "no extent"),
        ("", "\0\1\2", "no text"),
    ],
)
def test_what_an_obj_lacks_is_named(obj, material, text, words):
    with pytest.raises(ModelError, match=words):
        obj(material, text)


def test_a_picture_of_floating_point_numbers_is_named(obj, tmp_path):
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "t.tif")
    with pytest.raises(ModelError, match=r"t\.tif holds floating-point numbers"):
        obj("map_Kd t.tif")


def test_an_absent_file_of_materials_is_named(obj):
    with pytest.raises(ModelError, match=r"materials b\.mtl, which is absent.*take the line"):
        obj("", PAINTED, "mtllib b.mtl\n")


def ply(tmp_path, text: str):
    (tmp_path / "a.ply").write_text(text)
    return read_model_file(tmp_path / "a.ply")


HEAD = "ply\nformat ascii 1.0\n{}element vertex 3\n{}element face 1\n{}end_header\n"
XYZ = "property float x\nproperty float y\nproperty float z\n"
INDEX = "property list uchar int vertex_indices\n"
RGB = "".join(f"property uchar {c}\n" for c in ("red", "green", "blue"))
UV = "property float s\nproperty float t\n"


def test_ply_with_colours_of_vertices_of_faces_and_beside_coordinates(tmp_path):
    rows = "0 0 0{0}\n1 0 0{0}\n0 1 0{0}\n3 0 1 2{1}\n"
    vertex = HEAD.format("", XYZ + RGB, INDEX) + rows.format(" 200 20 20", "")
    face = HEAD.format("", XYZ, INDEX + RGB) + rows.format("", " 200 20 20")
    both = HEAD.format("", XYZ + UV + RGB, INDEX) + rows.format(" 0.5 0.5 200 20 20", "")
    for text in (vertex, face, both):
        np.testing.assert_allclose(
            colour(ply(tmp_path, text).mesh), [LINEAR_RED, 0.007, 0.007], atol=0.01
        )


def test_ply_with_colours_under_their_former_names(tmp_path):
    text = HEAD.format("", XYZ + RGB.replace("uchar ", "uchar diffuse_"), INDEX)
    text += "0 0 0 200 20 20\n1 0 0 200 20 20\n0 1 0 200 20 20\n3 0 1 2\n"
    np.testing.assert_allclose(
        colour(ply(tmp_path, text).mesh), [LINEAR_RED, 0.007, 0.007], atol=0.01
    )


def test_ply_with_a_picture_binary_too(tmp_path):
    Image.new("RGB", (8, 8), RED).save(tmp_path / "t.png")
    head = HEAD.format("comment TextureFile t.png\n", XYZ + UV, INDEX)
    mesh = ply(tmp_path, head + "0 0 0 0 0\n1 0 0 1 0\n0 1 0 0 1\n3 0 1 2\n").mesh
    assert colour(mesh)[0] == pytest.approx(LINEAR_RED, abs=0.01)
    np.testing.assert_allclose(np.ptp(mesh.coordinates, axis=0), 1, atol=1e-6)
    (tmp_path / "t.png").unlink()
    with pytest.raises(ModelError, match=r"picture t\.png, which is absent"):
        read_model_file(tmp_path / "a.ply")
    trimesh.creation.box(extents=(1, 2, 3)).export(tmp_path / "b.ply")
    mesh = read_model_file(tmp_path / "b.ply").mesh
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [1, 2, 3], rtol=1e-6)


def test_stl_binary_and_text_whole_and_cut_off(tmp_path):
    box, path = trimesh.creation.box(extents=(1, 2, 3)), tmp_path / "a.stl"
    binary, text = box.export(file_type="stl"), box.export(file_type="stl_ascii").encode()
    # Heads of binary files may begin with the word of the other kind.
    for whole in (binary, b"solid" + binary[5:], text):
        path.write_bytes(whole)
        mesh = read_model_file(path).mesh
        assert len(mesh.faces) == 12
        np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [1, 2, 3], rtol=1e-6)
    empty = bytes(80) + struct.pack("<I", 0)
    for content, words in (
        (binary[:-10], "its head says"),
        (text[:300], "before 'endsolid'"),
        (b"\x89PNG\r\n", "no STL file"),
        (b"solid a\nendsolid a\n", "no triangles"),
        (empty, "no triangles"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=words):
            read_model_file(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ply\nformat ascii 1.0\nelement vertex 1\n" + XYZ + "end_header\n0 0 0\n",
         "cloud of 1 points"),
        (HEAD.format("", XYZ, INDEX) + "0 0 0\n1 0 0\n0 1 0\n3 0 1 5\n", "vertex 5"),
        (HEAD.format("", XYZ, INDEX) + "0 0 0\n1 0 0\n0 1 0\n3 0 1 -1\n", "vertex -1"),
        (HEAD.format("", XYZ, "").replace("face", "tristrips") + "0 0 0\n1 0 0\n0 1 0\n",
         "triangle strips, which are not read"),
        (HEAD.format("", XYZ, INDEX) + "0 0 0\n1 0 0\n0 1 0\n", "0 of 1 .*cut off"),
        ("solid a\n", "no PLY file"),
    ],
)  # fmt: skip
def test_what_a_ply_lacks_is_named(tmp_path, text, words):
    with pytest.raises(ModelError, match=words):
        ply(tmp_path, text)
