"""One shard of a data set: a tar file in WebDataset layout and the record of it.

Of image KEY the shard holds KEY.jpg, then, where the set has them, KEY.mask.png,
KEY.full_masks.png and KEY.depth.png, and last KEY.json. Times and owners in the tar are fixed, so
equal images give equal bytes.
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

JPEG_QUALITY = 92
# In this order; the annotation ends an image.
SUFFIXES = {
    "jpg": "jpg", "mask": "mask.png", "full_masks": "full_masks.png", "depth": "depth.png",
    "annotation": "json",
}  # fmt: skip
PARTS = {suffix: part for part, suffix in SUFFIXES.items()}
FIRST, LAST = "jpg", "annotation"


def shard_name(number: int) -> str:
    """Return the file name of a shard, in the form that all readers sort and expand."""
    return f"shard-{number:05d}.tar"


def image_key(of_set: str, index: int) -> str:
    """Return the key of an image, which stays one of a kind where sets are mixed.

    Args:
        of_set: what the keys of the set's images begin with; WebDataset allows no dot in it.
    """
    return f"{of_set}-{index:08d}"


@dataclass(frozen=True)
class EncodedImage:
    """The files of one image.

    Attributes:
        key: their common name; jpg, mask, annotation, depth, full_masks: their contents, None of
            what the set lacks.
    """

    key: str
    jpg: bytes
    mask: bytes | None
    annotation: bytes
    depth: bytes | None = None
    full_masks: bytes | None = None


def encoded_image(
    key: str,
    image: np.ndarray,
    mask: np.ndarray | None,
    annotation: dict[str, Any],
    depth: np.ndarray | None = None,
    full_masks: np.ndarray | None = None,
) -> EncodedImage:
    """Compress an image.

    Args:
        image: uint8 [H, W, 3]; mask: bool or uint8 [H, W]; depth: uint16 [H, W].
        annotation: plain values for JSON.
        full_masks: bool [n, H, W].
    """
    return EncodedImage(
        key=key,
        jpg=_compressed(image, "JPEG", quality=JPEG_QUALITY),
        mask=None if mask is None else _compressed(mask, "PNG"),
        annotation=json.dumps(annotation, separators=(",", ":"), allow_nan=False).encode(),
        depth=None if depth is None else _compressed(depth, "PNG"),
        full_masks=None if full_masks is None else _compressed(stacked(full_masks), "PNG"),
    )


def stacked(masks: np.ndarray) -> np.ndarray:
    """Return masks bool [n, H, W] as the bits of one picture, uint8 [ceil(n / 8) * H, W].

    Mask k is bit k of it; from the ninth on, of further pictures below. Of none it is black.
    """
    height, width = masks.shape[1:]
    if not len(masks):
        return np.zeros((height, width), np.uint8)
    return np.packbits(masks, axis=0, bitorder="little").reshape(-1, width)


def unstacked(picture: np.ndarray, count: int, height: int) -> np.ndarray:
    """Return the masks of ``stacked``, bool [count, height, W]."""
    bits = picture.reshape(-1, height, picture.shape[1])
    return np.unpackbits(bits, axis=0, bitorder="little")[:count].astype(bool)


def _compressed(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def write_shard(path: str | Path, images: Iterable[EncodedImage]) -> None:
    """Write a shard; it appears whole or not at all."""
    with staged(path) as staging, tarfile.open(staging, "w", format=tarfile.USTAR_FORMAT) as tar:
        for image in images:
            for part, suffix in SUFFIXES.items():
                data = getattr(image, part)
                if data is not None:
                    member = tarfile.TarInfo(f"{image.key}.{suffix}")  # no time, no owner
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))


def read_shard(path: str | Path) -> Iterator[EncodedImage]:
    """Yield the images of a shard in their order.

    Raises:
        UserError: the file is no shard, or is cut short.
    """
    key, contents = "", {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                stem, _, suffix = member.name.partition(".")
                part = PARTS.get(suffix)
                begins = part == FIRST
                if part is None or begins == bool(contents) or not (begins or stem == key):
                    raise UserError(f"{path}: not a shard of simtailor: unexpected {member.name}")
                key, contents[part] = stem, tar.extractfile(member).read()
                if len(contents[part]) != member.size:
                    raise UserError(f"{path}: cut short at {member.name}")
                if part == LAST:
                    yield EncodedImage(key, **{"mask": None, **contents})
                    contents = {}
    except (OSError, tarfile.TarError, AttributeError, EOFError) as error:
        raise UserError(f"{path}: cannot be read as a shard: {error}") from error
    if contents:
        raise UserError(f"{path}: cut short at {key}")


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
    def of(
        cls, path: Path, recipe: str, images: list[EncodedImage], statistics: dict[str, float]
    ) -> ShardRecord:
        """Return the record of a shard just written, with its bytes among the statistics."""
        sizes = {
            "jpg_bytes": sum(len(image.jpg) for image in images),
            "mask_bytes": sum(len(image.mask or b"") for image in images),
            "bytes": path.stat().st_size,
        }
        return cls(recipe, len(images), checksum(path), statistics | sizes)

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
