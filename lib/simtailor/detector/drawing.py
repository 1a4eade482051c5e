"""Pictures drawn from a fit, its prior, or what is between them, for the training of detectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from simtailor.boxes import boxes_of
from simtailor.detector.pictures import LabelledPicture
from simtailor.detector.settings import WITHOUT_LOOKS, LabelledTiles
from simtailor.files import staged
from simtailor.fitted.inputs import experiment_with_stage
from simtailor.fitted.objects import SceneObjects
from simtailor.fitted.scenes import Fit, FittedScenes
from simtailor.fitted.settings import Datasets
from simtailor.metasim.stage import Machine
from simtailor.worth.scenes import rendered
from simtailor.worth.settings import FIT, PRIOR


def draw_pictures(
    results: str | Path,
    source: str,
    tiles: LabelledTiles,
    images: int,
    widen: float,
    machine: Machine,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Draw the pictures of a source and write them with their boxes.

    Args:
        results: of the experiment; widen: see ``Datasets``.
    """
    fit = Fit.read(results)
    experiment = experiment_with_stage(fit.experiment, Datasets(stage=tiles.stage))
    grammar, seed = experiment.read_grammar(experiment.grammar), int(experiment.seed or 0)
    as_prior = {PRIOR: None, FIT: (), WITHOUT_LOOKS: tiles.looks}[source]
    with machine.renderer(experiment, report) as renderer:
        scenes = FittedScenes(fit, grammar, renderer, seed, widen, as_prior)
        objects = SceneObjects.of(grammar, experiment.contract)
        pictures: list[LabelledPicture] = []
        for graphs, rendering in rendered(
            scenes.take, renderer, experiment, images, report, masks=True
        ):
            labels = objects.labels_of(graphs)
            assert rendering.masks is not None
            for image, mask, of_nodes in zip(
                rendering.images, rendering.masks, labels, strict=True
            ):
                pictures.append(_labelled(image, mask, None if objects.scattered else of_nodes))
    write_pictures(output, pictures)


def _labelled(image: np.ndarray, mask: np.ndarray, labels: np.ndarray | None) -> LabelledPicture:
    """Return a picture with boxes around the numbers of its mask; ``labels`` is by number."""
    numbers = np.unique(mask)
    numbers = numbers[numbers > 0]
    boxes = boxes_of(mask[None] == numbers[:, None, None]).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    found = np.zeros(len(numbers), np.int64) if labels is None else labels[numbers - 1]
    return LabelledPicture(image, boxes, found)


def write_pictures(path: str | Path, pictures: list[LabelledPicture]) -> None:
    """Write pictures of one size with their boxes to one .npz file."""
    with staged(path) as staging:
        np.savez(
            staging,
            images=np.stack([p.image for p in pictures]),
            boxes=np.concatenate([p.boxes for p in pictures]),
            labels=np.concatenate([p.labels for p in pictures]),
            counts=np.array([len(p.boxes) for p in pictures]),
        )


def read_pictures(path: str | Path) -> list[LabelledPicture]:
    """Read what ``write_pictures`` wrote."""
    with np.load(path) as stored:
        ends = np.cumsum(stored["counts"])[:-1]
        parts = zip(
            stored["images"],
            np.split(stored["boxes"], ends),
            np.split(stored["labels"], ends),
            strict=True,
        )
        return [LabelledPicture(*part) for part in parts]
