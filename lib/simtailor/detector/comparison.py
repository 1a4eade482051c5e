"""How well the detectors of each source find the objects of the test pictures, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.detector.pictures import LabelledPicture
from simtailor.detector.precision import Detections, judged, matched, precision_of
from simtailor.detector.settings import MIXED, WITHOUT_LOOKS
from simtailor.detector.stage import FOUND, read_found
from simtailor.files import read_json
from simtailor.seeds import generator
from simtailor.worth.comparison import share_closed, twice_standard_error
from simtailor.worth.settings import FIT, PRIOR, REAL

OVERLAPS = (0.4, 0.5)  # from which a detection counts as right
BLOCKS, DRAWS = 3, 300  # blocks along an edge of a test picture; how often they are drawn anew
NAMES = {
    PRIOR: "the prior",
    FIT: "the fit",
    WITHOUT_LOOKS: "the fit, looks as in the prior",
    MIXED: "half the fit, half the prior",
    REAL: "real labels",
}


@dataclass(frozen=True, eq=False)
class Trial:
    """The detectors of one source on the test pictures.

    Attributes:
        source: its name; found: by seed, then by picture.
    """

    source: str
    found: list[list[Detections]]

    @classmethod
    def read(cls, source: str, folders: Sequence[str | Path]) -> Trial:
        """Read the folders that the detectors of all seeds wrote."""
        files = [read_json(Path(folder) / FOUND) for folder in folders]
        return cls(source, [[read_found(values) for values in file] for file in files])

    def row(self, tests: Sequence[LabelledPicture], classes: int) -> dict[str, Any]:
        """Return what the table says of the source, plain values."""
        boxes, labels = [t.boxes for t in tests], [t.labels for t in tests]
        row: dict[str, Any] = {"source": self.source, "seeds": len(self.found)}
        for least in OVERLAPS:
            each = [judged(found, boxes, labels, least, classes) for found in self.found]
            averages = [round(one.average, 4) for one in each]
            row[f"ap_{100 * least:.0f}"] = averages
            row[f"f1_{100 * least:.0f}"] = [round(one.f1, 4) for one in each]
        row["block_spread"] = round(
            float(np.mean([block_spread(found, tests) for found in self.found])), 4
        )
        return row


def block_spread(found: Sequence[Detections], tests: Sequence[LabelledPicture]) -> float:
    """Return by how much average precision at 0.4 varies with the blocks of the test pictures.

    The pictures are cut into blocks; of as many, drawn with replacement (Efron, "Bootstrap
    Methods", 1979), the precision is taken again and again; its standard deviation. Classes are
    not told apart.
    """
    scores, right, at, there = [], [], [], []
    for number, (some, test) in enumerate(zip(found, tests, strict=True)):
        first = number * BLOCKS**2
        scores.append(some.scores)
        right.append(matched(some, test.boxes, OVERLAPS[0]) >= 0)
        at.append(first + _block(some.boxes, test.image.shape[:2]))
        there.append(first + _block(test.boxes, test.image.shape[:2]))
    blocks = len(tests) * BLOCKS**2
    wanted = np.bincount(np.concatenate(there), minlength=blocks)
    all_scores, all_right = np.concatenate(scores), np.concatenate(right)
    rows = [np.flatnonzero(np.concatenate(at) == block) for block in range(blocks)]
    random, values = generator(0, "blocks"), []
    for _ in range(DRAWS):
        drawn = random.integers(0, blocks, blocks)
        chosen = np.concatenate([rows[block] for block in drawn])
        count = int(wanted[drawn].sum())
        values.append(precision_of(all_scores[chosen], all_right[chosen], count).average)
    return float(np.std(values))


def _block(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the number of the block that the middle of each box is in."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    place = (middle * BLOCKS / np.array(shape[::-1])).astype(np.int64).clip(0, BLOCKS - 1)
    return place[:, 1] * BLOCKS + place[:, 0]


def closed(rows: Mapping[str, Mapping[str, Any]], source: str) -> float | None:
    """Return the share of the distance from prior to real labels that a source closes.

    In average precision at 0.4, means of the seeds; None where there is no such distance.
    """
    if PRIOR not in rows or REAL not in rows:
        return None
    return share_closed(*(rows[name]["ap_40"] for name in (PRIOR, REAL, source)))


def table_of(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the table in Markdown."""
    lines = [
        "| trained on | AP at 0.4 by seed | mean | AP at 0.5 | best F1 at 0.4 | closed | "
        "spread of seeds | of blocks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for source, row in rows.items():
        share = closed(rows, source) if source not in (PRIOR, REAL) else None
        spread = f"{np.std(row['ap_40'], ddof=1):.3f}" if row["seeds"] > 1 else ""
        cells = [
            NAMES[source],
            " ".join(f"{v:.3f}" for v in row["ap_40"]),
            f"{np.mean(row['ap_40']):.3f}",
            f"{np.mean(row['ap_50']):.3f}",
            f"{np.mean(row['f1_40']):.3f}",
            "" if share is None else f"{100 * share:.0f} %",
            spread,
            f"{row['block_spread']:.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def sentences_of(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return in words what the table says of each synthetic source but the prior."""
    said = []
    for source in (FIT, MIXED):
        if source not in rows or (share := closed(rows, source)) is None:
            continue
        gain = np.mean(rows[source]["ap_40"]) - np.mean(rows[PRIOR]["ap_40"])
        spread = twice_standard_error(rows[source]["ap_40"], rows[PRIOR]["ap_40"])
        beyond = "unknown, with one seed" if spread is None else f"{spread:.3f}"
        said.append(
            f"A detector trained on {NAMES[source]} has an average precision that differs by "
            f"{gain:+.3f} from that of the prior, {100 * share:.0f} % of the way to real labels; "
            f"twice the standard error of this difference by seeds is {beyond}."
        )
    return said
