"""What the shards of simulated sets hold of each image."""

from __future__ import annotations

import json

import numpy as np

from simtailor.datasets.shards import EncodedImage, encoded_image, image_key
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.taking import Pictures


def set_key(parameters: SimulationParameters, seed: int) -> str:
    """Return what the keys of a set's images begin with; no other set has the same."""
    return f"{parameters}-{seed}"


def encode(pictures: Pictures, indices: np.ndarray, of_set: str) -> list[EncodedImage]:
    """Compress the pictures of the images with these numbers, of the set with this key."""
    return [
        encoded_image(image_key(of_set, index), image, mask, annotation)
        for index, image, mask, annotation in zip(
            indices, pictures.images, pictures.masks, pictures.annotations, strict=True
        )
    ]


def statistics_of(images: list[EncodedImage]) -> dict[str, float]:
    """Return sums over the images of a shard, for the set's summary."""
    annotations = [json.loads(image.annotation) for image in images]
    return {
        "drawn_anew": sum(a["attributes"]["attempts"] > 0 for a in annotations),
        "visible": round(sum(a["visible"] for a in annotations), 5),
    }
