"""Segmentation: which class each pixel of a picture shows, if any.

Judged by the intersection over union of a class: of the pixels that are of it or are said to be,
the share that is both, over all pictures together (Everingham et al., "The Pascal Visual Object
Classes Challenge", 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simtailor.datasets.formats import check_parts
from simtailor.errors import UserError
from simtailor.fitted.objects import SceneObjects
from simtailor.metasim.settings import Experiment
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch
from simtailor.worth.examples import Examples
from simtailor.worth.kind import About, Kind, PhotographLabels, Rows
from simtailor.worth.label_masks import find_masks

MASKS = "masks"
ALL = "all, mean"


class Segmentation(Kind):
    """Tells which class each pixel shows."""

    parts: ClassVar[tuple[str, ...]] = ("masks",)
    measure: ClassVar[str] = "intersection over union"
    lower: ClassVar[bool] = False
    title: ClassVar[str] = "Segmentation"

    def about(self, experiment: Experiment) -> About:
        """Return the classes of the grammar's objects.

        Raises:
            UserError: the renderer gives no masks, or the target shows a class of its own.
        """
        contract = experiment.contract
        check_parts(
            f"the renderer '{contract.name}'",
            self.parts,
            "a segmentation",
            contract.returns,
            "Let its render() return masks and say so in the description's 'returns' "
            "(docs/own_renderer.md), or ask for results/regression.",
        )
        classes = _objects(experiment, experiment.grammar).classes
        if not classes:
            raise UserError(
                f"{experiment.grammar}: no node 'object', so nothing has a mask. Give an object a "
                "random class, or a class by its number."
            )
        target = experiment.target.grammar
        own = classes if target is None else _objects(experiment, target).classes
        if unknown := set(own) - set(classes):
            raise UserError(
                f"{target}: the class '{min(unknown)}' is none of {experiment.grammar}: "
                f"{', '.join(classes)}. Let the grammar draw it, too."
            )
        return [{"name": name} for name in classes]

    def labels_in(self, folder: str | Path, about: About) -> PhotographLabels:
        """Return the masks beside the pictures, or those of COCO's labels."""
        found = find_masks(folder, [one["name"] for one in about])
        sources = [*found.sources, *found.files.values()]
        return PhotographLabels(about, found.files, sources, found.read)

    def of_photographs(
        self, given: Sequence[Any], about: About, experiment: Experiment, renderer: Renderer
    ) -> dict[str, np.ndarray]:
        """Return masks cut and resized as their pictures are."""
        return {MASKS: np.stack([read(renderer.size) for read in given])}

    def of_scenes(
        self,
        graphs: SceneGraphBatch,
        masks: np.ndarray | None,
        about: About,
        experiment: Experiment,
        renderer: Renderer,
    ) -> dict[str, np.ndarray]:
        """Return the masks of classes, which is what they are given as."""
        assert masks is not None
        return {MASKS: masks}

    def judged(self, guesses: Sequence[np.ndarray], test: Examples) -> Rows:
        """Return the intersection over union of each class that the pictures show."""
        right = test.labels[MASKS]
        rows: Rows = {}
        for label, about in enumerate(test.about, 1):
            there = right == label
            if there.any():
                said = [guess == label for guess in guesses]
                shares = [float((s & there).sum() / (s | there).sum()) for s in said]
                rows[about["name"]] = {"value": shares, "unit": ""}
        if len(rows) > 1:
            means = np.mean([row["value"] for row in rows.values()], 0)
            rows[ALL] = {"value": means.tolist(), "unit": ""}
        return rows


def class_masks(
    masks: np.ndarray, graphs: SceneGraphBatch, experiment: Experiment, grammar: str, about: About
) -> np.ndarray:
    """Return which class each pixel shows, 1 for the first, 0 for none: uint8 [B, H, W].

    Args:
        masks: uint8 [B, H, W], the numbers of objects; graphs: of the file ``grammar``.

    Raises:
        UserError: a mask holds a number that no object has.
    """
    objects = _objects(experiment, grammar)
    objects.check(masks, experiment.contract.name)
    if objects.scattered:
        return (masks > 0).astype(np.uint8)
    names = [one["name"] for one in about]
    numbers = np.array([0, *(names.index(name) + 1 for name in objects.classes)], np.uint8)
    # An absent object, -2, and one of no class, -1, are shown nowhere.
    of_objects = numbers[objects.labels_of(graphs).clip(-1) + 1]
    of_numbers = np.concatenate([np.zeros((len(masks), 1), np.uint8), of_objects], 1)
    return of_numbers[np.arange(len(masks))[:, None, None], masks]


def _objects(experiment: Experiment, grammar: str) -> SceneObjects:
    return SceneObjects.of(experiment.read_grammar(grammar), experiment.contract)
