"""A user's folder of models as a pack: categories, what is passed over, mistakes."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import trimesh
from cube import CUBE, MATERIALS, picture

from simtailor.assets.pack import AssetPack, find_pack, load_pack
from simtailor.errors import UserError
from simtailor.figures.assets import pack_pictures
from simtailor.reporting import reporter

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.fixture
def models(tmp_path):
    """A user's folder: a textured OBJ and a GLB mug, a glTF ball."""
    folder = tmp_path / "models"
    (folder / "mug").mkdir(parents=True)
    (folder / "ball").mkdir()
    (folder / "mug/cube.obj").write_text(CUBE.replace("100", "0.1").replace("50", "0.05"))
    (folder / "mug/cube.mtl").write_text(MATERIALS)
    (folder / "mug/paint.png").write_bytes(picture())
    box = trimesh.creation.box(extents=(0.1, 0.2, 0.1))
    finish = trimesh.visual.material.PBRMaterial(
        baseColorFactor=[0.0, 0.5, 1.0, 1.0], roughnessFactor=0.35, metallicFactor=1.0
    )
    box.visual = trimesh.visual.TextureVisuals(uv=np.zeros((len(box.vertices), 2)), material=finish)
    box.export(folder / "mug/box.glb")
    ball = trimesh.Scene(trimesh.creation.icosphere(radius=0.1))
    for name, content in ball.export(file_type="gltf").items():
        (folder / "ball" / name).write_bytes(content)
    return folder


def load_folder(folder, tmp_path) -> AssetPack:
    return load_pack(f"folder:{folder}", resources=tmp_path / "resources")


def test_the_users_folder_becomes_categories(models, tmp_path):
    pack = load_folder(models, tmp_path)
    assert [(c.name, [m.name for m in c.models]) for c in pack.categories] == [
        ("ball", ["model"]),
        ("mug", ["box", "cube"]),
    ]
    ball, (box, cube) = pack.categories[0].models[0], pack.categories[1].models
    np.testing.assert_allclose(np.ptp(ball.mesh.vertices, axis=0), 0.2, rtol=0.02)
    np.testing.assert_allclose(np.ptp(box.mesh.vertices, axis=0), [0.1, 0.2, 0.1], rtol=1e-5)
    for model in (ball, box, cube):
        low, high = model.mesh.vertices.min(0), model.mesh.vertices.max(0)
        np.testing.assert_allclose(low + high, 0, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(model.mesh.normals, axis=1), 1, atol=1e-5)
    assert box.mesh.materials[0].base_colour == pytest.approx((0, 0.5, 1), abs=0.005)
    assert box.mesh.materials[0].roughness == pytest.approx(0.35)
    assert box.mesh.materials[0].metallic == 1


def test_materials_and_textures_of_obj_files(models, tmp_path):
    mesh = load_folder(models, tmp_path).categories[1].models[1].mesh
    painted = next(m for m in mesh.materials if m.texture is not None)
    plain = next(m for m in mesh.materials if m.texture is None)
    # sRGB to linear; Phong's exponent to roughness.
    assert plain.base_colour == pytest.approx((0.2140, 0.0509, 0.5225), abs=0.005)
    assert plain.roughness == pytest.approx((2 / 102) ** 0.25)
    assert painted.base_colour == (1, 1, 1)
    assert painted.texture.shape == (4, 4, 3)
    np.testing.assert_allclose(painted.texture[0, 0], [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(painted.texture[-1, 0], 0, atol=1e-3)
    # v points up in the file and down the rows here.
    used = mesh.faces[mesh.face_materials == mesh.materials.index(painted)]
    corners = {tuple(c) for c in mesh.coordinates[used].reshape(-1, 2).tolist()}
    assert corners == {(0, 1), (1, 1), (1, 0)}


def test_large_textures_are_shrunk(models, tmp_path):
    (models / "mug/paint.png").write_bytes(picture((1024, 512)))
    mesh = load_folder(models, tmp_path).categories[1].models[1].mesh
    assert next(m for m in mesh.materials if m.texture is not None).texture.shape == (128, 256, 3)


def test_pack_yaml_gives_sizes_and_wordnet_ids(models, tmp_path):
    (models / "pack.yaml").write_text("size: 2\nwordnet: {mug: n03797390}\n")
    pack = load_folder(models, tmp_path)
    for category in pack.categories:
        for model in category.models:
            assert np.ptp(model.mesh.vertices, axis=0).max() == pytest.approx(2, rel=1e-4)
    assert [c.wordnet_id for c in pack.categories] == ["n00000000", "n03797390"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("pack.yaml", "size: -1", "pack.yaml.*size"),
        ("pack.yml", "size: 1", "pack.yml: is not read under this name; call it pack.yaml"),
        ("pack.yaml", "scale: 1", "pack.yaml.*scale"),
        ("pack.yaml", "wordnet: {mug: 03797390}", "pack.yaml.*wordnet"),
        ("pack.yaml", "wordnet: {cup: n03797390}", "no category 'cup'"),
        ("pack.yaml", "size: [", "pack.yaml"),
        ("pack.yaml", "- 1", "pack.yaml"),
        ("pack.yaml", "size: 1\nsize: 2", "pack.yaml:2: .*size.*twice"),
        ("mug/broken.glb", "glTF and then nothing", "broken.glb: it is GLB of version"),
        ("mug/empty.obj", "# nothing\n", "empty.obj"),
        ("mug/points.obj", "v 0 0 0\nv 1 0 0\n", "points.obj.*no triangles"),
        ("mug/line.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "line.obj.*without area"),
        ("mug/nan.obj", "v 0 0 nan\nv 1 0 0\nv 2 1 0\nf 1 2 3\n", "nan.obj.*no numbers"),
        ("mug/huge.obj", CUBE.replace("100", "900"), "huge.obj.*900 m.*pack.yaml"),
        ("bowl/readme.txt", "none yet", "bowl: holds no model.*but 1 .txt"),
        (
            "mug/grey.obj",
            f"mtllib absent.mtl\n{CUBE}",
            "grey.obj: .*absent.mtl, which is absent.*take the line",
        ),
        (
            "mug/cube.mtl",
            "newmtl red\nmap_Kd gone.png\n",
            "cube.obj: cube.mtl: .*gone.png, which",
        ),
    ],
)
def test_mistakes_in_a_users_folder_are_named(models, tmp_path, name, content, words):
    path = models / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(UserError, match=words):
        load_folder(models, tmp_path)


def test_a_folder_without_categories_or_none_at_all(tmp_path):
    (tmp_path / "models").mkdir()
    with pytest.raises(UserError, match="holds no categories"):
        load_folder(tmp_path / "models", tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        load_folder(tmp_path / "absent", tmp_path)


def test_a_folder_around_the_categories_is_not_the_only_category(models, tmp_path):
    (tmp_path / "pack").mkdir()
    place = models.rename(tmp_path / "pack/models")
    with pytest.raises(UserError, match=r"'models', itself holds folders \(ball, mug\).*give .*/m"):
        load_folder(place.parent, tmp_path)
    (place.parent / "pack.yaml").write_text("wordnet: {models: n00000000}\n")  # as one is meant
    assert list(names(load_folder(place.parent, tmp_path))) == ["models"]
    (place.parent / "pack.yaml").unlink()
    (place / "a.obj").write_text(TRIANGLE)
    assert list(names(load_folder(place.parent, tmp_path))) == ["models"]


def test_a_changed_folder_is_read_anew(models, tmp_path):
    load_folder(models, tmp_path)
    cache = tmp_path / "resources/assets"
    first = [p.name for p in cache.iterdir()]
    (models / "mug/box.glb").unlink()
    assert len(load_folder(models, tmp_path).categories[1].models) == 1
    second = [p.name for p in cache.iterdir()]
    assert len(first) == len(second) == 1
    assert first != second


def names(pack: AssetPack) -> dict[str, list[str]]:
    return {c.name: [m.name for m in c.models] for c in pack.categories}


def test_service_files_are_passed_over_and_counted(models, tmp_path):
    (models / "mug/._box.glb").write_bytes(b"\0\5\x16\7Mac OS X")
    (models / "mug/cube.blend1").write_text("backup")
    for folder in (models / "__MACOSX", models / "mug/__MACOSX", models / ".git"):
        folder.mkdir()
        (folder / "a.obj").write_text(TRIANGLE)
    pack = load_folder(models, tmp_path)
    assert names(pack) == {"ball": ["model"], "mug": ["box", "cube"]}
    assert any("mug: passed over: 1 (__MACOSX)" in note for note in pack.notes)
    assert any("mug: passed over: 1 (names that begin with a dot)" in note for note in pack.notes)


def test_links_to_categories_and_models_are_followed(models, tmp_path):
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep/a.obj").write_text(TRIANGLE)
    (models / "leaf").symlink_to(tmp_path / "elsewhere")
    (models / "mug/b.obj").symlink_to(tmp_path / "elsewhere/deep/a.obj")
    pack = load_folder(models, tmp_path)
    assert names(pack)["leaf"] == ["deep/a"]
    assert names(pack)["mug"] == ["b", "box", "cube"]
    # A change behind a link makes the pack anew.
    assert tmp_path / "elsewhere/deep/a.obj" in {p.resolve() for p in folder_files(models)}
    (tmp_path / "elsewhere").rename(tmp_path / "moved")
    with pytest.raises(UserError, match="leaf: this link leads nowhere"):
        load_folder(models, tmp_path)


def folder_files(folder):
    return find_pack(f"folder:{folder}").files


def test_formats_that_are_not_read_are_counted_and_never_lose_a_class(models, tmp_path):
    (models / "mug/cube.fbx").write_bytes(b"Kaydara")  # the same model in another format
    (models / "mug/tall.fbx").write_bytes(b"Kaydara")
    pack = load_folder(models, tmp_path)
    assert any("mug: passed over: 1 .fbx, which are not read" in note for note in pack.notes)
    for i in range(2):
        (models / f"mug/{i}.usdz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"mug: holds 2 models that are read, but 1 .fbx, 2 .usdz"):
        load_folder(models, tmp_path)
    (models / "lamp").mkdir()
    (models / "lamp/a.BLEND").write_bytes(b"BLENDER")
    (models / "ball/model.gltf").unlink()
    with pytest.raises(UserError, match=r"ball: holds no model that is read .*but \d+ .bin; add"):
        load_folder(models, tmp_path)
    (models / "ball/a.obj").write_text(TRIANGLE)
    with pytest.raises(UserError, match=r"lamp: holds no model .*but 1 .blend; convert them"):
        load_folder(models, tmp_path)


def test_models_without_a_category_are_named(models, tmp_path):
    for i in range(5):
        (models / f"{i}.obj").write_text(TRIANGLE)
    with pytest.raises(UserError, match=r"0.obj, 1.obj, 2.obj and 2 more: models directly"):
        load_folder(models, tmp_path)


def test_all_models_that_cannot_be_read_are_named_at_once(models, tmp_path):
    for name in ("a", "b", "c"):
        (models / f"mug/{name}.stl").write_bytes(b"")
    with pytest.raises(UserError, match=r"a.stl: it is empty .*Not read either: .*b.stl, .*c.stl"):
        load_folder(models, tmp_path)


def test_what_no_reader_foresaw_leaves_its_traceback_in_the_log(models, tmp_path, capsys):
    for name, text in (("a", ""), ("b", '{"asset": {"version": "2.0"}, "nodes": "x"}')):
        (models / f"mug/{name}.gltf").write_text(text)
    with pytest.raises(SystemExit), reporter(tmp_path / "a.log", "assets"):
        load_folder(models, tmp_path)
    log, said = (tmp_path / "a.log").read_text(), capsys.readouterr().err
    assert log.count("Traceback") == 1
    assert "gltf_scene.py" in log
    assert log.splitlines()[-1].startswith("failed: ")
    assert "Traceback" not in said


def test_ply_and_stl_have_no_unit_and_that_is_said(models, tmp_path):
    box = trimesh.creation.box(extents=(0.2, 0.1, 0.1))
    box.export(models / "mug/a.stl")
    box.export(models / "mug/b.ply")
    pack = load_folder(models, tmp_path)
    assert any("mug/a.stl, mug/b.ply: taken as metres" in note for note in pack.notes)
    (models / "pack.yaml").write_text("size: 2\n")
    pack = load_folder(models, tmp_path)
    assert np.ptp(pack.categories[1].models[0].mesh.vertices, axis=0).max() == pytest.approx(2)
    assert not any("taken as metres" in note for note in pack.notes)


def test_too_many_triangles_are_made_fewer_with_a_note_that_stands_in_the_summary(models, tmp_path):
    trimesh.creation.icosphere(subdivisions=6).export(models / "ball/fine.glb")
    pack = load_folder(models, tmp_path)
    fine = pack.categories[0].models[0]
    assert fine.name == "fine"
    assert len(fine.mesh.faces) <= 30_000
    notes = [note for note in pack.notes if "81920 triangles were simplified" in note]
    assert notes[0].startswith("ball/fine.glb: ")
    pack_pictures(pack, tmp_path / "pictures", cache=tmp_path)
    summary = json.loads((tmp_path / "pictures/summary.json").read_text())
    assert summary["notes"] == list(pack.notes)
    assert summary["categories"] == {"ball": 2, "mug": 2}


def test_names_of_folders_and_files_that_are_not_utf8(models, tmp_path):
    folder = bytes(models) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/gr\xfcn.obj", "w") as file:
        file.write(TRIANGLE)
    pack = load_folder(models, tmp_path)
    assert names(pack)["caf\\xe9"] == ["gr\\xfcn"]
    for content, words in (("hello", "no line begins"), (None, "holds no model that is read")):
        if content is None:
            os.unlink(folder + b"/gr\xfcn.obj")
        else:
            with open(folder + b"/gr\xfcn.obj", "w") as file:
                file.write(content)
        with pytest.raises(UserError, match=words) as error:
            load_folder(models, tmp_path)
        assert "caf\\xe9" in str(error.value)


def test_the_same_model_in_two_formats_is_said(models, tmp_path):
    trimesh.creation.box(extents=(1, 1, 1)).export(models / "mug/cube.stl")
    assert any(
        "mug/cube: is there in several formats" in n for n in load_folder(models, tmp_path).notes
    )
