"""The scene of a glTF file: nodes, colours of vertices, alpha, skins."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from gltf_inputs import CORNERS, added, colour, triangle
from PIL import Image

from simtailor.assets.model_files import ModelError, read_model_file


@pytest.fixture
def read(tmp_path):
    """Write a header as a.gltf beside a red picture and read it."""
    Image.new("RGB", (8, 8), (200, 20, 20)).save(tmp_path / "my tex.png")

    def read(header):
        (tmp_path / "a.gltf").write_text(json.dumps(header))
        return read_model_file(tmp_path / "a.gltf")

    return read


def picture(pixels: np.ndarray) -> list[dict]:
    """Return the header's images, one of them, inside."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return [{"uri": "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()}]


def test_nodes_stand_where_their_parents_put_them(read):
    nodes = [{"children": [1], "translation": [1, 0, 0]},
             {"children": [2, 3], "rotation": [0, 0, 0.5**0.5, 0.5**0.5]},
             {"mesh": 0},
             {"mesh": 0, "matrix": [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 5, 0, 0, 1]}]  # fmt: skip
    mesh = read(triangle(nodes=nodes)).mesh
    # Turned by 90 degrees, x is y: the second is twice as large and 5 higher.
    assert len(mesh.faces) == 2
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [2, 7, 0], atol=1e-5)


def test_light_of_its_own_and_nothing_to_be_seen_are_said(read):
    notes = read(triangle(materials=[{"emissiveFactor": [1, 0, 0]}])).notes
    assert any("emissiveFactor" in note for note in notes)
    clear = {"alphaMode": "BLEND", "pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 0]}}
    with pytest.raises(ModelError, match="all its parts are clear"):
        read(triangle(materials=[clear]))


def test_a_chain_of_two_thousand_nodes(read):
    nodes = [{"children": [i + 1], "translation": [0, 0.5, 0]} for i in range(2000)]
    nodes[1000] |= {"mesh": 0}
    mesh = read(triangle(nodes=[*nodes, {"mesh": 0}])).mesh
    assert np.ptp(mesh.vertices[:, 1]) == pytest.approx(500.5, rel=1e-5)


def test_a_mirrored_node_is_not_inside_out(read):
    nodes = [{"mesh": 0}, {"mesh": 0, "scale": [-1, 1, 1], "translation": [-3, 0, 0]}]
    mesh = read(triangle(nodes=nodes, scenes=[{"nodes": [0, 1]}])).mesh
    corner, *others = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    outwards = np.cross(others[0] - corner, others[1] - corner)
    assert (outwards[:, 2] > 0).all()
    np.testing.assert_allclose(mesh.normals[:, 2], 1, atol=1e-5)


def test_only_the_scene_that_is_shown_is_read_and_that_is_said(read):
    header = triangle(
        scenes=[{"nodes": [0]}, {"nodes": [1]}], scene=1,
        nodes=[{"mesh": 0}, {"mesh": 0, "scale": [3, 3, 3]}],
    )  # fmt: skip
    model = read(header)
    assert np.ptp(model.mesh.vertices, axis=0).max() == pytest.approx(3)
    assert any("2 scenes" in note for note in model.notes)


@pytest.mark.parametrize(
    ("values", "component", "extra"),
    [
        (np.eye(3, dtype="<f4"), 5126, {}),
        (65535 * np.eye(3).astype("<u2"), 5123, {"normalized": True}),
        (np.uint8(255) * np.eye(3).astype("u1"), 5121, {"normalized": True}),
    ],
)
def test_colours_of_vertices_are_drawn_linear_and_fade(read, values, component, extra):
    header = triangle(materials=[{"pbrMetallicRoughness": {"baseColorFactor": [1, 0.5, 1, 1]}}])
    part = header["meshes"][0]["primitives"][0]
    values = np.column_stack([values, np.full(3, values.max(), values.dtype)])  # with alpha
    part["attributes"]["COLOR_0"] = added(header, values, "VEC4", component, **extra)
    mesh = read(header).mesh
    assert len(mesh.faces) > 50  # divided, so that colours fade from corner to corner
    for corner, wanted in zip(CORNERS, np.eye(3) * [1, 0.5, 1], strict=True):
        place = corner - CORNERS.mean(0)
        centres = mesh.vertices[mesh.faces].mean(1) - mesh.vertices[mesh.faces].mean((0, 1))
        near = np.linalg.norm(centres - place, axis=1).argmin()
        drawn = mesh.materials[mesh.face_materials[near]].base_colour
        np.testing.assert_allclose(drawn, wanted, atol=0.12)


def test_colours_multiply_the_texture(read):
    header = triangle()
    part = header["meshes"][0]["primitives"][0]
    part["attributes"]["COLOR_0"] = added(header, np.full((3, 3), 0.5, "<f4"), "VEC3", 5126)
    mesh = read(header).mesh
    assert mesh.materials[0].base_colour == pytest.approx((0.5, 0.5, 0.5))
    assert colour(mesh)[0] == pytest.approx(0.289, abs=0.01)


def square_leaf(alpha: np.ndarray, **material) -> dict:
    """Return a quad with a picture: green where it is seen, noise where it is clear."""
    noise = np.random.default_rng(0).integers(0, 255, (*alpha.shape, 4), dtype=np.uint8)
    noise[alpha > 0] = (20, 160, 30, 255)
    noise[..., 3] = alpha
    header = triangle(images=picture(noise))
    header["materials"][0].update(material)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4")
    part = header["meshes"][0]["primitives"][0]
    part["mode"] = 5
    flat = added(header, corners[:, :2].copy(), "VEC2", 5126)
    part["attributes"] = {"POSITION": added(header, corners, "VEC3", 5126), "TEXCOORD_0": flat}
    return header


def area(mesh) -> float:
    corner, *others = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return np.linalg.norm(np.cross(others[0] - corner, others[1] - corner), axis=1).sum() / 2


@pytest.mark.parametrize("mode", ["MASK", "BLEND"])
def test_what_is_clear_is_cut_out_and_its_noise_is_not_seen(read, mode):
    disc = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 24
    model = read(square_leaf(255 * disc.astype(np.uint8), alphaMode=mode))
    assert area(model.mesh) == pytest.approx(disc.mean(), rel=0.04)
    radius = np.linalg.norm(model.mesh.vertices, axis=1).max()
    assert radius == pytest.approx(24 / 64, rel=0.06)
    texture = np.float64(model.mesh.materials[0].texture)
    assert np.ptp(texture, axis=(0, 1)).max() < 1e-3  # green all over


def test_alpha_of_an_opaque_material_is_not_used_as_the_format_says(read):
    disc = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 24
    model = read(square_leaf(255 * disc.astype(np.uint8)))
    assert area(model.mesh) == pytest.approx(1)
    assert any("OPAQUE" in note for note in model.notes)


def test_a_part_that_is_clear_is_left_out(read):
    header = triangle(nodes=[{"mesh": 0}, {"mesh": 1, "scale": [9, 9, 9]}],
                      scenes=[{"nodes": [0, 1]}])  # fmt: skip
    header["materials"].append(
        {"alphaMode": "BLEND", "pbrMetallicRoughness": {"baseColorFactor": [1, 1, 1, 0]}}
    )
    header["meshes"].append({"primitives": [{"attributes": {"POSITION": 0}, "material": 1}]})
    model = read(header)
    assert np.ptp(model.mesh.vertices, axis=0).max() == pytest.approx(1)
    assert any("left out" in note for note in model.notes)
    with pytest.raises(ModelError, match="nothing is to be seen"):
        read(square_leaf(np.zeros((8, 8), np.uint8), alphaMode="MASK"))


def test_half_clear_glass_is_drawn_and_named(read):
    header = triangle()
    header["materials"][0] |= {"alphaMode": "BLEND"}
    header["materials"][0]["pbrMetallicRoughness"] = {"baseColorFactor": [1, 1, 1, 0.3]}
    model = read(header)
    assert len(model.mesh.faces) == 1
    assert any("half clear" in note for note in model.notes)


def test_a_texture_is_moved_as_its_transform_says(read):
    header = triangle()
    header["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["extensions"] = {
        "KHR_texture_transform": {"offset": [0.25, 0.5], "scale": [2, 3]}
    }
    mesh = read(header).mesh
    np.testing.assert_allclose(mesh.coordinates.min(0), [0.25, 0.5], atol=1e-6)
    np.testing.assert_allclose(mesh.coordinates.max(0), [2.25, 3.5], atol=1e-6)


def test_a_skin_is_drawn_at_rest_wherever_its_node_stands(read):
    header = triangle(nodes=[{"mesh": 0, "skin": 0, "scale": [50, 50, 50]},
                             {"translation": [0, 4, 0]}], scenes=[{"nodes": [0, 1]}])  # fmt: skip
    part = header["meshes"][0]["primitives"][0]["attributes"]
    part["JOINTS_0"] = added(header, np.zeros((3, 4), "u1"), "VEC4", 5121)
    weights = np.array([[1, 0, 0, 0]] * 3, "<f4")
    part["WEIGHTS_0"] = added(header, weights, "VEC4", 5126)
    inverse = np.diag([2, 2, 2, 1]).astype("<f4").reshape(1, 16)
    header["skins"] = [{"joints": [1], "inverseBindMatrices": added(header, inverse, "MAT4", 5126)}]
    mesh = read(header).mesh
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [2, 2, 0], atol=1e-5)


def test_a_model_far_from_the_origin_keeps_its_shape(read):
    header = triangle(nodes=[{"mesh": 0, "translation": [4.5e6, 5.2e6, 300], "scale": [0.1] * 3}])
    mesh = read(header).mesh
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.1, 0.1, 0], rtol=1e-4)
