"""Data sets drawn from fits: all pictures, with masks and boxes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.browse.parts import address, entries_of, facts_of, folders, summary_of
from simtailor.browse.registry import Entry, Results, section
from simtailor.browse.thumbnails import Picture, gallery
from simtailor.datasets.reading import MANIFEST
from simtailor.datasets.shards import read_shard
from simtailor.files import checksum
from simtailor.fitted.reading import FittedSet


@section("datasets", "Data sets", 20)
def datasets(results: Results) -> list[Entry]:
    """Return an entry a data set."""

    def read(folder: Path) -> Entry:
        made, summary = FittedSet(folder), summary_of(folder)
        return {
            "id": folder.name,
            "title": folder.name,
            "verdict": f"{len(made):,} images, drawn from the fit of {folder.name}. "
            f"The fit: {summary['verdict']}",
            "good": summary["converged"],
            "gallery": gallery(results, checksum(folder / MANIFEST), made.classes, _pictures(made)),
            "facts": facts_of(summary),
            "files": address(results, folder),
        }

    return entries_of(results, folders(results, "datasets"), read)


def _pictures(made: FittedSet) -> Iterator[Picture]:
    (height, width), edge = made.size, max(made.size)
    left, top = (edge - width) // 2, (edge - height) // 2  # what makes it a square
    encoded = (image for shard in made.shards for image in read_shard(shard))
    for number, one in enumerate(encoded):
        objects = json.loads(one.annotation)["objects"]
        mask = None
        if one.mask is not None:
            numbers = np.asarray(Image.open(io.BytesIO(one.mask)))
            mask = np.zeros((edge, edge), np.uint8)
            seen = mask[top : top + height, left : left + width]
            for described in objects:
                seen[numbers == described["number"]] = described["label"] % 255 + 1
        boxes = [
            (o["label"], (x + left) / edge, (y + top) / edge, across / edge, down / edge)
            for o in objects
            if o.get("box")
            for x, y, across, down in [o["box"]]
        ]
        label = objects[0]["label"] if objects else -1
        image = Image.new("RGB", (edge, edge), "white")
        image.paste(Image.open(io.BytesIO(one.jpg)), (left, top))
        yield Picture(number, label, image, mask, boxes)
