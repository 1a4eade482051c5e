"""Export of a data set to COCO's object detection format: boxes and masks.

Source of the format: cocodataset.org, "Data format"; masks as uncompressed run lengths, which are
exact. Numbers and file names are those of no other set, so that exports can be merged.
"""

from __future__ import annotations

import importlib.metadata
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.datasets.reading import Instance, ShardedSet
from simtailor.files import staged_folder, write_json

IMAGES, ANNOTATIONS = "images", "annotations.json"
LICENCE = 1


def export_coco(made: ShardedSet, output: str | Path) -> None:
    """Write a folder with the images and one annotations.json.

    Category numbers are labels plus 1, as 0 stands for the background in COCO. An object of which
    nothing is seen has no annotation.

    Raises:
        UserError: the set has no masks.
    """
    (height, width), images, annotations = made.size, [], []
    first = made.first_number
    numbers = count(first)
    with staged_folder(output) as staging:
        (staging / IMAGES).mkdir()
        for number, sample in enumerate(made.samples(), first):
            name = f"{sample.key}.jpg"
            (staging / IMAGES / name).write_bytes(sample.encoded.jpg)
            images.append(
                {
                    "id": number,
                    "file_name": name,
                    "width": width,
                    "height": height,
                    "license": LICENCE,
                }
            )
            annotations += [
                {"id": next(numbers), "image_id": number, **_described(instance)}
                for instance in made.instances(sample)
            ]
        write_json(
            staging / ANNOTATIONS,
            {
                "info": {
                    "description": made.title,
                    "version": f"simtailor {importlib.metadata.version('simtailor')}",
                    **made.made_by,
                },
                "licenses": [{"id": LICENCE, "name": made.licence, "url": ""}],
                "categories": [
                    {"id": label + 1, "name": name, "supercategory": "object"}
                    for label, name in enumerate(made.classes)
                ],
                "images": images,
                "annotations": annotations,
            },
        )


def _described(instance: Instance) -> dict[str, Any]:
    return {
        "category_id": instance.label + 1,
        "bbox": instance.box,
        "area": int(instance.mask.sum()),
        "iscrowd": 0,
        "segmentation": {
            "size": list(instance.mask.shape),
            "counts": run_lengths(instance.mask),
        },
    }


def run_lengths(mask: np.ndarray) -> list[int]:
    """Return the run lengths of a mask bool [H, W], column by column, the first of False."""
    flat = np.concatenate([[False], mask.T.reshape(-1)])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
