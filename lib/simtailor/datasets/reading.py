"""Reading of data sets in shards, whatever made them."""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from simtailor.datasets.shards import EncodedImage, read_shard, unstacked
from simtailor.errors import UserError
from simtailor.files import checksum, read_json

MANIFEST = "manifest.json"
IMAGE_BITS = 24  # of the numbers that exports give to images and objects
NEEDED = {
    "seed": int, "images": int, "classes": list, "image_size": int, "renderer": str, "shards": list,
}  # fmt: skip
# What Pillow and json raise at damaged bytes; Pillow's PNG reader raises SyntaxError too.
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, SyntaxError, Image.DecompressionBombError,
)  # fmt: skip
NEEDED_OF_SHARD = {"file": str, "images": int, "sha256": str}


@dataclass(frozen=True, eq=False)
class Instance:
    """An object of an image.

    Attributes:
        label: number of its class; mask: bool [H, W], True where it is seen.
        box: left, top, width, height of the mask, pixels.
        full_mask: bool [H, W], True where it is or would be seen if nothing hid it, or None.
        described: what else is known of it, plain values.
    """

    label: int
    mask: np.ndarray
    box: list[int]
    full_mask: np.ndarray | None = None
    described: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Sample:
    """One image of a set.

    Attributes:
        key: its name; image: uint8 [H, W, 3].
        mask: [H, W]; bool, True where the object is, or uint8, the numbers of several; None where
            the set has none.
        annotation: what is known of the image, plain values.
        depth: uint16 [H, W], or None where the set has none.
        full_masks: bool [n, H, W] of the n objects of the annotation, or None.
        encoded: the files that all of this is in.
    """

    key: str
    image: np.ndarray
    mask: np.ndarray | None
    annotation: dict[str, Any]
    depth: np.ndarray | None
    full_masks: np.ndarray | None
    encoded: EncodedImage


class ShardedSet(ABC):
    """A folder with a data set in shards.

    Attributes:
        folder: where it is.
        manifest: what it holds: seed, images, classes, image_size, shards, ...

    Raises:
        UserError: the folder holds no set; the message says which file is wrong.
    """

    kind = "data set"  # for messages
    needed: ClassVar[dict[str, type]] = NEEDED  # keys of the manifest

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder / MANIFEST, self.needed, self.kind)

    @property
    @abstractmethod
    def title(self) -> str:
        """What an export is called."""

    @property
    @abstractmethod
    def first_number(self) -> int:
        """The number of the first image in an export, far from those of other sets."""

    @property
    @abstractmethod
    def licence(self) -> str:
        """The licences of what the images show."""

    @property
    @abstractmethod
    def made_by(self) -> dict[str, Any]:
        """What decides what the images show, plain values."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, pixels."""
        width = self.manifest["image_size"]
        return self.manifest.get("image_height", width), width

    @property
    def parts(self) -> list[str]:
        """Which of ``simtailor.render.description.RETURNS`` the images have."""
        return self.manifest["parts"]

    @abstractmethod
    def instances(self, sample: Sample) -> list[Instance]:
        """Return the objects that are seen in an image.

        Raises:
            UserError: the set has no masks.
        """

    def all_instances(self, sample: Sample) -> list[Instance]:
        """Return the objects of an image that has masks, those that nobody sees included."""
        return self.instances(sample)

    @property
    def classes(self) -> list[str]:
        """The names of the classes by label."""
        return self.manifest["classes"]

    def __len__(self) -> int:
        return self.manifest["images"]

    @property
    def shards(self) -> list[Path]:
        """The shard files in order."""
        return [self.folder / shard["file"] for shard in self.manifest["shards"]]

    def encoded(self) -> Iterator[EncodedImage]:
        """Yield the files of every image, undecoded.

        Raises:
            UserError: a shard is missing, cannot be read or is cut short.
        """
        for number in range(len(self.shards)):
            yield from self._read(number)

    def samples(self) -> Iterator[Sample]:
        """Yield every image with mask and annotation.

        Raises:
            UserError: as for ``encoded``, or an image in it is damaged.
        """
        for encoded in self.encoded():
            with self._naming(encoded):  # what the caller does with it is not named
                image, annotation = _pixels(encoded.jpg), json.loads(encoded.annotation)
                mask, depth, bits = (
                    None if data is None else _pixels(data)
                    for data in (encoded.mask, encoded.depth, encoded.full_masks)
                )
                if bits is not None:
                    bits = unstacked(bits, len(annotation["objects"]), len(image))
            yield Sample(encoded.key, image, mask, annotation, depth, bits, encoded)

    def annotations(self) -> Iterator[dict[str, Any]]:
        """Yield what is known of every image, as ``samples`` does, without decoding pictures."""
        for encoded in self.encoded():
            with self._naming(encoded):
                annotation = json.loads(encoded.annotation)
            yield annotation

    def load_shards(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield images uint8 [n, H, W, 3] and labels int64 [n], shard by shard."""
        for number in range(len(self.shards)):
            some = self._read(number)
            images = np.empty((len(some), *self.size, 3), np.uint8)
            labels = np.empty(len(some), np.int64)
            for place, encoded in enumerate(some):
                with self._naming(encoded):
                    images[place] = _pixels(encoded.jpg)
                    labels[place] = json.loads(encoded.annotation)["label"]
            yield images, labels

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all images uint8 [N, H, W, 3] and labels int64 [N]."""
        images = np.empty((len(self), *self.size, 3), np.uint8)
        labels = np.empty(len(self), np.int64)
        start = 0
        for some, of_them in self.load_shards():
            images[start : start + len(some)] = some
            labels[start : start + len(some)] = of_them
            start += len(some)
        return images, labels

    @contextmanager
    def _naming(self, encoded: EncodedImage) -> Iterator[None]:
        """Name the image that turns out to be damaged."""
        try:
            yield
        except UNREADABLE as error:
            raise UserError(
                f"{self.folder}: image {encoded.key} is damaged: {error}; make its shard again: "
                f"./run snakemake --force {self.folder}"
            ) from error

    def _read(self, number: int) -> list[EncodedImage]:
        images, expected = list(read_shard(self.shards[number])), self.manifest["shards"][number]
        if len(images) != expected["images"]:  # a tar that is cut between two files seems whole
            raise UserError(
                f"{self.shards[number]}: {len(images)} images, but {MANIFEST} says "
                f"{expected['images']}; make it again: ./run snakemake --force {self.folder}"
            )
        return images

    def damaged(self) -> list[str]:
        """Return the names of shards that are missing or whose checksum is wrong."""
        return [
            shard["file"]
            for shard, path in zip(self.manifest["shards"], self.shards, strict=True)
            if not path.is_file() or checksum(path) != shard["sha256"]
        ]


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def _read_manifest(path: Path, needed: dict[str, type], kind: str) -> dict[str, Any]:
    try:
        manifest = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no {kind} can be read here: {error}") from error
    _check(manifest, needed, path)
    for shard in manifest["shards"]:
        _check(shard, NEEDED_OF_SHARD, path)
        if Path(shard["file"]).name != shard["file"]:
            raise UserError(f"{path}: '{shard['file']}' is not a file name")
    if sum(shard["images"] for shard in manifest["shards"]) != manifest["images"]:
        raise UserError(f"{path}: the shards' images do not add up to 'images'")
    return manifest


def _check(values: Any, needed: dict[str, type], path: Path) -> None:
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected keys and values, got {type(values).__name__}")
    for key, kind in needed.items():
        if type(values.get(key)) is not kind:
            raise UserError(f"{path}: key '{key}' should be of type {kind.__name__}")
