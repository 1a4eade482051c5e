"""An analytic renderer and small trainings with it, for tests of search and training."""

from collections.abc import Callable

import numpy as np
import torch

from simtailor.metasim.progress import COLUMNS, Progress
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import TargetImages
from simtailor.metasim.training import Trainer
from simtailor.render.rendering import Rendering
from simtailor.scene import Grammar, SceneGraphBatch, SceneGraphLayout
from simtailor.scene.attributes import ANGLE, Attribute
from simtailor.seeds import generator as random_generator

SIZE = 16
KNOWN = {"yaw": ANGLE, "loc_x": Attribute("cm"), "loc_z": Attribute("cm")}
THING, YAW, LOC_X = 1, 0, 1  # node and features of the grammar below


def grammar(
    yaw: tuple[float, float],
    loc_x: tuple[float, float],
    maximum: float = 100,
    kind: str = "Gaussian",
    classes: tuple[str, ...] = ("Thing",),
) -> Grammar:
    """Return a grammar of one blob; the picture shows a loc_x from 0 to 100."""
    thing = {
        "class": ["Random", list(classes)] if len(classes) > 1 else ["Deterministic", *classes],
        "attributes": {
            "immutable": False,
            "yaw": [kind, *yaw, 360],
            "loc_x": [kind, *loc_x, maximum],
            "loc_z": ["Gaussian", 50, 5, 100],
        },
        "num_child": ["Deterministic", 0],
        "child": [],
    }
    return Grammar(
        {
            "class": ["Deterministic", "Image"],
            "attributes": {
                "features": ["class", "yaw", "loc_x", "loc_z"],
                "mutable": ["yaw", "loc_x", "loc_z"],
                "immutable": True,
            },
            "num_child": ["Deterministic", 1],
            "child": [thing],
        },
        attributes={"Thing": KNOWN, "object": KNOWN},
    )


PRIOR = grammar((180, 10), (30, 4))
TARGET = grammar((20, 20), (60, 8))  # the angle lies across the seam


class BlobRenderer:
    """Draws a red blob on a circle at ``yaw`` and a green one at ``loc_x``; ignores ``loc_z``."""

    def __init__(self) -> None:
        self.rendered = 0

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        self.rendered += len(graphs)
        name = graphs.layout.node_names[THING]
        angle = np.deg2rad(graphs.find(name, "yaw"))[:, None, None]
        column = graphs.find(name, "loc_x")[:, None, None] / 100 * SIZE
        y, x = np.mgrid[:SIZE, :SIZE]
        red = (x - 7.5 - 5 * np.cos(angle)) ** 2 + (y - 7.5 - 5 * np.sin(angle)) ** 2
        green = (x - column) ** 2 + (y - 7.5) ** 2
        images = np.zeros((len(graphs), SIZE, SIZE, 3))
        images[..., 0], images[..., 1] = np.exp(-red / 8), np.exp(-green / 8)
        noise = (graphs.seeds % 5)[:, None, None]  # each scene's own, the same at every call
        images[..., 2] = noise / 50
        return Rendering((images * 255).round().astype(np.uint8))

    def effective(self, layout: SceneGraphLayout) -> np.ndarray:
        seen = np.array([name in ("yaw", "loc_x") for name in layout.features])
        return (layout.maximum > 0) & seen

    def __enter__(self) -> "BlobRenderer":
        return self

    def __exit__(self, *arguments: object) -> None:
        pass


def experiment(kind: str = "transport", seed: int = 0, **training) -> Experiment:
    """Return a training of a few moments."""
    training = {
        "epochs": 5,
        "scenes_per_epoch": 20,
        "batch_size": 10,
        "average_from": 0.3,
        "validation_scenes": 10,
        "search": {"rounds": 2, "candidates": 5, "images": 10},
        **training,
    }
    return Experiment(
        grammar="prior.json",
        target={"grammar": "target.json"},
        generator=kind,
        training=training,
        features={"pyramid": [16, 8, 4]},
        seed=seed,
    )


def thorough(**training) -> Experiment:
    """Return a training that recovers a target."""
    values = {
        "epochs": 40,
        "scenes_per_epoch": 60,
        "batch_size": 60,
        "average_from": 0.6,
        "patience": 40,
        "validation_scenes": 60,
        "search": {"rounds": 10, "candidates": 40, "images": 100},
    }
    return experiment(**values | training)


def target_graphs(count: int = 60, source: Grammar = TARGET, **values: np.ndarray):
    """Return target graphs; ``values`` are given attributes in their own unit."""
    graphs = source.sample(count, random_generator(0, "target"))
    for name, value in values.items():
        feature = graphs.layout.features.index(name)
        graphs.features[:, THING, feature] = value / graphs.layout.maximum[THING, feature]
    return graphs


def target_images(count: int = 60, source: Grammar = TARGET, **values) -> TargetImages:
    """Return pictures of ``target_graphs``."""
    graphs = target_graphs(count, source, **values)
    return TargetImages(BlobRenderer().render(graphs).images, None, [])


def trainer(
    settings: Experiment, target: TargetImages | None = None, prior: Grammar = PRIOR
) -> Trainer:
    """Return a trainer with a renderer of its own."""
    return Trainer(settings, prior, BlobRenderer(), target or target_images())


def generated(training: Trainer, count: int = 1000) -> np.ndarray:
    """Return attributes of fresh scenes after the training: [count, F] in their own units."""
    prior = training.grammar.sample(count, np.random.default_rng(5))
    with torch.no_grad():
        return prior.with_features(training.generator(prior).numpy()).values()[:, THING]


def silent(line: str) -> None:
    """Report nothing."""


class KilledError(Exception):
    """Stands for the end of a process."""


def killed_at(start: str) -> Callable[[str], None]:
    """Return a report that stops the training at the first line that starts so."""

    def report(line: str) -> None:
        if line.startswith(start):
            raise KilledError

    return report


def assert_same(first: Progress, second: Progress) -> None:
    """All but the seconds are equal, weights bit for bit."""
    assert len(first.weights) == len(second.weights)
    for one, other in zip(first.weights, second.weights, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    for name in set(COLUMNS) - {"seconds"}:
        np.testing.assert_array_equal(first.column(name), second.column(name), name)
    assert first.notes == second.notes
