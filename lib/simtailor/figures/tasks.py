"""Contact sheet of a task: images of every class with its name and counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from simtailor.figures.style import label_font
from simtailor.files import staged
from simtailor.tasks.prepared import PreparedTask

TILE, GAP, LABEL, HEAD, LINE = 56, 4, 150, 56, 15  # pixels
ACROSS = 8  # images a class
ROWS = 16  # classes in a column of the sheet
INK, GREY, PAPER = "#222222", "#777777", "#ffffff"


def contact_sheet(
    task: PreparedTask, counts: dict[str, Any], path: str | Path, lines: Sequence[str] = ()
) -> None:
    """Write a sheet with training images of each class, the first of them in the split's order.

    Args:
        counts: of each class, ``{"train": n, "test": m}``.
        lines: what to say below the title, such as what of a folder was taken.
    """
    columns = -(-len(task.classes) // ROWS)
    rows = -(-len(task.classes) // columns)
    width, height = LABEL + ACROSS * (TILE + GAP) + 2 * GAP, TILE + GAP
    font, room = label_font(11), columns * width - 3 * GAP
    lines = [part for line in lines for part in _wrapped(line, font, room)]
    head = HEAD + LINE * len(lines)
    sheet = Image.new("RGB", (columns * width + GAP, head + rows * height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    facts = task.facts
    draw.text((2 * GAP, 8), facts["title"], INK, label_font(17))
    line = (
        f"{len(task.classes)} classes, {facts['train']:,} training and {facts['test']:,} test "
        f"images, {facts['image_size']} px"
    )
    draw.text((2 * GAP, 32), line, GREY, label_font(12))
    for i, text in enumerate(lines):
        draw.text((2 * GAP, HEAD - 6 + LINE * i), text, GREY, font)
    for i, name in enumerate(task.classes):
        left, top = (i // rows) * width + 2 * GAP, head + (i % rows) * height
        draw.text((left, top + 10), _shortened(name), INK, label_font(13))
        split = "{train} + {test}".format(**counts[name])
        draw.text((left, top + 30), split, GREY, label_font(11))
        members = task.train[task.train_labels == i]
        shown = members[np.linspace(0, len(members) - 1, min(ACROSS, len(members))).astype(int)]
        for j, index in enumerate(shown):
            image = Image.fromarray(task.images[index])
            method = Image.Resampling.NEAREST if image.width < TILE else Image.Resampling.LANCZOS
            place = (left + LABEL + j * (TILE + GAP), top)
            sheet.paste(image.resize((TILE, TILE), method), place)
            # White images would have no edge on the white paper.
            corner = (place[0] + TILE - 1, place[1] + TILE - 1)
            draw.rectangle((*place, *corner), outline="#dddddd")
    with staged(path) as staging:
        sheet.save(staging)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, room: int) -> list[str]:
    """Return text in lines of at most ``room`` pixels, broken between words where it can be."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _shortened(name: str, most: int = 18) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
