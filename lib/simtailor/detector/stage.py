"""The jobs of the detector stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file

from simtailor.datasets.coco_reading import known_classes
from simtailor.detector.drawing import read_pictures
from simtailor.detector.inputs import tests_in
from simtailor.detector.labelled_folder import LabelledFolder
from simtailor.detector.pictures import LabelledPicture
from simtailor.detector.precision import Detections
from simtailor.detector.settings import DetectorTraining, LabelledTiles
from simtailor.detector.training import train_detector
from simtailor.files import staged_folder, write_json

FOUND, WEIGHTS = "detections.json", "detector.safetensors"


def read_tiles(
    part: Literal["train", "test"],
    tiles: LabelledTiles,
    resources: str | Path,
    classes: Sequence[str],
) -> list[LabelledPicture]:
    """Return real pictures with their boxes, resized by the scale of the settings.

    Args:
        classes: names by label; of a single one the name in the files does not matter.
    """
    folder = folder_of(tiles, resources)
    names = tiles.train if part == "train" else tests_in(folder, tiles)
    known = known_classes(classes)
    return [folder.read(name, known).resized(tiles.scale) for name in names]


def folder_of(tiles: LabelledTiles, resources: str | Path) -> LabelledFolder:
    """Return where the labelled pictures lie."""
    if tiles.folder is not None:
        return LabelledFolder(Path(tiles.folder))
    return LabelledFolder(Path(resources) / "packages" / str(tiles.package))


def training_pictures(
    drawn: Sequence[str | Path],
    tiles: LabelledTiles,
    resources: str | Path,
    images: int,
    classes: Sequence[str],
) -> list[LabelledPicture]:
    """Return what a source trains on: as much of each file of drawn pictures, or real ones."""
    if not drawn:
        return read_tiles("train", tiles, resources, classes)
    share = images // len(drawn)
    return [picture for path in drawn for picture in read_pictures(path)[:share]]


def train_and_detect(
    pictures: Sequence[LabelledPicture],
    tiles: LabelledTiles,
    settings: DetectorTraining,
    classes: Sequence[str],
    seed: int,
    resources: str | Path,
    output: str | Path,
    report: Callable[[str], None],
    device: str = "cpu",
) -> None:
    """Train a detector, and write it with what it finds in the test pictures."""
    torch.set_num_threads(1)  # sums in one order, so that the result does not depend on cores
    detector = train_detector(pictures, len(classes), settings, seed, resources, report, device)
    found = [detector.detect(p.image) for p in read_tiles("test", tiles, resources, classes)]
    with staged_folder(output) as staging:
        weights = {name: v.contiguous().cpu() for name, v in detector.state_dict().items()}
        save_file(weights, staging / WEIGHTS)
        write_json(staging / FOUND, [_plain(some) for some in found])
    report(f"{sum(len(f.boxes) for f in found)} detections in {len(found)} test pictures")


def _plain(found: Detections) -> Mapping[str, Any]:
    return {
        "boxes": found.boxes.astype(float).round(2).tolist(),
        "scores": found.scores.astype(float).round(5).tolist(),
        "labels": found.labels.tolist(),
    }


def read_found(values: Mapping[str, Any]) -> Detections:
    """Return the detections of one picture of the file that ``train_and_detect`` writes."""
    return Detections(
        np.array(values["boxes"], np.float32).reshape(-1, 4),
        np.array(values["scores"], np.float32),
        np.array(values["labels"], np.int64),
    )
