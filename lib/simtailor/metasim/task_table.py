"""What the generated images are worth to the task: networks trained on each source of images.

The table of Kar et al., "Meta-Sim: Learning to Generate Synthetic Datasets", ICCV 2019,
section 4.1: the same task network is trained on images of the prior, of the generator
before and after the epochs of the task, and of the target's own grammar, and each is tested
on the same target images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simtailor.metasim.labels import LabelledImages, scene_labels
from simtailor.metasim.target import render_images
from simtailor.metasim.task_network import class_accuracies, confusion_matrix, train_task_network
from simtailor.metasim.task_settings import Task
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch

SEEDS = 3


@dataclass(frozen=True, eq=False)
class TaskRow:
    """Result of one source of training images.

    Attributes:
        source: what the networks were trained on.
        images: number of training images.
        accuracies: one a seed of the network, in [0, 1].
        confusion: how often class i was taken for class j, all seeds together: int64 [C, C].
    """

    source: str
    images: int
    accuracies: tuple[float, ...]
    confusion: np.ndarray

    @property
    def mean(self) -> float:
        """Mean accuracy over the seeds."""
        return float(np.mean(self.accuracies))

    @property
    def spread(self) -> float:
        """Standard deviation of the accuracy over the seeds, 0 for a single one."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else 0.0


def labelled_scenes(
    renderer: Renderer, graphs: SceneGraphBatch, names: Sequence[str]
) -> LabelledImages:
    """Render graphs with the class of the main object, an index into ``names``, as label."""
    return LabelledImages(render_images(renderer, graphs), scene_labels(graphs, names))


def with_training_images(graphs: SceneGraphBatch) -> SceneGraphBatch:
    """Return the scenes with images from the training split, where a grammar chose another.

    The digits of a target are MNIST's test images. Networks that are tested on it must not
    have seen the same handwriting, or they would be compared with what no generator can reach.
    """
    constants = tuple(
        {name: value for name, value in of_node.items() if name != "split"}
        for of_node in graphs.layout.node_constants
    )
    layout = replace(graphs.layout, node_constants=constants)
    return SceneGraphBatch(layout, graphs.classes, graphs.features, graphs.seeds)


def task_table(
    sources: Mapping[str, LabelledImages],
    test: LabelledImages,
    names: Sequence[str],
    settings: Task,
    seed: int,
    device: str = "cpu",
) -> list[TaskRow]:
    """Train networks of ``SEEDS`` seeds on each source and test them on the target.

    Args:
        sources: training images by name; to be fair, as many of each. The upper bound is a
            fresh sample of the target's grammar: never ``test`` itself, and no handwriting
            that ``test`` shows (``with_training_images``).
        test: labelled target images that no training saw.
        names: class names that all labels index.
    """
    rows = []
    for source, data in sources.items():
        accuracies, confusion = [], np.zeros((len(names), len(names)), np.int64)
        for repetition in range(SEEDS):
            network = train_task_network(
                settings.network,
                data.images,
                data.labels,
                len(names),
                settings.training,
                seed + repetition,
                device,
            )
            predictions = network.predict(test.images)
            accuracies.append(float((predictions == test.labels).mean()))
            confusion += confusion_matrix(test.labels, predictions, len(names))
        rows.append(TaskRow(source, len(data.images), tuple(accuracies), confusion))
    return rows


def task_summary(rows: Sequence[TaskRow], names: Sequence[str], test_images: int) -> dict[str, Any]:
    """Return the table with plain types, for summary.json.

    A class without test images has the accuracy None.
    """

    def by_class(row: TaskRow) -> dict[str, float | None]:
        values = class_accuracies(row.confusion)
        return {
            name: None if np.isnan(value) else round(float(value), 4)
            for name, value in zip(names, values, strict=True)
        }

    return {
        "classes": list(names),
        "test_images": test_images,
        "trained_on": {
            row.source: {
                "accuracy": round(row.mean, 4),
                "spread": round(row.spread, 4),
                "seeds": len(row.accuracies),
                "images": row.images,
                "accuracy_by_class": by_class(row),
                "confusion": row.confusion.tolist(),
            }
            for row in rows
        },
    }
