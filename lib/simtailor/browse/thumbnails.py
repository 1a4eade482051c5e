"""Thumbnails by the sheet: one JPEG of hundreds of pictures, one PNG of their masks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.browse.registry import Results
from simtailor.files import staged_folder

SIZE, COLUMNS, ROWS = 64, 25, 20  # of a thumbnail in pixels, and of a sheet
QUALITY = 84
MOST = 10_000  # pictures of a gallery
VERSION = 1  # raised when the same set gives other sheets
DATA = "gallery.js"
# Okabe and Ito's colours, distinguishable to colour-blind readers; by class, after none.
PALETTE = [0, 0, 0, 230, 159, 0, 86, 180, 233, 0, 158, 115, 240, 228, 66, 213, 94, 0, 204, 121, 167,
           0, 114, 178]  # fmt: skip
COLOURS = len(PALETTE) // 3 - 1


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a gallery.

    Attributes:
        number: of the image in its set; label: of its class.
        image: of any size; mask: uint8 [H, W], the label of a pixel's object plus one, 0 none.
        boxes: label, left, top, width and height of each object, in shares of the image.
    """

    number: int
    label: int
    image: Image.Image
    mask: np.ndarray | None = None
    boxes: Sequence[tuple[int, float, float, float, float]] = field(default_factory=tuple)


def gallery(
    results: Results, digest: str, classes: Sequence[str], pictures: Iterable[Picture]
) -> str:
    """Write the sheets of a gallery, unless they are there; return the address of its data.

    Args:
        digest: of all that decides the pictures.
        pictures: read only if they are needed.
    """
    name = hashlib.sha256(f"{VERSION} {SIZE} {digest}".encode()).hexdigest()[:16]
    folder = results.galleries / name
    results.used.add(name)
    if not folder.exists():
        _write(folder, name, classes, islice(pictures, MOST))
    return (folder / DATA).relative_to(results.folder).as_posix()


def _write(folder: Path, name: str, classes: Sequence[str], pictures: Iterable[Picture]) -> None:
    """Write the folder of a gallery; it appears whole or not at all."""
    items, sheets, masks = [], 0, False
    pictures = iter(pictures)
    with staged_folder(folder) as staging:
        while some := list(islice(pictures, COLUMNS * ROWS)):
            _sheet(some).save(staging / f"{sheets:03d}.jpg", quality=QUALITY)
            if any(one.mask is not None for one in some):
                masks = True
                _mask_sheet(some).save(staging / f"{sheets:03d}.png", transparency=0)
            items += [
                [one.number, one.label, [[b[0], *(round(v, 4) for v in b[1:])] for b in one.boxes]]
                for one in some
            ]
            sheets += 1
        data = {
            "size": SIZE, "columns": COLUMNS, "rows": ROWS, "masks": masks,
            "classes": list(classes), "items": items,
        }  # fmt: skip
        text = json.dumps(data, separators=(",", ":"))
        (staging / DATA).write_text(f"receiveGallery({json.dumps(name)}, {text});\n")


def _places(count: int) -> Iterable[tuple[int, int]]:
    return ((i % COLUMNS * SIZE, i // COLUMNS * SIZE) for i in range(count))


def _extent(count: int) -> tuple[int, int]:
    return COLUMNS * SIZE, -(-count // COLUMNS) * SIZE


def _sheet(pictures: Sequence[Picture]) -> Image.Image:
    sheet = Image.new("RGB", _extent(len(pictures)), "white")
    for one, place in zip(pictures, _places(len(pictures)), strict=True):
        sheet.paste(one.image.resize((SIZE, SIZE), Image.Resampling.BOX), place)
    return sheet


def _mask_sheet(pictures: Sequence[Picture]) -> Image.Image:
    sheet = Image.new("P", _extent(len(pictures)), 0)
    sheet.putpalette(PALETTE)
    for one, place in zip(pictures, _places(len(pictures)), strict=True):
        if one.mask is not None:
            shown = np.where(one.mask > 0, (one.mask.astype(int) - 1) % COLOURS + 1, 0)
            mask = Image.fromarray(shown.astype(np.uint8))
            sheet.paste(mask.resize((SIZE, SIZE), Image.Resampling.NEAREST), place)
    return sheet
