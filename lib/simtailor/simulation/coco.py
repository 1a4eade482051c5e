"""Export of a simulated set to COCO's object detection format: boxes and masks.

Source of the format: cocodataset.org, "Data format"; masks as uncompressed run lengths.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from simtailor.files import staged_folder, write_json
from simtailor.simulation.reading import SimulatedSet

IMAGES, ANNOTATIONS = "images", "annotations.json"


def export_coco(made: SimulatedSet, output: str | Path) -> None:
    """Write a folder with the images and one annotations.json.

    Category numbers are labels plus 1, as 0 stands for the background in COCO.
    """
    size = made.manifest["image_size"]
    images, annotations = [], []
    with staged_folder(output) as staging:
        (staging / IMAGES).mkdir()
        for encoded, sample in zip(made.encoded(), made.samples(), strict=True):
            number = len(images) + 1
            name = f"{sample.key}.jpg"
            (staging / IMAGES / name).write_bytes(encoded.jpg)
            images.append({"id": number, "file_name": name, "width": size, "height": size})
            annotations.append(
                {
                    "id": number,
                    "image_id": number,
                    "category_id": sample.annotation["label"] + 1,
                    "bbox": sample.annotation["box"],
                    "area": int(sample.mask.sum()),
                    "iscrowd": 0,
                    "segmentation": {"size": [size, size], "counts": run_lengths(sample.mask)},
                }
            )
        write_json(
            staging / ANNOTATIONS,
            {
                "info": {"description": f"simulated set {made.manifest['parameters']}"},
                "categories": [{"id": i + 1, "name": c} for i, c in enumerate(made.classes)],
                "images": images,
                "annotations": annotations,
            },
        )


def run_lengths(mask: np.ndarray) -> list[int]:
    """Return the run lengths of a mask bool [H, W], column by column, the first of False."""
    flat = np.concatenate([[False], mask.T.reshape(-1)])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
