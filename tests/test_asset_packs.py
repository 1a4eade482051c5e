"""Packs: registry, cache of arrays, a user's folder, and packages in the form they come in."""

from __future__ import annotations

import base64
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from cube import CUBE, MATERIALS, picture
from PIL import Image

from simtailor.assets import pack as packs
from simtailor.assets.arrays import read_pack, write_pack
from simtailor.assets.content import SKY_HEIGHT
from simtailor.assets.mesh import Material
from simtailor.assets.pack import (
    AssetPack,
    Category,
    Model,
    Sky,
    fetched_packages,
    load_pack,
    pack_names,
)
from simtailor.assets.packs.poly_haven import read_environment, repaired
from simtailor.assets.packs.sweethome3d import LOADER, TABLE, read_table
from simtailor.assets.shapes import block, ellipsoid
from simtailor.errors import UserError
from simtailor.packages import PACKAGES, fetch

ROOT = Path(__file__).parent.parent
RED = Material((0.8, 0.1, 0.1), roughness=0.3)


def test_unknown_packs_are_named():
    with pytest.raises(UserError, match="Did you mean 'builtin'"):
        load_pack("biultin", resources="resources")
    assert {"builtin", "sweethome3d", "pmndrs", "blender", "threejs"} <= set(pack_names())


def test_fetched_packages_exist_and_are_named_once():
    names = fetched_packages([*pack_names(), "builtin", "sweethome3d"])
    assert len(names) == len(set(names)) == 5
    assert set(names) <= set(PACKAGES)


def test_a_pack_without_its_package_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match=r"snakemake .*packages/pmndrs_assets"):
        load_pack("pmndrs", resources=tmp_path)


def some_pack() -> AssetPack:
    grain = np.random.default_rng(0).random((8, 4, 3), dtype=np.float32)
    wood = Material((0.5, 0.4, 0.3), texture=grain)
    first = Model("a", block((1, 2, 3), wood))
    second = Model("b", ellipsoid((1, 1, 1), wood))
    third = Model("c", block((1, 1, 1), RED))
    return AssetPack(
        "some",
        (Category("x", "n00000001", (first, second)), Category("y", "n00000002", (third,))),
        (Sky("grey", np.full((32, 64, 3), 0.5, np.float32)),),
        (RED, Material((1, 1, 1), texture=grain)),
    )


def test_packs_are_written_and_read_back(tmp_path):
    pack = some_pack()
    write_pack(pack, tmp_path / "pack.safetensors")
    again = read_pack(tmp_path / "pack.safetensors")
    assert again.name == "some"
    for category, found in zip(pack.categories, again.categories, strict=True):
        assert (category.name, category.wordnet_id) == (found.name, found.wordnet_id)
        for model, same in zip(category.models, found.models, strict=True):
            assert model.name == same.name
            for part in ("vertices", "normals", "coordinates", "faces", "face_materials"):
                kept, read = getattr(model.mesh, part), getattr(same.mesh, part)
                np.testing.assert_array_equal(kept, read)
                assert kept.dtype == read.dtype
    assert again.environments[0].name == "grey"
    np.testing.assert_array_equal(again.environments[0].radiance, pack.environments[0].radiance)
    for material, same in zip(pack.materials, again.materials, strict=True):
        assert material.base_colour == same.base_colour
        assert material.roughness == same.roughness
    # What models share is kept once.
    a, b = (m.mesh.materials[0] for m in again.categories[0].models)
    assert a is b
    assert again.materials[1].texture is a.texture
    write_pack(again, tmp_path / "again.safetensors")
    first, second = (tmp_path / n for n in ("pack.safetensors", "again.safetensors"))
    assert first.read_bytes() == second.read_bytes()


def test_a_pack_of_materials_only_is_kept(tmp_path):
    write_pack(AssetPack("few", materials=(RED,)), tmp_path / "few.safetensors")
    again = read_pack(tmp_path / "few.safetensors")
    assert again.categories == again.environments == ()
    assert vars(again.materials[0]) == vars(RED)


def test_a_pack_is_made_once(tmp_path, monkeypatch):
    made = []

    def make(_):
        made.append(1)
        return some_pack()

    pack_names()
    monkeypatch.setitem(packs._PACKS, "some", packs.RegisteredPack(make, (), ()))
    for _ in range(2):
        assert len(load_pack("some", resources=tmp_path).categories) == 2
    assert len(made) == 1
    cached = next((tmp_path / "assets").iterdir())
    os.truncate(cached, 100)
    with pytest.raises(UserError, match=f"{cached.name}.*delete it, and it is made again"):
        load_pack("some", resources=tmp_path)


# Sweet Home 3D


def furniture_archive(path: Path) -> None:
    catalogue = """id=SweetHome3D#Some
id#1=Some#cube
name#1=Cube
model#1=/some/cube/cube.obj
width#1=40
depth#1=20
height#1=80
creator#1=me

id#2=Some#turned
model#2=/some/cube/cube.obj
modelRotation#2=0 0 1 0 1 0 -1 0 0
width#2=20
depth#2=40
height#2=80

id#3=Some#carpet
model#3=/some/cube/cube.obj
width#3=200
depth#3=100
height#3=1

id#4=Some#absent
model#4=/some/cube/absent.obj
width#4=10
depth#4=10
height#4=10

id#5=Some#other
model#5=/some/cube/cube.obj
width#5=10
depth#5=10
height#5=10
"""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", catalogue.encode("latin-1"))
        archive.writestr("some/cube/cube.obj", CUBE)
        archive.writestr("some/cube/cube.mtl", MATERIALS)
        archive.writestr("some/cube/paint.png", picture())


@pytest.fixture
def furniture(tmp_path, monkeypatch):
    """Packages as fetched, and a table of their models, in a folder to run in."""
    folders = [tmp_path / f"resources/packages/sweethome3d_{p}" for p in ("furniture", "core")]
    for folder in folders:
        folder.mkdir(parents=True)
    furniture_archive(folders[0] / "Some.sh3f")
    entry = "id#1=eTeks#plain\nmodel#1=/some/plain.obj\nwidth#1=10\ndepth#1=10\nheight#1=10\n"
    with zipfile.ZipFile(folders[1] / "sweethome3d.jar", "w") as jar:
        jar.writestr("com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties", entry)
        jar.writestr("some/plain.obj", CUBE.replace("mtllib cube.mtl\n", ""))
        text = b"newmtl painted\nKd 0 1 0\n\nnewmtl plain\nKd 0 0 1\nNs 60.0\n\n"
        jar.writestr(LOADER, b"\xca\xfe\xba\xbe\x00\x01newmtl\n\x01" + text + b"\x01\x00\x07")
    table = tmp_path / TABLE
    table.parent.mkdir(parents=True)
    table.write_text(
        "# comment\ncategory\twordnet_id\tmodel\n"
        "cube\tn00000001\tSome#cube\ncube\tn00000001\tSome#turned\ncube\tn00000001\tSome#absent\n"
        "rug\tn00000002\tSome#carpet\nblock\tn00000003\teTeks#plain\n"
    )
    monkeypatch.chdir(tmp_path)
    return table


def test_furniture_is_read_by_the_table(furniture, tmp_path):
    pack = load_pack("sweethome3d", resources=tmp_path / "resources")
    assert [(c.name, c.wordnet_id, [m.name for m in c.models]) for c in pack.categories] == [
        ("block", "n00000003", ["eTeks#plain"]),
        ("cube", "n00000001", ["Some#cube", "Some#turned"]),
    ]
    cube, turned = (m.mesh for m in pack.categories[1].models)
    np.testing.assert_allclose(np.ptp(cube.vertices, axis=0), [0.4, 0.8, 0.2], rtol=1e-5)
    np.testing.assert_allclose(np.ptp(turned.vertices, axis=0), [0.2, 0.8, 0.4], rtol=1e-5)
    painted = next(m for m in cube.materials if m.texture is not None)
    np.testing.assert_allclose(painted.texture[0, 0], [1, 0, 0], atol=1e-3)
    # Turned by 90 degrees: the painted side looks along x.
    for mesh, axis in ((cube, 2), (turned, 0)):
        which = mesh.materials.index(next(m for m in mesh.materials if m.texture is not None))
        sides = mesh.normals[mesh.faces[mesh.face_materials == which]].reshape(-1, 3)
        assert np.abs(sides[:, axis]).min() > 0.99


def test_models_without_a_file_of_materials_take_the_programs_own(furniture, tmp_path):
    pack = load_pack("sweethome3d", resources=tmp_path / "resources")
    colours = {m.base_colour for m in pack.categories[0].models[0].mesh.materials}
    assert colours == {(0, 1, 0), (0, 0, 1)}


def test_a_damaged_archive_or_an_empty_one_is_named(furniture, tmp_path):
    archive = tmp_path / "resources/packages/sweethome3d_furniture/Some.sh3f"
    archive.write_bytes(archive.read_bytes()[:300])
    with pytest.raises(UserError, match=r"Some\.sh3f"):
        load_pack("sweethome3d", resources=tmp_path / "resources")
    furniture.write_text("category\twordnet_id\tmodel\nx\tn00000001\tnone\n")
    archive.unlink()
    with pytest.raises(UserError, match="none of the models"):
        load_pack("sweethome3d", resources=tmp_path / "resources")


@pytest.mark.parametrize(
    "row", ["chair\tn0300162\ta", "chair\tn03001627", "chair\tn03001627\tSome#cube"]
)
def test_mistakes_in_the_table_are_named(furniture, row):
    furniture.write_text(furniture.read_text() + row + "\n")
    with pytest.raises(UserError, match=r"sweethome3d\.tsv.*chair"):
        read_table(furniture)


def test_the_table_has_100_categories():
    rows = read_table(ROOT / TABLE)
    categories = dict(rows.values())
    assert len(categories) == len(set(categories.values())) == 100
    assert len(rows) > 500
    assert set(rows.values()) == set(categories.items())  # one id a category
    assert all(re.fullmatch(r"[a-z_]+", name) for name in categories)


# Environments and materials


def environment_file(path: Path, radiance: np.ndarray, compression=OpenEXR.DWAB_COMPRESSION):
    header = {"compression": compression, "type": OpenEXR.scanlineimage}
    channels = {"RGB": radiance.astype(np.float16)}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


def gradient(height: int) -> np.ndarray:
    rows = np.linspace(2, 0.2, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to(rows * np.float32([1, 0.5, 0.25]), (height, 2 * height, 3)).copy()


def test_environments_of_both_packages_are_read(tmp_path):
    radiance = gradient(64)
    for name in ("blender_data", "pmndrs_assets"):
        (tmp_path / "packages" / name).mkdir(parents=True)
    exr = tmp_path / "packages/blender_data/hall.exr"
    environment_file(exr, radiance)
    content = base64.b64encode(exr.read_bytes()).decode()
    (tmp_path / "packages/pmndrs_assets/sea.exr.js").write_text(
        f"export default 'data:application/exr;base64,{content}'\n"
    )
    for pack, name in (("blender", "hall"), ("pmndrs", "sea")):
        (sky,) = load_pack(pack, resources=tmp_path).environments
        assert sky.name == name
        assert sky.radiance.shape == (SKY_HEIGHT, 2 * SKY_HEIGHT, 3)
        small = sky.radiance.reshape(64, SKY_HEIGHT // 64, 128, SKY_HEIGHT // 64, 3).mean((1, 3))
        np.testing.assert_allclose(small, radiance, rtol=0.08)


def test_what_is_no_environment_is_named(tmp_path):
    (tmp_path / "text.exr").write_text("no picture")
    with pytest.raises(UserError, match=r"text\.exr"):
        read_environment(tmp_path / "text.exr")
    environment_file(tmp_path / "square.exr", np.ones((64, 64, 3)))
    with pytest.raises(UserError, match=r"square\.exr: 64 x 64"):
        read_environment(tmp_path / "square.exr")
    (tmp_path / "packages/pmndrs_assets").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no environments"):
        load_pack("pmndrs", resources=tmp_path)
    (tmp_path / "packages/pmndrs_assets/sky.exr.js").write_text("export default ''")
    with pytest.raises(UserError, match=r"sky\.exr\.js"):
        load_pack("pmndrs", resources=tmp_path)


def test_a_damaged_sun_turns_grey_and_keeps_its_light():
    sky = gradient(64)
    sky[10, 20:24] = [[0, 0, 9000], [0, 0, 0], [8000, 1e-6, 0], [0, 0, 0]]
    fixed = repaired(sky)
    spot = (fixed != sky).any(-1)
    assert spot[10, 20:24].all()
    assert spot.sum() < 100
    assert np.ptp(fixed[spot], axis=-1).max() == 0
    assert fixed.sum() == pytest.approx(sky.sum(), rel=1e-4)
    np.testing.assert_array_equal(repaired(gradient(64)), gradient(64))


def test_textured_materials_are_read(tmp_path):
    folder = tmp_path / "packages/threejs_materials"
    for name in ("oak", "_brush"):
        (folder / name).mkdir(parents=True)
    (folder / "oak/color.png").write_bytes(picture((512, 512), (188, 188, 188)))
    Image.new("L", (64, 64), 51).save(folder / "oak/roughness.png")
    Image.new("L", (64, 64), 51).save(folder / "_brush/roughness.png")
    (material,) = load_pack("threejs", resources=tmp_path).materials
    assert material.texture.shape == (256, 256, 3)
    np.testing.assert_allclose(material.texture[0, 0], 0.5, atol=0.01)  # linear
    assert material.roughness == pytest.approx(0.2)
    (folder / "oak/color.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="oak"):
        packs.find_pack("threejs").make({"threejs_materials": folder})


@pytest.mark.slow
def test_true_environments_are_bright_where_the_sun_is(tmp_path):
    """Fetched from the registry: all are there, and no light is of one colour only."""
    try:
        fetch(PACKAGES["pmndrs_assets"], tmp_path / "packages/pmndrs_assets", print)
    except UserError as error:
        if "cannot be downloaded" in str(error):
            pytest.skip(f"no registry in reach: {error}")
        raise
    skies = load_pack("pmndrs", resources=tmp_path).environments
    assert len(skies) == 18
    for sky in skies:
        brightest = sky.radiance.reshape(-1, 3)[sky.radiance.sum(-1).argmax()]
        assert brightest.min() > 0.1 * brightest.max(), sky.name
