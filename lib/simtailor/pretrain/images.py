"""Images of a simulated set by number, decoded in memory or read from the shards.

A shard is a plain tar file, so an image is one read at a known place. That makes every
image reachable in any order: batches do not depend on the number of workers or processes,
nor on whether the images fit into memory.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.datasets.reading import UNREADABLE
from simtailor.errors import UserError
from simtailor.pretrain.inputs import kept_edge
from simtailor.simulation.reading import SimulatedSet


class SetImages:
    """Images of a simulated set, in the order of the shards.

    Args:
        folder: of the set, with manifest.json and shards in WebDataset layout.
        image_size: pixels that the network sees; images more than twice as large are averaged
            down to twice that.

    Attributes:
        edge: pixels of the square images handed out.
        labels: int64 [N].
        classes: names.
        digest: what tells this set from others.

    Raises:
        UserError: the set cannot be read or is not whole.
    """

    def __init__(self, folder: str | Path, image_size: int) -> None:
        simulated = SimulatedSet(folder)
        manifest, self.folder = simulated.manifest, simulated.folder
        self.classes = simulated.classes
        self.parameters: str = manifest["parameters"]
        self.digest = [shard["sha256"] for shard in manifest["shards"]]
        self.edge = kept_edge(manifest["image_size"], image_size)
        self._shards = simulated.shards
        of_shards = [_index(path) for path in self._shards]
        entries = [entry for some in of_shards for entry in some]
        self._shard = np.repeat(np.arange(len(of_shards)), [len(some) for some in of_shards])
        self._place = np.array([entry[:2] for entry in entries], np.int64).reshape(-1, 2)
        self.labels = np.array([entry[2] for entry in entries], np.int64)
        self._files: dict[int, int] = {}
        self._decoded: np.ndarray | None = None
        if len(entries) != len(simulated):
            raise UserError(
                f"{self.folder}: {len(entries)} images in the shards, {len(simulated)} in "
                "manifest.json; make the set again"
            )
        if entries and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise UserError(
                f"{self.folder}: labels {self.labels.min()} to {self.labels.max()}, but "
                f"{len(self.classes)} classes; make the set again"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_files": {}}  # a worker opens files of its own

    @property
    def megabytes(self) -> float:
        """What the decoded images take."""
        return len(self) * self.edge**2 * 3 / 1e6

    def decoded(self, threads: int = 1) -> np.ndarray:
        """Decode all images once and keep them: uint8 [N, edge, edge, 3]."""
        if self._decoded is None:
            images = np.empty((len(self), self.edge, self.edge, 3), np.uint8)
            with ThreadPoolExecutor(threads) as pool:
                for i, image in enumerate(pool.map(self._read, range(len(self)))):
                    images[i] = image
            self._decoded = images
        return self._decoded

    def __getitem__(self, index: int) -> np.ndarray:
        """Return one image, uint8 [edge, edge, 3]."""
        return self._read(index) if self._decoded is None else self._decoded[index]

    def _read(self, index: int) -> np.ndarray:
        shard = int(self._shard[index])
        offset, size = map(int, self._place[index])
        try:
            with Image.open(io.BytesIO(os.pread(self._file(shard), size, offset))) as opened:
                image = opened.convert("RGB")
        except UNREADABLE as error:
            raise UserError(
                f"{self._shards[shard]}: image {index} cannot be decoded ({error}); make the set "
                "again"
            ) from error
        if image.size != (self.edge, self.edge):
            image = image.resize((self.edge, self.edge), Image.Resampling.BOX)
        return np.asarray(image)

    def _file(self, shard: int) -> int:
        """Return an open file; reads name their place, so threads and workers may share it."""
        if shard not in self._files:
            self._files[shard] = os.open(self._shards[shard], os.O_RDONLY)
        return self._files[shard]


def _index(path: Path) -> list[tuple[int, int, int]]:
    """Return offset, bytes and label of every image of a shard, in the shard's order."""
    images: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                key, _, suffix = member.name.partition(".")
                if suffix == "jpg":
                    images[key] = (member.offset_data, member.size)
                elif suffix == "json":
                    labels[key] = int(json.load(shard.extractfile(member))["label"])
        return [(*place, labels[key]) for key, place in images.items()]
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a whole shard ({error!r}); make the set again") from error
