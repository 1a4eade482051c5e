"""The folder of results of an experiment's detectors."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from simtailor.detector.comparison import Trial, closed, sentences_of, table_of
from simtailor.detector.drawing import read_pictures
from simtailor.detector.inputs import tests_in
from simtailor.detector.settings import LabelledTiles
from simtailor.detector.stage import WEIGHTS, folder_of, read_tiles
from simtailor.figures.detector import misses_sheet, pictures_sheet
from simtailor.files import staged_folder, write_json
from simtailor.worth.settings import PRIOR, REAL

PICTURED = 4  # columns of the sheet of pictures
MOST_NAMED = 5  # pictures that are named one by one


def write_results(
    name: str,
    tiles: LabelledTiles,
    classes: Sequence[str],
    folders: Mapping[str, Sequence[str | Path]],
    drawn: Mapping[str, str | Path],
    resources: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Write table, figures, summary, and the best synthetic source's first detector.

    Args:
        name: of the experiment.
        folders: by source, those of the detectors of all seeds.
        drawn: files of drawn pictures, by source.

    Returns:
        The summary.
    """
    tests = read_tiles("test", tiles, resources, classes)
    names = tests_in(folder_of(tiles, resources), tiles)
    trials = {source: Trial.read(source, some) for source, some in folders.items()}
    rows = {source: trial.row(tests, len(classes)) for source, trial in trials.items()}
    summary = {
        "experiment": name,
        "classes": list(classes),
        "test": names,
        "objects": sum(len(t.boxes) for t in tests),
        "sources": rows,
        "closed": {s: closed(rows, s) for s in rows if s not in (PRIOR, REAL)},
        "sentences": sentences_of(rows),
    }
    shown = next((s for s in ("mixed", "fit") if s in trials), next(iter(trials)))
    with staged_folder(output) as staging:
        write_json(staging / "summary.json", summary)
        lines = [f"# Detectors of {name}", "", *table_of(rows), "", *summary["sentences"], ""]
        (staging / "README.md").write_text("\n".join([*lines, _note(tiles, names), ""]))
        shutil.copyfile(Path(folders[shown][0]) / WEIGHTS, staging / WEIGHTS)
        pictures = {source: read_pictures(path)[:PICTURED] for source, path in drawn.items()}
        real = read_tiles("train", tiles, resources, classes) or tests
        pictures_sheet(real, pictures, staging / "pictures.png")
        misses_sheet(tests, trials[shown].found[0], staging / "misses.png")
    for line in lines[2:]:
        report(line)
    return summary


def _note(tiles: LabelledTiles, tests: Sequence[str]) -> str:
    real = f"; 'real labels' trained on those of {_named(tiles.train)}" if tiles.train else ""
    return (
        f"Average precision (AP) on {_named(tests)}, whose labels nothing else has seen. "
        f"The fit saw no label{real}. Closed: the share of the way from the prior to real labels. "
        "Spread of blocks: standard deviation if the test pictures' blocks are drawn anew. "
        "misses.png shows the boxes that the first detector missed (orange), and its surest wrong "
        "ones (blue)."
    )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} pictures"
