"""Export of a data set to the format of BOP, for estimators of poses.

Source of the format: Hodan et al., "BOP: Benchmark for 6D Object Pose Estimation" (2018), and
"BOP dataset format" of its toolkit. Lengths are millimetres; the camera looks along z, x points to
the right and y down; the middle of the first pixel is (0, 0).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.spatial
from PIL import Image

from simtailor.datasets.models import MODELS, model_name, read_model, save_model
from simtailor.datasets.reading import Instance, Sample, ShardedSet
from simtailor.errors import UserError
from simtailor.files import staged_folder, write_json
from simtailor.render.models import ObjectModel

SPLIT = "train_pbr"  # whose images the toolkit knows to be JPEG
IMAGES_OF_SCENE = 1000
MILLIMETRES = 1000.0
SAME = 1e-4  # by which the sizes of a class's objects may differ, relatively
FOLDERS = ("rgb", "depth", "mask", "mask_visib")
NOT_SEEN = [-1, -1, -1, -1]  # the box of what is not there
HALF_TURN = [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]
ANY_TURN = {"axis": [0, 1, 0], "offset": [0, 0, 0]}


def export_bop(made: ShardedSet, output: str | Path) -> None:
    """Write a folder with images, poses, masks and models.

    An object's number is its label plus 1.

    Raises:
        UserError: objects of one class have several sizes, which one model cannot have, or a
            class has no model.
    """
    if absent := [name for name in made.classes if name not in made.manifest["models"]]:
        raise UserError(
            f"{made.folder}: there is no model of '{absent[0]}', which an export to bop needs. "
            "Give the renderer a method models() that returns one (docs/own_renderer.md)."
        )
    scales = _scales(made)
    with staged_folder(output) as staging:
        _write_models(staging / MODELS, made, scales)
        cameras = _Scenes(staging / SPLIT, scales).write(made)
        height, width, matrix, depth_scale = cameras
        (fx, _, cx), (_, fy, cy), _ = matrix
        write_json(
            staging / "camera.json",
            {"width": width, "height": height, "fx": fx, "fy": fy, "cx": cx, "cy": cy,
             "depth_scale": depth_scale},
        )  # fmt: skip
        lines = [f"# {made.title}", "", f"Licence: {made.licence}.", "", "| object | class |",
                 "|---|---|"]  # fmt: skip
        lines += [f"| {label + 1} | {name} |" for label, name in enumerate(made.classes)]
        (staging / "dataset_info.md").write_text("\n".join(lines) + "\n")


def _scales(made: ShardedSet) -> dict[int, float]:
    """Return the scale of each label's objects, that of their poses."""
    sizes: dict[int, list[float]] = {}
    for annotation in made.annotations():
        for known in annotation["objects"]:
            rotation = np.array(known["pose"])[:, :3]
            sizes.setdefault(known["label"], []).append(np.cbrt(np.linalg.det(rotation)))
    for label, of_label in sizes.items():
        if np.ptp(of_label) > SAME * max(of_label):
            raise UserError(
                f"{made.folder}: the objects '{made.classes[label]}' are {min(of_label):.3g} to "
                f"{max(of_label):.3g} times as large as their model, and BOP has one model of a "
                "class. Let the attribute 'size' be a number in the grammar, or export to coco."
            )
    return {label: float(np.median(of_label)) for label, of_label in sizes.items()}


def _write_models(folder: Path, made: ShardedSet, scales: dict[int, float]) -> None:
    folder.mkdir()
    info = {}
    for label, name in enumerate(made.classes):
        model = read_model(made.folder, made.manifest["models"][name])
        scale = scales.get(label, 1.0) * MILLIMETRES
        save_model(folder / model_name(label), model, scale)
        info[str(label + 1)] = model_info(replace(model, vertices=model.vertices * scale))
    write_json(folder / "models_info.json", info)


def model_info(model: ObjectModel) -> dict[str, Any]:
    """Return what models_info.json says of a model in millimetres."""
    low, high = model.vertices.min(0), model.vertices.max(0)
    info: dict[str, Any] = {"diameter": _diameter(model.vertices)}
    info |= {f"min_{axis}": float(value) for axis, value in zip("xyz", low, strict=True)}
    info |= {f"size_{axis}": float(value) for axis, value in zip("xyz", high - low, strict=True)}
    if model.symmetry == "half_turn":
        info["symmetries_discrete"] = [HALF_TURN]
    if model.symmetry == "any_turn":
        info["symmetries_continuous"] = [ANY_TURN]
    return info


def _diameter(vertices: np.ndarray) -> float:
    """Return the largest distance between two vertices."""
    # Joggled, so that what is flat has a hull too.
    hull = vertices[scipy.spatial.ConvexHull(vertices, qhull_options="QJ").vertices]
    return max(float(scipy.spatial.distance.cdist(hull[i : i + 1], hull).max())
               for i in range(len(hull)))  # fmt: skip


class _Scenes:
    """Writes the images, so many a scene."""

    def __init__(self, folder: Path, scales: dict[int, float]) -> None:
        self._folder, self._scales = folder, scales

    def write(self, made: ShardedSet) -> tuple[int, int, list[list[float]], float]:
        """Write all images; return height, width, camera matrix and depth scale of the first."""
        first = None
        tables: dict[str, dict[str, Any]] = {}
        for number, sample in enumerate(made.samples()):
            scene, image = divmod(number, IMAGES_OF_SCENE)
            folder = self._folder / f"{scene:06d}"
            if not image:
                for name in FOLDERS:
                    (folder / name).mkdir(parents=True)
            (folder / "rgb" / f"{image:06d}.jpg").write_bytes(sample.encoded.jpg)
            (folder / "depth" / f"{image:06d}.png").write_bytes(sample.encoded.depth or b"")
            known = sample.annotation
            instances = made.all_instances(sample)
            for place, instance in enumerate(instances):
                for name, mask in (("mask", instance.full_mask), ("mask_visib", instance.mask)):
                    picture = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
                    picture.save(folder / name / f"{image:06d}_{place:06d}.png")
            entries = {
                "scene_camera": {
                    "cam_K": [number for row in known["camera_matrix"] for number in row],
                    "depth_scale": known["depth_scale"],
                },
                "scene_gt": [self._pose(instance) for instance in instances],
                "scene_gt_info": [_seen(instance, sample) for instance in instances],
            }
            for name, entry in entries.items():
                tables.setdefault(name, {})[str(image)] = entry
            if image == IMAGES_OF_SCENE - 1 or number == len(made) - 1:
                for name, table in tables.items():
                    write_json(folder / f"{name}.json", table)
                tables = {}
            if first is None:
                size = sample.image.shape[:2]
                first = *size, known["camera_matrix"], known["depth_scale"]
        assert first is not None  # a data set has an image
        return first

    def _pose(self, instance: Instance) -> dict[str, Any]:
        pose = np.array(instance.described["pose"])
        return {
            "cam_R_m2c": (pose[:, :3] / self._scales[instance.label]).reshape(-1).tolist(),
            "cam_t_m2c": (pose[:, 3] * MILLIMETRES).tolist(),
            "obj_id": instance.label + 1,
        }


def _seen(instance: Instance, sample: Sample) -> dict[str, Any]:
    known, seen = instance.described, int(instance.mask.sum())
    valid = 0
    if sample.depth is not None and instance.full_mask is not None:
        valid = int((instance.full_mask & (sample.depth > 0)).sum())
    return {
        "bbox_obj": known["full_box"] if known["full_pixels"] else NOT_SEEN,
        "bbox_visib": known["box"] if seen else NOT_SEEN,
        "px_count_all": known["full_pixels"],
        "px_count_valid": valid,
        "px_count_visib": seen,
        "visib_fract": known["visibility"],
    }
