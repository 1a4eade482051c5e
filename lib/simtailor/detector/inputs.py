"""What the workflow asks about the detectors of an experiment while it is planned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simtailor.datasets.coco_reading import known_classes
from simtailor.datasets.formats import check_parts
from simtailor.detector.labelled_folder import LabelledFolder
from simtailor.detector.settings import MIXED, WITHOUT_LOOKS, Detector, LabelledTiles
from simtailor.errors import UserError, nearest_name
from simtailor.files import files_state
from simtailor.fitted.inputs import experiment_with_stage
from simtailor.fitted.objects import SceneObjects
from simtailor.fitted.settings import Datasets
from simtailor.metasim.settings import Experiment
from simtailor.packages import find_package
from simtailor.worth.settings import FIT, PRIOR, REAL

DRAWN = (PRIOR, FIT, WITHOUT_LOOKS)  # sources whose pictures are drawn
# Raised when the same settings give other results, so that those made before do not count.
DETECTOR_VERSION = 2


def tiles_of(name: str, experiment: Experiment, detector: Detector) -> LabelledTiles:
    """Return the labelled pictures of an experiment, checked.

    Raises:
        UserError: there are none, or the renderer gives no masks or knows not the stage's keys.
    """
    known = detector.experiments
    if name not in known:
        raise UserError(
            f"detector.experiments: no labelled pictures of '{name}'; known: "
            f"{', '.join(known) or 'none'}.{nearest_name(name, known)} Give it the key 'folder' "
            "there: a detector is tried on real pictures with boxes (docs/tree_crowns.md)."
        )
    tiles = known[name]
    if tiles.package is not None:
        find_package(tiles.package)
    else:
        _check_folder(name, tiles, known_classes(classes_of(experiment)))
    contract = experiment.contract
    check_parts(
        f"detector.experiments.{name}: the experiment '{name}'",
        ("masks",),
        "the training of a detector",
        contract.returns,
        f"The renderer '{contract.name}' gives no more. Let its render() return masks, which the "
        "boxes of drawn pictures are made of, and say so in the description's 'returns' "
        "(docs/own_renderer.md).",
    )
    experiment_with_stage(experiment, Datasets(stage=tiles.stage))
    unknown = set(tiles.looks) - set(contract.nodes)
    if "looks" in tiles.model_fields_set and unknown:
        raise UserError(
            f"detector.experiments.{name}.looks: the renderer '{contract.name}' has no "
            f"node '{min(unknown)}'.{nearest_name(min(unknown), contract.nodes)}"
        )
    return tiles


def _check_folder(name: str, tiles: LabelledTiles, classes: Sequence[str] | None) -> None:
    """Check that the user's folder has the pictures that are named, each with its boxes."""
    folder, where = LabelledFolder(Path(str(tiles.folder))), f"detector.experiments.{name}"
    there = folder.names
    for key in ("train", "test"):
        if missing := set(getattr(tiles, key)) - set(there):
            raise UserError(
                f"{where}.{key}: {tiles.folder} has no boxes of '{min(missing)}', such as in "
                f"{min(missing)}.xml.{nearest_name(min(missing), there)} Name pictures without "
                "their suffix."
            )
    tests = tests_in(folder, tiles)
    if not tests:
        raise UserError(
            f"{where}.folder: {tiles.folder} has no picture to try a detector on: none with a file "
            "NAME.xml (Pascal VOC) beside it, or with boxes in annotations.json (COCO), that "
            "trains none"
        )
    for one in (*tiles.train, *tests):
        folder.check(one, classes)


def tests_in(folder: LabelledFolder, tiles: LabelledTiles) -> list[str]:
    """Return the names of the pictures that detectors are tried on."""
    if tiles.test or tiles.folder is None:
        return tiles.test
    return [name for name in folder.names if name not in tiles.train]


def sources_of(detector: Detector, tiles: LabelledTiles) -> list[str]:
    """Return what a detector is trained on each: real labels only where there are some."""
    return [source for source in detector.sources if source != REAL or tiles.train]


def labels_state(tiles: LabelledTiles) -> str:
    """Return a digest of names, sizes and times of a user's pictures and boxes."""
    if tiles.folder is None:
        return ""
    folder = LabelledFolder(Path(tiles.folder))
    names = sorted({*tiles.train, *tests_in(folder, tiles)})
    labels = dict.fromkeys(folder.labels_of(name) for name in names)
    return files_state([*labels, *map(folder.file_of, names)])


def drawn_for(source: str) -> list[str]:
    """Return the drawn sources that a source is made of; none for real pictures."""
    return {MIXED: [PRIOR, FIT], REAL: []}.get(source, [source])


def classes_of(experiment: Experiment) -> list[str]:
    """Return the names of the classes that an experiment's objects have, by label."""
    grammar = experiment.read_grammar(experiment.grammar)
    return list(SceneObjects.of(grammar, experiment.contract).classes)
