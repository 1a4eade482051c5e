"""One shard of a simulated set: a tar file in WebDataset layout and the record of it.

Of image KEY the shard holds KEY.jpg, KEY.mask.png (one bit, white is the object) and KEY.json.
Times and owners in the tar are fixed, so equal images give equal bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from simtailor.errors import UserError
from simtailor.files import checksum, read_json, staged, write_json
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.studio import Pictures

JPEG_QUALITY = 92
SUFFIXES = (".jpg", ".mask.png", ".json")


def shard_name(number: int) -> str:
    """Return the file name of a shard, in the form that all readers sort and expand."""
    return f"shard-{number:05d}.tar"


def set_key(parameters: SimulationParameters, seed: int) -> str:
    """Return what the keys of a set's images begin with; no other set has the same."""
    return f"{parameters}-{seed}"


def image_key(of_set: str, index: int) -> str:
    """Return the key of an image, which stays one of a kind where sets are mixed."""
    return f"{of_set}-{index:08d}"


@dataclass(frozen=True)
class EncodedImage:
    """The three files of one image.

    Attributes:
        key: their common name; jpg, mask, annotation: their contents.
    """

    key: str
    jpg: bytes
    mask: bytes
    annotation: bytes


def encode(pictures: Pictures, indices: np.ndarray, of_set: str) -> list[EncodedImage]:
    """Compress the pictures of the images with these numbers, of the set with this key."""
    encoded = []
    for index, image, mask, annotation in zip(
        indices, pictures.images, pictures.masks, pictures.annotations, strict=True
    ):
        encoded.append(
            EncodedImage(
                key=image_key(of_set, index),
                jpg=_compressed(image, "JPEG", quality=JPEG_QUALITY),
                mask=_compressed(mask, "PNG"),
                annotation=json.dumps(annotation, separators=(",", ":")).encode(),
            )
        )
    return encoded


def _compressed(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def write_shard(path: str | Path, images: Iterable[EncodedImage]) -> None:
    """Write a shard; it appears whole or not at all."""
    with staged(path) as staging, tarfile.open(staging, "w", format=tarfile.USTAR_FORMAT) as tar:
        for image in images:
            for suffix, data in zip(
                SUFFIXES, (image.jpg, image.mask, image.annotation), strict=True
            ):
                member = tarfile.TarInfo(image.key + suffix)  # no time, no owner
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def read_shard(path: str | Path) -> Iterator[EncodedImage]:
    """Yield the images of a shard in their order.

    Raises:
        UserError: the file is no shard, or is cut short.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            members = iter(tar)
            for first in members:
                group = [first, next(members, None), next(members, None)]
                key = first.name.removesuffix(SUFFIXES[0])
                if [m and m.name for m in group] != [key + suffix for suffix in SUFFIXES]:
                    raise UserError(f"{path}: not a shard of simtailor: unexpected {first.name}")
                contents = [tar.extractfile(member) for member in group]
                data = [file.read() for file in contents]
                if [len(d) for d in data] != [m.size for m in group]:
                    raise UserError(f"{path}: cut short at {first.name}")
                yield EncodedImage(key, *data)
    except (OSError, tarfile.TarError, AttributeError, EOFError) as error:
        raise UserError(f"{path}: cannot be read as a shard: {error}") from error


@dataclass(frozen=True)
class ShardRecord:
    """What is noted of a finished shard, in a file beside it.

    Attributes:
        recipe: short name for all that decides the bytes but the number of images.
        images: how many; sha256: of the tar file.
        statistics: sums over the images, for the set's summary.
    """

    recipe: str
    images: int
    sha256: str
    statistics: dict[str, float]

    @classmethod
    def of(cls, path: Path, recipe: str, images: list[EncodedImage]) -> ShardRecord:
        """Return the record of a shard just written."""
        annotations = [json.loads(image.annotation) for image in images]
        statistics = {
            "drawn_anew": sum(a["attributes"]["attempts"] > 0 for a in annotations),
            "visible": round(sum(a["visible"] for a in annotations), 5),
            "jpg_bytes": sum(len(image.jpg) for image in images),
            "mask_bytes": sum(len(image.mask) for image in images),
            "bytes": path.stat().st_size,
        }
        return cls(recipe, len(images), checksum(path), statistics)

    def write(self, shard: Path) -> None:
        """Write the record beside its shard."""
        write_json(shard.with_suffix(".json"), vars(self))

    @classmethod
    def read(cls, shard: Path) -> ShardRecord | None:
        """Return the record beside a shard, or None where there is none that can be read."""
        try:
            return cls(**read_json(shard.with_suffix(".json")))
        except (OSError, ValueError, TypeError):
            return None


def is_intact(shard: Path, recipe: str, images: int) -> bool:
    """Return whether a shard is finished, of this recipe and length, and unchanged since."""
    record = ShardRecord.read(shard)
    if record is None or (record.recipe, record.images) != (recipe, images):
        return False
    return shard.is_file() and checksum(shard) == record.sha256
