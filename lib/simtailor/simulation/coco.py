"""Export of a simulated set to COCO's object detection format: boxes and masks.

Source of the format: cocodataset.org, "Data format"; masks as uncompressed run lengths.
Numbers and file names are those of no other set of a study, so that exports can be merged.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.assets.pack import find_pack
from simtailor.errors import UserError
from simtailor.files import staged_folder, write_json
from simtailor.packages import PACKAGES
from simtailor.simulation.parameters import MATERIALS, SimulationParameters
from simtailor.simulation.reading import SimulatedSet
from simtailor.simulation.shards import image_key, set_key

IMAGES, ANNOTATIONS = "images", "annotations.json"
# Of the settings in the manifest, those that decide what the images show.
MADE_BY = ("parameters", "seed", "image_size", "samples", "packs", "assets", "renderer")
# Numbers stay below 2 ** 53, what every reader of JSON holds exactly: ten bits of parameters,
# the seed, the image.
IMAGE_BITS, SEED_BITS = 24, 19
LICENCE = 1


def export_coco(made: SimulatedSet, output: str | Path) -> None:
    """Write a folder with the images and one annotations.json.

    Category numbers are labels plus 1, as 0 stands for the background in COCO.
    """
    size, manifest = made.manifest["image_size"], made.manifest
    parameters = SimulationParameters.parse(manifest["parameters"])
    first = first_number(parameters, manifest["seed"])
    of_set = set_key(parameters, manifest["seed"])
    terms = licence(manifest.get("packs", []))
    images, annotations = [], []
    with staged_folder(output) as staging:
        (staging / IMAGES).mkdir()
        for encoded, sample in zip(made.encoded(), made.samples(), strict=True):
            name = f"{image_key(of_set, len(images))}.jpg"
            number = first + len(images)
            (staging / IMAGES / name).write_bytes(encoded.jpg)
            images.append(
                {"id": number, "file_name": name, "width": size, "height": size, "license": LICENCE}
            )
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
                "info": {
                    "description": f"simulated set {manifest['parameters']}",
                    "version": f"simtailor {importlib.metadata.version('simtailor')}",
                    **{key: manifest[key] for key in MADE_BY if key in manifest},
                },
                "licenses": [{"id": LICENCE, "name": terms, "url": ""}],
                "categories": [_category(made, label) for label in range(len(made.classes))],
                "images": images,
                "annotations": annotations,
            },
        )


def first_number(parameters: SimulationParameters, seed: int) -> int:
    """Return the number of a set's first image; those of other sets are far from it.

    So for seeds below 2 ** 19 and sets of up to 2 ** 24 - 1 images.
    """
    code = 0
    for name, value in parameters.as_dict().items():
        code = code * (len(MATERIALS) if name == "materials" else 2) + value
    return ((code << SEED_BITS | seed % 2**SEED_BITS) << IMAGE_BITS) + 1


def licence(packs: list[str]) -> str:
    """Return the licences of the packs that the images show models and skies of."""
    terms = []
    for pack in packs:
        try:
            packages = find_pack(pack).packages
        except UserError:  # a folder that is gone
            packages = ()
        own = "of this project, Apache-2.0" if pack == "builtin" else "the user's own"
        of_pack = "; ".join(PACKAGES[name].licence for name in packages) or own
        terms.append(f"{pack}: {of_pack}")
    return "assets of " + " | ".join(terms) if terms else "not noted"


def _category(made: SimulatedSet, label: int) -> dict[str, Any]:
    return {"id": label + 1, "name": made.classes[label], "supercategory": "object"}


def run_lengths(mask: np.ndarray) -> list[int]:
    """Return the run lengths of a mask bool [H, W], column by column, the first of False."""
    flat = np.concatenate([[False], mask.T.reshape(-1)])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
