"""The export to BOP, read back by the rules of its format."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh
from fits import write_fit
from PIL import Image

from simtailor.datasets.bop import export_bop
from simtailor.datasets.exporting import export
from simtailor.datasets.models import read_model
from simtailor.datasets.shards import stacked, unstacked
from simtailor.errors import UserError
from simtailor.fitted.reading import FittedSet
from simtailor.fitted.settings import Datasets
from simtailor.fitted.stage import make_dataset
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine
from simtailor.simulation.exported import check_set_exportable

IMAGES, WIDTH, HEIGHT = 5, 64, 48
# Two objects near each other, seen from the side: the one hides the other, and some leave the
# picture.
GRAMMAR = """
object:
  class: [mug, box]
  count: 2..3
  yaw: uniform(0, 360)
  loc_x: uniform(82, 118) max 200
  loc_z: uniform(88, 112) max 200
  size: 1.2 max 4
Camera:
  camera_pitch: normal(35, 2)
  camera_roll: 10
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data set of a fit."""
    folder = tmp_path_factory.mktemp("made")
    grammar = folder / "grammar.yaml"
    grammar.write_text(GRAMMAR)
    values = {"grammar": str(grammar), "target": {"grammar": str(grammar)}, "seed": 1}
    machine = Machine("cpu", 1, None)
    (folder / "stage.yaml").write_text("camera: {image_size: [4, 3]}")
    stage = {"image_size": WIDTH, "file": str(folder / "stage.yaml")}
    experiment = Experiment.model_validate(values | {"stage": stage})
    fit = write_fit(folder / "fit", experiment, machine, {"Camera.camera_pitch": None})
    made = Datasets(images=IMAGES, shard_size=3, seed=3)
    make_dataset("mine", fit, made, machine, folder / "work", folder / "set", lambda line: None)
    return FittedSet(folder / "set")


@pytest.fixture(scope="module")
def bop(made, tmp_path_factory):
    output = tmp_path_factory.mktemp("bop") / "mine"
    export(made, "bop", output)
    return output


def read(path):
    return json.loads(path.read_text())


def objects_of(bop):
    """Yield image number, camera, pose, what is said of it, and the masks of every object."""
    scene = bop / "train_pbr/000000"
    tables = [read(scene / f"scene_{name}.json") for name in ("camera", "gt", "gt_info")]
    assert [list(table) for table in tables] == [[str(i) for i in range(IMAGES)]] * 3
    for image in range(IMAGES):
        camera, poses, seen = (table[str(image)] for table in tables)
        for place, (pose, said) in enumerate(zip(poses, seen, strict=True)):
            masks = [
                np.asarray(Image.open(scene / name / f"{image:06d}_{place:06d}.png")) > 0
                for name in ("mask", "mask_visib")
            ]
            yield image, camera, pose, said, *masks


def in_camera(points, pose):
    return points @ np.reshape(pose["cam_R_m2c"], (3, 3)).T + pose["cam_t_m2c"]


def test_models_projected_by_camera_and_pose_fill_their_boxes(bop):
    beyond = 0
    for _, camera, pose, said, mask, _ in objects_of(bop):
        rotation = np.reshape(pose["cam_R_m2c"], (3, 3))
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
        model = trimesh.load_mesh(bop / f"models/obj_{pose['obj_id']:06d}.ply", process=False)
        points = in_camera(model.vertices, pose) @ np.reshape(camera["cam_K"], (3, 3)).T
        places = points[:, :2] / points[:, 2:]
        left, top, width, height = said["bbox_obj"]
        # Pixel n reaches from n - 0.5 to n + 0.5 and is hit at its middle.
        assert np.allclose(places.min(0), [left, top], atol=1.01)
        assert np.allclose(places.max(0), [left + width - 1, top + height - 1], atol=1.01)
        whole = left >= 0 and top >= 0 and left + width <= WIDTH and top + height <= HEIGHT
        assert mask.sum() == said["px_count_all"] if whole else mask.sum() < said["px_count_all"]
        beyond += not whole
    assert beyond > 0


def test_depth_seen_through_the_mask_lies_on_the_model(bop):
    hidden = 0
    for image, camera, pose, said, mask, seen in objects_of(bop):
        assert not (seen & ~mask).any()
        assert said["px_count_visib"] == seen.sum()
        assert said["visib_fract"] == pytest.approx(seen.sum() / said["px_count_all"], abs=1e-4)
        hidden += 0 < said["visib_fract"] < 0.95
        steps = np.asarray(Image.open(bop / f"train_pbr/000000/depth/{image:06d}.png"))
        assert said["px_count_valid"] == (mask & (steps > 0)).sum()
        if not seen.any():
            assert said["bbox_visib"] == [-1] * 4
            continue
        rows, columns = np.nonzero(seen)
        depth = steps[seen] * camera["depth_scale"]
        pixels = np.stack([columns, rows, np.ones_like(rows)], -1)
        rays = pixels @ np.linalg.inv(np.reshape(camera["cam_K"], (3, 3))).T
        rotation = np.reshape(pose["cam_R_m2c"], (3, 3))
        points = (rays * depth[:, None] - pose["cam_t_m2c"]) @ rotation
        info = read(bop / "models/models_info.json")[str(pose["obj_id"])]
        for axis, along in zip("xyz", points.T, strict=True):
            low, size = info[f"min_{axis}"], info[f"size_{axis}"]
            assert (along > low - 0.5).all() and (along < low + size + 0.5).all()
    assert hidden > 1


def test_models_are_in_millimetres_with_diameter_and_symmetry(made, bop):
    info = read(bop / "models/models_info.json")
    for label, name in enumerate(made.classes):
        model = read_model(made.folder, made.manifest["models"][name])
        mesh = trimesh.load_mesh(bop / f"models/obj_{label + 1:06d}.ply", process=False)
        assert np.allclose(mesh.vertices, 1.2 * 1000 * model.vertices, rtol=1e-3)
        apart = np.linalg.norm(mesh.vertices[::7, None] - mesh.vertices[None, ::7], axis=-1)
        described = info[str(label + 1)]
        assert apart.max() * 0.99 <= described["diameter"] <= apart.max() * 1.05
        assert np.ptp(mesh.visual.vertex_colors[:, :3]) > 20
    box = info[str(made.classes.index("box") + 1)]
    assert np.reshape(box["symmetries_discrete"], (4, 4)).diagonal().tolist() == [-1, 1, -1, 1]
    camera = read(bop / "camera.json")
    assert (camera["width"], camera["height"]) == (WIDTH, HEIGHT)


def test_coco_and_yolo_know_width_from_height(made, tmp_path):
    for name in ("coco", "yolo"):
        export(made, name, tmp_path / name)
    coco = read(tmp_path / "coco/annotations.json")
    assert {(i["width"], i["height"]) for i in coco["images"]} == {(WIDTH, HEIGHT)}
    assert {tuple(a["segmentation"]["size"]) for a in coco["annotations"]} == {(HEIGHT, WIDTH)}
    boxes = [annotation["bbox"] for annotation in coco["annotations"]]
    lines = []
    for sample in made.samples():
        assert sample.image.shape == (HEIGHT, WIDTH, 3)
        text = tmp_path / f"yolo/detection/labels/train/{sample.key}.txt"
        lines += [np.array(line.split()[1:], float) for line in text.read_text().splitlines()]
    for (x, y, width, height), box in zip(lines, boxes, strict=True):
        found = [(x - width / 2) * WIDTH, (y - height / 2) * HEIGHT, width * WIDTH, height * HEIGHT]
        assert np.allclose(found, box, atol=1e-3)


def test_objects_of_several_sizes_and_simulated_sets_are_refused(made, tmp_path):
    class Growing(FittedSet):
        def annotations(self):
            for number, annotation in enumerate(super().annotations()):
                for described in annotation["objects"]:
                    pose = np.array(described["pose"])
                    pose[:, :3] *= 1 + number / 10
                    described["pose"] = pose.tolist()
                yield annotation

    with pytest.raises(UserError, match=r"one model of a class.*'size'"):
        export_bop(Growing(made.folder), tmp_path / "export")
    bare = FittedSet(made.folder)
    bare.manifest["models"] = {}
    with pytest.raises(UserError, match=r"no model of 'box'.*models\(\)"):
        export_bop(bare, tmp_path / "export")
    assert not (tmp_path / "export").exists()
    with pytest.raises(UserError, match="no depth, full masks, poses and cameras"):
        check_set_exportable("0_0_0_0_0_1_0_0_0", "bop")


@pytest.mark.parametrize("count", [0, 1, 8, 9, 17])
def test_full_masks_come_back_from_their_picture(count):
    masks = np.random.default_rng(count).random((count, 5, 7)) < 0.5
    assert (unstacked(stacked(masks), count, 5) == masks).all()
