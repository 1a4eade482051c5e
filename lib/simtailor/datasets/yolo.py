"""Export of a data set to the text files of YOLO, for detection and for segmentation.

Source of the format: Ultralytics, "Object Detection Datasets Overview" and "Instance Segmentation
Datasets Overview". A line an object: its class, then centre, width and height of its box, or the
corners of its polygon, as shares of the image's width and height.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from simtailor.datasets.making import link_or_copy
from simtailor.datasets.polygons import joined, outlines
from simtailor.datasets.reading import Instance, ShardedSet
from simtailor.files import staged_folder

DETECTION, SEGMENTATION = "detection", "segmentation"
TRAIN, VALIDATION = "train", "val"
EVERY = 10  # image is for validation
NOTE = "# By simtailor: {title}. {licence}.\n# Give this file to the trainer, by its own path.\n"


def export_yolo(made: ShardedSet, output: str | Path) -> None:
    """Write a folder for detection and one for segmentation, with images, labels and data.yaml.

    Every tenth image is for validation. An image in which nothing is seen has an empty text.

    Raises:
        UserError: the set has no masks.
    """
    size = np.array(made.size[::-1])
    with staged_folder(output) as staging:
        for kind in (DETECTION, SEGMENTATION):
            for part in (TRAIN, VALIDATION):
                for name in ("images", "labels"):
                    (staging / kind / name / part).mkdir(parents=True)
            (staging / kind / "data.yaml").write_text(_description(made))
        for number, sample in enumerate(made.samples()):
            part = VALIDATION if number % EVERY == EVERY - 1 else TRAIN
            image = Path("images") / part / f"{sample.key}.jpg"
            (staging / DETECTION / image).write_bytes(sample.encoded.jpg)
            link_or_copy(staging / DETECTION / image, staging / SEGMENTATION / image)
            instances, text = made.instances(sample), Path("labels") / part / f"{sample.key}.txt"
            for kind, of_instance in ((DETECTION, _box), (SEGMENTATION, _polygon)):
                lines = [
                    f"{i.label} {_numbers((of_instance(i) / size).reshape(-1))}\n"
                    for i in instances
                ]
                (staging / kind / text).write_text("".join(lines))


def _description(made: ShardedSet) -> str:
    values = {
        "train": f"images/{TRAIN}",
        "val": f"images/{VALIDATION}",
        "names": dict(enumerate(made.classes)),
    }
    head = NOTE.format(title=made.title, licence=made.licence)
    return head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _box(instance: Instance) -> np.ndarray:
    left, top, width, height = instance.box
    return np.array([[left + width / 2, top + height / 2], [width, height]])


def _polygon(instance: Instance) -> np.ndarray:
    return joined(outlines(instance.mask))


def _numbers(shares: np.ndarray) -> str:
    return " ".join(f"{share:.6g}" for share in shares)
