"""Scene graphs as players get them, drawn."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from simtailor.render.embedded.contracts import TABLETOP
from simtailor.render.players.settings import TYOL
from simtailor.scene.grammar_nodes import MAIN
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

CARRIED = ("features", "mutable", "immutable")  # constants that every graph may have
PLACES = ("loc_x", "loc_z")  # centimetres in a graph and, as in Unity, metres in a label
BACKGROUND, TABLE = 20, 60  # grey levels of 'bars'
Drawing = Callable[[Sequence[dict[str, Any]]], np.ndarray]


class RefusedError(ValueError):
    """A graph holds what a player does not know."""


def name_of(node: dict[str, Any]) -> str:
    """Return the name of a node: its class, or ``object`` where that is a number."""
    return MAIN if isinstance(node["cls"], int) else str(node["cls"])


def check_graph(graph: dict[str, Any]) -> None:
    """Check a graph as strictly as a player of 3D-TYOL might.

    Raises:
        RefusedError: says what is wrong.
    """
    absent = {"directed", "multigraph", "graph", "nodes", "links"} - set(graph)
    if absent:
        raise RefusedError(f"the graph has no {sorted(absent)[0]!r}")
    names = [name_of(node) for node in graph["nodes"]]
    if names[:1] != ["Image"] or names.count(MAIN) != 1:
        raise RefusedError(f"expected an Image first, and one object, got {names}")
    for node, name in zip(graph["nodes"], names, strict=True):
        numbers = {n: v for n, v in node["attr"].items() if n not in CARRIED}
        for attribute, value in numbers.items():
            base = attribute.removesuffix("_max")
            if base not in TYOL.get(name, ()):
                raise RefusedError(f"unknown attribute {name}.{attribute}")
            if f"{base}_max" not in numbers or base not in numbers:
                raise RefusedError(f"{name}.{base} does not come with its maximum")
            if not isinstance(value, int | float) or not np.isfinite(value):
                raise RefusedError(f"{name}.{attribute} is no number but {value!r}")


def labels_of(graph: dict[str, Any]) -> dict[str, float]:
    """Return the labels of a graph's picture: all mutable attributes, places in metres."""
    mutable = graph["nodes"][0]["attr"]["mutable"]
    found = {n: v for node in graph["nodes"] for n, v in node["attr"].items() if n in mutable}
    return {n: v / 100 if n in PLACES else v for n, v in found.items()}


def batch_of(graphs: Sequence[dict[str, Any]]) -> SceneGraphBatch:
    """Return graphs of one grammar as a batch."""
    nodes = graphs[0]["nodes"]
    features = sorted({k.removesuffix("_max") for n in nodes for k in n["attr"] if "_max" in k})
    maximum = np.array(
        [[node["attr"].get(f"{name}_max", 0) for name in features] for node in nodes], np.float32
    ).reshape(len(nodes), len(features))
    values = np.array(
        [[[node["attr"].get(name, 0) for name in features] for node in graph["nodes"]]
         for graph in graphs], np.float32,
    ).reshape(len(graphs), *maximum.shape)  # fmt: skip
    kinds = [[node["cls"] for node in graph["nodes"]] for graph in graphs]
    names = list(dict.fromkeys(kind for of_graph in kinds for kind in of_graph))
    parents = np.full(len(nodes), -1)
    for link in graphs[0]["links"]:
        parents[link["target"]] = link["source"]
    layout = SceneGraphLayout(
        class_names=tuple(names),
        node_names=tuple(map(name_of, nodes)),
        node_constants=tuple({} for _ in nodes),
        parents=parents,
        features=tuple(features),
        maximum=maximum,
        mutable=maximum > 0,
        attributes=TABLETOP.attributes,
    )
    classes = np.array([[names.index(kind) for kind in of_graph] for of_graph in kinds])
    scaled = np.divide(values, maximum, out=np.zeros_like(values), where=maximum > 0)
    return SceneGraphBatch(layout, classes, scaled, np.zeros(len(graphs), np.int64))


def drawing_of(given: Namespace, size: int, held: ExitStack) -> Drawing:
    """Return what draws graphs as the arguments of ``faults.add_drawing`` say."""
    return bars(size) if given.drawing == "bars" else tabletop(size, given.frame_width, held)


def tabletop(size: int, frame_width: float, held: ExitStack) -> Drawing:
    """Return what draws graphs with the embedded ray caster, until ``held`` closes."""
    from simtailor.render.creation import create_renderer  # noqa: PLC0415  'bars' need none of it

    renderer = held.enter_context(
        create_renderer("tabletop", image_size=size, frame_width=frame_width, threads=1)
    )
    return lambda graphs: renderer.render(batch_of(graphs)).images


def bars(size: int) -> Drawing:
    """Return what draws a graph at once: a grey bar for each attribute, as long as its value."""

    def draw(graphs: Sequence[dict[str, Any]]) -> np.ndarray:
        batch = batch_of(graphs)
        images = np.full((len(graphs), size, size, 3), BACKGROUND, np.uint8)
        shown = np.argwhere(batch.layout.maximum > 0)
        for row, (node, feature) in enumerate(shown):
            top, bottom = (size * (row + end) // len(shown) for end in (0, 1))
            length = batch.features[:, node, feature, None] * size - np.arange(size)
            grey = TABLE + (255 - TABLE) * np.clip(length, 0, 1)
            images[:, top:bottom] = grey[:, None, :, None].round().astype(np.uint8)
        return images

    return draw


def as_json(data: bytes) -> dict[str, Any]:
    """Return a graph's JSON, strictly: neither NaN nor infinity.

    Raises:
        ValueError: it is none, or not whole.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number of JSON")

    return json.loads(data, parse_constant=refuse)
