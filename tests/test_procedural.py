"""Built-in categories: sound geometry, real sizes, models that differ, materials and skies."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
import trimesh
from PIL import Image

from simtailor.assets.environments import built_in_skies
from simtailor.assets.materials import convert, is_colourless, measured_materials
from simtailor.assets.mesh import Material
from simtailor.assets.pack import AssetPack
from simtailor.assets.procedural.catalogue import procedural_categories
from simtailor.assets.procedural.finishes import assorted
from simtailor.figures.assets import pack_pictures
from simtailor.render.raycast.caster import use_kernel_cache

# Longest side in metres of things that everybody knows.
LENGTHS = {
    "airplane": (5, 45), "bicycle": (1.4, 1.9), "book": (0.15, 0.4), "bottle": (0.2, 0.4),
    "bus": (8, 13), "car": (3.3, 5.2), "chair": (0.75, 1.2), "die": (0.01, 0.03),
    "guitar": (0.8, 1.2), "hammer": (0.25, 0.4), "house": (5, 14), "key": (0.05, 0.12),
    "lighthouse": (15, 30), "mug": (0.08, 0.16), "spoon": (0.13, 0.22), "table": (0.8, 2),
    "teapot": (0.15, 0.35), "tree": (4, 10), "umbrella": (0.8, 1.3),
}  # fmt: skip


@pytest.fixture(scope="module")
def categories():
    return procedural_categories(models=3)


def meshes_of(categories):
    return [(f"{c.name}: {m.name}", m.mesh) for c in categories for m in c.models]


def test_there_are_many_categories_with_wordnet_ids(categories):
    assert len(categories) >= 40
    assert len({c.name for c in categories}) == len({c.wordnet_id for c in categories})
    assert len({c.name for c in categories}) == len(categories)
    assert all(re.fullmatch(r"n\d{8}", c.wordnet_id) for c in categories)
    names = [m.name for c in categories for m in c.models]
    assert len(set(names)) == len(names)


def test_arrays_are_sound(categories):
    for name, mesh in meshes_of(categories):
        count = len(mesh.vertices)
        assert mesh.vertices.shape == mesh.normals.shape == (count, 3), name
        assert mesh.coordinates.shape == (count, 2), name
        for values in (mesh.vertices, mesh.normals, mesh.coordinates):
            assert values.dtype == np.float32, name
            assert np.isfinite(values).all(), name
        assert mesh.faces.dtype == mesh.face_materials.dtype == np.int32, name
        assert mesh.faces.min() == 0, name
        assert mesh.faces.max() == count - 1, name
        assert len(mesh.face_materials) == len(mesh.faces), name
        assert set(mesh.face_materials) == set(range(len(mesh.materials))), name
        assert 150 <= len(mesh.faces) <= 12000, name


def test_normals_are_unit_vectors_on_their_triangles_side(categories):
    for name, mesh in meshes_of(categories):
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
        shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        cosine = np.einsum("fi,fci->fc", shape.face_normals, mesh.normals[mesh.faces]).min(1)
        assert np.average(cosine > 0.3, weights=shape.area_faces) > 0.99, name


def test_models_are_centred_and_of_real_size(categories):
    for name, mesh in meshes_of(categories):
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        np.testing.assert_allclose(low + high, 0, atol=1e-3 * (high - low).max())
        category = name.split(":")[0]
        shortest, longest = LENGTHS.get(category, (0.01, 30))
        assert shortest <= (high - low).max() <= longest, name
        assert (high - low).min() > 0.005 * (high - low).max(), name


def test_textures_of_all_objects_repeat_alike(categories):
    """A material of another pack suits a key and a house."""
    for name, mesh in meshes_of(categories):
        longest = np.ptp(mesh.vertices, axis=0).max()
        assert 1.5 < mesh.texture_density * longest < 2.5, name


def test_models_of_a_category_differ(categories):
    for category in categories:
        for first, second in combinations(category.models, 2):
            sizes = [np.ptp(m.mesh.vertices, axis=0) for m in (first, second)]
            looks = [[x.base_colour for x in m.mesh.materials] for m in (first, second)]
            assert looks[0] != looks[1] or not np.allclose(*sizes, rtol=0.01), category.name


def test_categories_differ_in_shape(categories):
    """No two are the same solid: heights, widths and depths by share of surface differ."""

    def profile(mesh):
        shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        points = shape.triangles_center / np.ptp(mesh.vertices, axis=0).max()
        order = np.argsort(points, axis=0)
        shares = np.cumsum(shape.area_faces[order], axis=0) / shape.area_faces.sum()
        at = [np.interp(np.linspace(0.05, 0.95, 10), s, np.sort(p))
              for s, p in zip(shares.T, points.T, strict=True)]  # fmt: skip
        return np.concatenate(at)

    profiles = {c.name: profile(c.models[0].mesh) for c in categories}
    for first, second in combinations(profiles, 2):
        assert np.abs(profiles[first] - profiles[second]).max() > 0.02, (first, second)


def test_the_seed_decides_everything(categories):
    again = procedural_categories(models=1)
    other = procedural_categories(models=1, seed=1)
    for category, same, different in zip(categories, again, other, strict=True):
        first = category.models[0].mesh
        np.testing.assert_array_equal(first.vertices, same.models[0].mesh.vertices)
        np.testing.assert_array_equal(first.faces, same.models[0].mesh.faces)
        changed = different.models[0].mesh
        assert first.vertices.shape != changed.vertices.shape or not np.allclose(
            first.vertices, changed.vertices
        ), category.name


def check_material(material: Material) -> None:
    assert len(material.base_colour) == 3
    assert all(0 <= value <= 1 for value in material.base_colour)
    assert 0 <= material.roughness <= 1
    assert 0 <= material.metallic <= 1
    if material.texture is not None:
        assert np.isfinite(material.texture).all()
        assert 0.5 < material.texture.mean() < 1.3


def test_materials_of_objects_are_physical(categories):
    for _, mesh in meshes_of(categories):
        for material in mesh.materials:
            check_material(material)


def test_measured_materials_are_converted():
    materials = measured_materials()
    assert len(materials) >= 80
    for material in materials:
        check_material(material)
    gold = {
        "name": "Gold",
        "color": [
            {"colorSpace": "acescg", "color": [0.1, 0.2, 0.3]},
            {"colorSpace": "srgb-linear", "color": [1.059, 0.773, 0.307]},
        ],
        "metalness": 1,
        "roughness": 0,
    }
    assert vars(convert(gold)) == {
        "base_colour": (1.0, 0.773, 0.307), "roughness": 0.0, "metallic": 1.0, "texture": None,
    }  # fmt: skip
    assert not is_colourless(gold)
    assert is_colourless({**gold, "color": [{"colorSpace": "srgb-linear", "color": [1, 1, 1]}],
                          "metalness": 0, "transmission": 1})  # fmt: skip
    with pytest.raises(ValueError, match="Gold"):
        convert({**gold, "color": gold["color"][:1]})


def test_assorted_finishes_have_all_colours():
    finishes = assorted()
    for material in finishes:
        check_material(material)
    strongest = [int(np.argmax(m.base_colour)) for m in finishes if np.ptp(m.base_colour) > 0.1]
    assert set(strongest) == {0, 1, 2}
    assert sum(m.texture is not None for m in finishes) > 20


def test_skies_are_radiance_maps_of_one_size_that_differ():
    skies = built_in_skies(64)
    assert len(skies) >= 12
    assert len({sky.name for sky in skies}) == len(skies)
    for sky in skies:
        assert sky.radiance.dtype == np.float32
        assert sky.radiance.shape == (64, 128, 3)
        assert np.isfinite(sky.radiance).all()
        assert sky.radiance.min() >= 0
        assert 0.02 < sky.radiance.mean() < 3, sky.name
    for first, second in combinations(skies, 2):
        assert np.abs(first.radiance - second.radiance).mean() > 0.02


def test_pictures_of_a_pack_show_every_model(categories, kernel_cache, tmp_path):
    use_kernel_cache(kernel_cache / "kernels")
    shown = categories[:2]
    pack = AssetPack("some", shown, built_in_skies(64)[:2], assorted(3))
    pack_pictures(pack, tmp_path / "pictures", cache=kernel_cache)
    with Image.open(tmp_path / "pictures/classes.png") as sheet:
        tiles = np.asarray(sheet)[:, -6 * 128 :].reshape(2, 128, 6, 128, 3).swapaxes(1, 2)
    for row in tiles:
        for tile in row[:3]:
            middle, edge = tile[44:84, 44:84], tile[:4]
            assert middle.std((0, 1)).max() > 4
            assert np.abs(middle.mean((0, 1)) - edge.mean((0, 1))).max() > 4
        assert (row[3:] == 255).all()
    for name in ("environments.png", "materials.png"):
        with Image.open(tmp_path / "pictures" / name) as sheet:
            assert np.asarray(sheet).std() > 20
