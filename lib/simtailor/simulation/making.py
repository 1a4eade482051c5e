"""Making of simulated sets: shards into a work folder, then the set's folder out of them.

Finished shards stay in the work folder, because Snakemake deletes what a killed job was to
make. The set's folder holds hard links to them, which cost no space: when it is made again,
only shards that are missing, damaged or of another recipe are rendered.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.assets.mesh import Mesh
from simtailor.figures.simulation import set_sheet
from simtailor.files import staged_folder, write_json
from simtailor.render import raycast
from simtailor.seeds import generator
from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.machine import Machine
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.reading import MANIFEST, SimulatedSet
from simtailor.simulation.sampler import Sampler
from simtailor.simulation.settings import Simulation
from simtailor.simulation.shards import (
    EncodedImage,
    ShardRecord,
    encode,
    is_intact,
    set_key,
    shard_name,
    write_shard,
)
from simtailor.simulation.studio import Pictures, Studio

PIXELS, CUDA_PIXELS = 1 << 22, 1 << 26  # rendered at a time by a thread, by a GPU
ENCODED = 64  # images compressed by one call
UNFINISHED_SHARDS = 2  # rendered ahead of the encoders; bounds the memory
REPORT_SECONDS = 10.0
PICTURED = 56  # images on a set's sheet: all 49 built-in classes, and whole rows


@dataclass(frozen=True)
class SetPlan:
    """One set: what it shows and in which shards.

    Attributes:
        settings: with the seed filled in.
    """

    parameters: SimulationParameters
    settings: Simulation

    @classmethod
    def create(cls, name: str, settings: dict[str, Any]) -> SetPlan:
        """Return the plan of a set by its name and the settings as plain values."""
        return cls(SimulationParameters.parse(name), Simulation.model_validate(settings))

    @property
    def seed(self) -> int:
        return int(self.settings.seed or 0)

    @property
    def shards(self) -> list[np.ndarray]:
        """Return the image numbers of each shard."""
        indices = np.arange(self.settings.images)
        return np.split(
            indices, range(self.settings.shard_size, len(indices), self.settings.shard_size)
        )

    def recipe(self, catalogue: Catalogue, renderer: str) -> str:
        """Return a short name for all that decides a shard's bytes but the number of its images.

        So a set that grows keeps its full shards.
        """
        settings = self.settings
        values = {
            "parameters": str(self.parameters),
            "seed": self.seed,
            "assets": catalogue.digest,
            "renderer": renderer,
            "encoder": f"Pillow {version('pillow')}",
            "code": _code_digest(),
            **settings.model_dump(include={"image_size", "samples", "shard_size"}),
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:20]


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Return a digest of the modules that decide an image's bytes."""
    parts = (Catalogue, Mesh, Sampler, Studio, encode, generator)
    files = [Path(inspect.getfile(part)) for part in parts]
    files += sorted(Path(raycast.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def make_shards(
    plan: SetPlan,
    catalogue: Catalogue,
    machine: Machine,
    work: str | Path,
    report: Callable[[str], None],
    *,
    part: int = 0,
    parts: int = 1,
) -> None:
    """Make those shards of a set that are not there yet.

    Args:
        work: folder of the set's shards.
        part, parts: make every shard whose number divided by ``parts`` leaves ``part``.
    """
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    settings = plan.settings
    recipe = plan.recipe(catalogue, machine.renderer)
    mine = [(n, indices) for n, indices in enumerate(plan.shards) if n % parts == part]
    left = [(n, i) for n, i in mine if not is_intact(work / shard_name(n), recipe, len(i))]
    if len(left) < len(mine):
        report(f"{len(mine) - len(left)} of {len(mine)} shards are there and intact")
    if not left:
        return
    total, done, started, reported = sum(len(i) for _, i in left), 0, time.monotonic(), 0.0
    pixels = PIXELS * machine.threads if machine.device == "cpu" else CUDA_PIXELS
    of_set = set_key(plan.parameters, plan.seed)
    batch = max(1, pixels // settings.image_size**2)
    with (
        machine.studio(catalogue) as opened,
        # The renderer lets go of the interpreter's lock, so pictures are compressed and
        # shards written while it draws the next ones.
        ThreadPoolExecutor(machine.threads) as encoders,
        ThreadPoolExecutor(1) as writer,
    ):
        unfinished: list[Future] = []
        for number, indices in left:
            encoded = []
            for pictures, some in _rendered(plan, opened, indices, batch):
                encoded.append(encoders.submit(encode, pictures, some, of_set))
                done += len(some)
                seconds = time.monotonic() - started
                if seconds - reported > REPORT_SECONDS:
                    reported = seconds
                    report(f"{done} of {total} images, {done / seconds:.0f} a second")
            path = work / shard_name(number)
            unfinished.append(writer.submit(_finish_shard, path, recipe, encoded))
            while len(unfinished) > UNFINISHED_SHARDS:
                unfinished.pop(0).result()
        for future in unfinished:
            future.result()
    seconds = time.monotonic() - started
    report(f"{total} images rendered and written, {total / seconds:.0f} a second")


def _rendered(
    plan: SetPlan, opened: Studio, indices: np.ndarray, batch: int
) -> Iterator[tuple[Pictures, np.ndarray]]:
    """Render some images, ``batch`` at a time, and yield a few of them with their numbers."""
    settings = plan.settings
    for some in np.split(indices, range(batch, len(indices), batch)):
        pictures = opened.take(
            plan.parameters,
            plan.seed,
            some,
            image_size=settings.image_size,
            samples=settings.samples,
        )
        for start in range(0, len(some), ENCODED):
            few = slice(start, start + ENCODED)
            yield pictures[few], some[few]


def _finish_shard(path: Path, recipe: str, encoded: list[Future]) -> None:
    images: list[EncodedImage] = [image for future in encoded for image in future.result()]
    path.with_suffix(".json").unlink(missing_ok=True)  # a record of other bytes
    write_shard(path, images)
    ShardRecord.of(path, recipe, images).write(path)


def make_set(
    plan: SetPlan,
    catalogue: Catalogue,
    machine: Machine,
    work: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Make a set's folder: the shards that are missing, manifest, sheet and summary."""
    make_shards(plan, catalogue, machine, work, report)
    settings, work = plan.settings, Path(work)
    names = [shard_name(n) for n in range(len(plan.shards))]
    records = [ShardRecord.read(work / name) for name in names]
    contents = [
        {"file": name, "images": record.images, "sha256": record.sha256}
        for name, record in zip(names, records, strict=True)
    ]
    manifest = {
        "parameters": str(plan.parameters),
        "seed": plan.seed,
        "images": settings.images,
        "classes": [category.name for category in catalogue.categories],
        "wordnet_ids": [category.wordnet_id for category in catalogue.categories],
        "image_size": settings.image_size,
        "samples": settings.samples,
        "packs": settings.packs,
        "assets": catalogue.digest,
        "renderer": machine.renderer,
        "shards": contents,
    }
    for larger in set(work.glob("shard-*.tar")) - {work / name for name in names}:
        larger.unlink()  # of a set that had more images
        larger.with_suffix(".json").unlink(missing_ok=True)
    for unfinished in work.glob(".shard-*.staging-*"):  # of killed runs
        unfinished.unlink()
    with staged_folder(output) as staging:
        for name in names:
            _link(work / name, staging / name)
        write_json(staging / MANIFEST, manifest)
        write_json(staging / "info.json", _timm_info(contents))
        made = SimulatedSet(staging)
        set_sheet(made, staging / "sheet.png", PICTURED, title=str(plan.parameters))
        write_json(staging / "summary.json", _summary(plan, made, records))


def _link(source: Path, target: Path) -> None:
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


def _summary(plan: SetPlan, made: SimulatedSet, records: list[ShardRecord]) -> dict[str, Any]:
    total = {
        name: sum(record.statistics[name] for record in records) for name in records[0].statistics
    }
    count = plan.settings.images
    return {
        "parameters": plan.parameters.as_dict(),
        "images": count,
        "classes": len(made.classes),
        "shards": len(records),
        "megabytes": round(total["bytes"] / 1e6, 3),
        "bytes_per_image": round(total["bytes"] / count, 1),
        "jpg_bytes_per_image": round(total["jpg_bytes"] / count, 1),
        "mean_share_of_object": round(total["visible"] / count, 4),
        "drawn_anew": int(total["drawn_anew"]),
    }
