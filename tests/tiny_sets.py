"""Tiny simulated sets made by hand: shards in WebDataset layout with a manifest."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.files import checksum

CLASSES = ["disc", "square", "stripes", "empty"]


def draw(label: int, size: int, random: np.random.Generator) -> np.ndarray:
    """Return a picture of a class, uint8 [size, size, 3], in random colours."""
    y, x = np.mgrid[:size, :size] / size - random.uniform(0.4, 0.6, 2)[:, None, None]
    radius = random.uniform(0.2, 0.35)
    inside = {
        0: x**2 + y**2 < radius**2,
        1: np.maximum(abs(x), abs(y)) < radius,
        2: (x * 12).astype(int) % 2 == 0,
        3: np.zeros_like(x, bool),
    }[label]
    back, front = random.uniform(0, 110, 3), random.uniform(145, 255, 3)
    picture = np.where(inside[..., None], front, back) + random.normal(0, 4, (size, size, 3))
    return picture.clip(0, 255).astype(np.uint8)


def make_set(
    folder: Path, images: int = 48, size: int = 24, seed: int = 0, shards: int = 2,
    parameters: str = "0_0_0_0_0_1_0_0_0",
) -> Path:  # fmt: skip
    """Write a set in the format of the simulated sets."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    records = []
    for number, indices in enumerate(np.array_split(np.arange(images), shards)):
        path = folder / f"shard-{number:05d}.tar"
        with tarfile.open(path, "w") as tar:
            for index in indices:
                label = int(index) % len(CLASSES)
                picture, mask = io.BytesIO(), io.BytesIO()
                Image.fromarray(draw(label, size, random)).save(picture, "JPEG", quality=92)
                Image.new("1", (size, size), 1).save(mask, "PNG")
                annotation = json.dumps({"class": CLASSES[label], "label": label}).encode()
                for suffix, data in (("jpg", picture.getvalue()), ("mask.png", mask.getvalue()),
                                     ("json", annotation)):  # fmt: skip
                    member = tarfile.TarInfo(f"{index:08d}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        records.append({"file": path.name, "images": len(indices), "sha256": checksum(path)})
    manifest = {
        "parameters": parameters, "seed": seed, "images": images, "classes": CLASSES,
        "image_size": size, "renderer": "by hand", "shards": records,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
