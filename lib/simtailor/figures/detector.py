"""Pictures that detectors were trained on, and what one missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from simtailor.figures.simulation import rows_sheet
from simtailor.files import staged

if TYPE_CHECKING:
    from simtailor.detector.pictures import LabelledPicture
    from simtailor.detector.precision import Detections

MISSED, WRONG, FOUND = (230, 159, 0), (86, 180, 233), (255, 255, 255)  # Okabe and Ito's
SIZE = 240
ROWS = {"prior": "prior", "fit": "fit", "fit_without_looks": "fit, prior's looks"}
WORST = 40  # surest wrong detections that are drawn
MOST_TESTS, COLUMNS = 12, 4  # of many test pictures so many are shown, in so many columns
RIGHT, LEAST = 0.4, 0.1  # overlap of a hit; score of a detection that counts


def pictures_sheet(
    real: Sequence[LabelledPicture],
    drawn: Mapping[str, Sequence[LabelledPicture]],
    path: str | Path,
) -> None:
    """Write parts of real pictures, and below drawn ones, of one scale."""
    first = next(iter(drawn.values()), [])
    edge = first[0].image.shape[0] if first else SIZE
    count = len(first) or 4
    rows = [("real", np.stack(list(_parts(real[0].image, edge, count))))] if real else []
    rows += [
        (label, np.stack([p.image for p in drawn[source]]))
        for source, label in ROWS.items()
        if source in drawn
    ]
    rows_sheet(rows, path, title="Real pictures, and what the detectors trained on", size=SIZE)


def _parts(image: np.ndarray, edge: int, count: int) -> list[np.ndarray]:
    """Return squares along the diagonal of a picture, whatever they show."""
    edge = min(edge, *image.shape[:2])
    ends = np.array(image.shape[:2]) - edge
    corners = [(ends * share).astype(int) for share in np.linspace(0.1, 0.9, count)]
    return [image[top : top + edge, left : left + edge] for top, left in corners]


def misses_sheet(
    tests: Sequence[LabelledPicture], found: Sequence[Detections], path: str | Path
) -> None:
    """Write the test pictures with hits (white), misses (orange) and wrong detections (blue).

    Of many pictures those with most mistakes, the worst first.
    """
    from simtailor.detector.precision import matched  # noqa: PLC0415  a stage imports figures

    sheets, mistakes = [], []
    for test, some in zip(tests, found, strict=True):
        picture = Image.fromarray(test.image)
        draw = ImageDraw.Draw(picture)
        hits = matched(some, test.boxes, RIGHT)
        sure = some.scores >= LEAST
        seen = set(hits[sure].tolist())
        for number, box in enumerate(test.boxes.tolist()):
            known = number in seen
            draw.rectangle(box, outline=FOUND if known else MISSED, width=1 if known else 2)
        wrong = np.flatnonzero((hits < 0) & sure)
        for i in wrong[np.argsort(-some.scores[wrong], kind="stable")][:WORST]:
            draw.rectangle(some.boxes[i].tolist(), outline=WRONG, width=2)
        sheets.append(picture)
        mistakes.append(len(test.boxes) - len(seen) + len(wrong))
    columns = 1
    if len(sheets) > MOST_TESTS:
        worst = np.argsort(-np.array(mistakes), kind="stable")[:MOST_TESTS]
        sheets, columns = [sheets[i] for i in worst], COLUMNS
    rows = [sheets[first : first + columns] for first in range(0, len(sheets), columns)]
    heights = [max(sheet.height for sheet in row) for row in rows]
    width = max(sheet.width for sheet in sheets)
    whole = Image.new("RGB", (columns * width, sum(heights)))
    for number, row in enumerate(rows):
        for column, sheet in enumerate(row):
            whole.paste(sheet, (column * width, sum(heights[:number])))
    with staged(path) as staging:
        whole.save(staging)
