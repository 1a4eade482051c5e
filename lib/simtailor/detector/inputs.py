"""What the workflow asks about the detectors of an experiment while it is planned."""

from __future__ import annotations

from simtailor.datasets.formats import check_parts
from simtailor.detector.settings import (
    FIT,
    MIXED,
    PRIOR,
    REAL,
    WITHOUT_LOOKS,
    Detector,
    LabelledTiles,
)
from simtailor.errors import UserError, nearest_name
from simtailor.fitted.inputs import experiment_with_stage
from simtailor.fitted.objects import SceneObjects
from simtailor.fitted.settings import Datasets
from simtailor.metasim.settings import Experiment
from simtailor.packages import find_package

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
            f"{', '.join(known) or 'none'}.{nearest_name(name, known)} Give it the keys 'package', "
            "'train' and 'test' there: a detector is tried on real pictures with boxes."
        )
    tiles = known[name]
    find_package(tiles.package)
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


def drawn_for(source: str) -> list[str]:
    """Return the drawn sources that a source is made of; none for real pictures."""
    return {MIXED: [PRIOR, FIT], REAL: []}.get(source, [source])


def classes_of(experiment: Experiment) -> list[str]:
    """Return the names of the classes that an experiment's objects have, by label."""
    grammar = experiment.read_grammar(experiment.grammar)
    return list(SceneObjects.of(grammar, experiment.contract).classes)
