"""Making of data sets: shards into a work folder, then the set's folder out of them.

Finished shards stay in the work folder, because Snakemake deletes what a killed job was to
make. The set's folder holds hard links to them, which cost no space: when it is made again,
only shards that are missing, damaged or of another recipe are rendered.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.datasets.reading import MANIFEST
from simtailor.datasets.shards import (
    EncodedImage,
    ShardRecord,
    is_intact,
    shard_name,
    write_shard,
)
from simtailor.files import write_json

UNFINISHED_SHARDS = 2  # rendered ahead of the encoders; bounds the memory
REPORT_SECONDS = 10.0

# A few images that are rendered: how many, and what compresses them.
Rendered = tuple[int, Callable[[], list[EncodedImage]]]
Drawing = Callable[[np.ndarray], Iterator[Rendered]]


@dataclass(frozen=True)
class ShardJob:
    """The shards of one set.

    Attributes:
        work: folder of the shards.
        shards: the image numbers of each shard.
        recipe: a short name for all that decides a shard's bytes but the number of its images.
        drawing: opens what renders the images with given numbers, int [n], a few at a time.
        statistics: returns sums over the images of a shard, for the summary.
        threads: cores to compress on.
    """

    work: Path
    shards: Sequence[np.ndarray]
    recipe: str
    drawing: Callable[[], AbstractContextManager[Drawing]]
    statistics: Callable[[list[EncodedImage]], dict[str, float]]
    threads: int

    def make(self, report: Callable[[str], None], *, part: int = 0, parts: int = 1) -> None:
        """Make those shards that are not there yet.

        Args:
            part, parts: make every shard whose number divided by ``parts`` leaves ``part``.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        mine = [(n, indices) for n, indices in enumerate(self.shards) if n % parts == part]
        left = [
            (n, i) for n, i in mine if not is_intact(self.work / shard_name(n), self.recipe, len(i))
        ]
        if len(left) < len(mine):
            report(f"{len(mine) - len(left)} of {len(mine)} shards are there and intact")
        if left:
            self._render(left, report)

    def _render(self, left: list[tuple[int, np.ndarray]], report: Callable[[str], None]) -> None:
        total, done, started, reported = sum(len(i) for _, i in left), 0, time.monotonic(), 0.0
        with (
            self.drawing() as draw,
            # The renderer lets go of the interpreter's lock, so pictures are compressed and
            # shards written while it draws the next ones.
            ThreadPoolExecutor(self.threads) as encoders,
            ThreadPoolExecutor(1) as writer,
        ):
            unfinished: list[Future] = []
            for number, indices in left:
                encoded = []
                for count, compress in draw(indices):
                    encoded.append(encoders.submit(compress))
                    done += count
                    seconds = time.monotonic() - started
                    if seconds - reported > REPORT_SECONDS:
                        reported = seconds
                        report(f"{done} of {total} images, {done / seconds:.0f} a second")
                unfinished.append(writer.submit(self._finish, number, encoded))
                while len(unfinished) > UNFINISHED_SHARDS:
                    unfinished.pop(0).result()
            for future in unfinished:
                future.result()
        seconds = time.monotonic() - started
        report(f"{total} images rendered and written, {total / seconds:.0f} a second")

    def _finish(self, number: int, encoded: list[Future]) -> None:
        path = self.work / shard_name(number)
        images: list[EncodedImage] = [image for future in encoded for image in future.result()]
        path.with_suffix(".json").unlink(missing_ok=True)  # a record of other bytes
        write_shard(path, images)
        ShardRecord.of(path, self.recipe, images, self.statistics(images)).write(path)

    def remove_leftovers(self) -> None:
        """Remove shards of a set that had more images, and what killed runs left unfinished."""
        names = {shard_name(n) for n in range(len(self.shards))}
        for larger in self.work.glob("shard-*.tar"):
            if larger.name not in names:
                larger.unlink()
                larger.with_suffix(".json").unlink(missing_ok=True)
        for unfinished in self.work.glob(".shard-*.staging-*"):
            unfinished.unlink()

    def publish(self, folder: Path, manifest: dict[str, Any]) -> dict[str, float]:
        """Link the shards into a folder, with the manifest and what timm wants to know.

        Returns:
            The sums of all images.
        """
        names = [shard_name(n) for n in range(len(self.shards))]
        records = [ShardRecord.read(self.work / name) for name in names]
        contents = [
            {"file": name, "images": record.images, "sha256": record.sha256}
            for name, record in zip(names, records, strict=True)
        ]
        for name in names:
            link_or_copy(self.work / name, folder / name)
        write_json(folder / MANIFEST, {**manifest, "shards": contents})
        write_json(folder / "info.json", _timm_info(contents))
        known = dict.fromkeys(name for record in records for name in record.statistics)
        return {name: sum(r.statistics.get(name, 0) for r in records) for name in known}


def shards_of(images: int, shard_size: int) -> list[np.ndarray]:
    """Return the image numbers of each shard."""
    indices = np.arange(images)
    return np.split(indices, range(shard_size, len(indices), shard_size))


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source``, or a copy where there are no links."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _timm_info(contents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what timm's reader of WebDataset folders wants to know."""
    split = {
        "name": "train",
        "num_samples": sum(shard["images"] for shard in contents),
        "filenames": [shard["file"] for shard in contents],
        "shard_lengths": [shard["images"] for shard in contents],
        "alt_label": "label",
    }
    return {"splits": {"train": split}}
