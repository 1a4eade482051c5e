"""Simulated sets: some pictures of every class, and two sets side by side."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.browse.parts import (
    address,
    entries_of,
    facts_of,
    folders,
    summary_of,
    titles_of_sets,
)
from simtailor.browse.registry import Entry, Results, section
from simtailor.browse.thumbnails import Picture, gallery
from simtailor.datasets.reading import MANIFEST
from simtailor.datasets.shards import read_shard
from simtailor.files import checksum
from simtailor.simulation.names import set_of
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.reading import SimulatedSet

A_CLASS = 8  # pictures


@section("sets", "Simulated sets", 50)
def sets(results: Results) -> list[Entry]:
    """Return an entry a set."""

    there = list(folders(results, "task2sim", "sets"))
    titles = titles_of_sets(folder.name for folder in there)

    def read(folder: Path) -> Entry:
        made = SimulatedSet(folder)
        return {
            "id": folder.name,
            "title": titles[folder.name],
            "parameters": SimulationParameters.parse(set_of(folder.name)).as_dict(),
            "seed": made.manifest["seed"],
            "verdict": f"{len(made):,} images of {len(made.classes)} classes; shown are the first "
            f"{A_CLASS} of each class.",
            "gallery": gallery(results, checksum(folder / MANIFEST), made.classes, _pictures(made)),
            "facts": facts_of(summary_of(folder)),
            "files": address(results, folder),
        }

    return entries_of(results, iter(there), read)


def _pictures(made: SimulatedSet) -> Iterator[Picture]:
    """Yield the first pictures of every class, read no further than needed."""
    size, taken = made.manifest["image_size"], Counter()
    encoded = (image for shard in made.shards for image in read_shard(shard))
    for number, one in enumerate(encoded):
        if min((taken[c] for c in range(len(made.classes))), default=0) >= A_CLASS:
            return
        annotation = json.loads(one.annotation)
        label = annotation["label"]
        taken[label] += 1
        if taken[label] > A_CLASS:
            continue
        mask = None
        if one.mask is not None:
            seen = np.asarray(Image.open(io.BytesIO(one.mask))) > 0
            mask = np.where(seen, label % 255 + 1, 0).astype(np.uint8)
        box = annotation.get("box")
        boxes = [(label, *(v / size for v in box))] if box else []
        yield Picture(number, label, Image.open(io.BytesIO(one.jpg)), mask, boxes)
