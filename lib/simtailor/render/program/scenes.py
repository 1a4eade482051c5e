"""What is sent of scenes: values by node and attribute, in the attributes' own units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simtailor.scene.graph import ABSENT, SceneGraphBatch

OF_THE_GRAMMAR = ("features", "mutable", "immutable")  # constants that say nothing of the scene


def scenes_of(
    graphs: SceneGraphBatch, classes: Mapping[str, tuple[str, ...]]
) -> list[dict[str, Any]]:
    """Return one ``{"seed": 7, "nodes": {"object": {"class": "mug", "yaw": 90.0}}}`` a graph.

    A node that a scene has not is not in it. Several of one name are ``object1``, ``object2``, ...

    Args:
        classes: by the name of a node the classes that the program knows; a number in the
            grammar stands for a name's place.
    """
    layout = graphs.layout
    constants = [
        {name: value for name, value in of_node.items() if name not in OF_THE_GRAMMAR}
        for of_node in layout.node_constants
    ]
    present = [
        [(f, name) for f, name in enumerate(layout.features) if layout.maximum[n, f] > 0]
        for n in range(len(layout.node_names))
    ]
    names = [
        [_class_name(given, classes.get(node, ())) for given in layout.class_names]
        for node in layout.node_names
    ]
    scenes = []
    for of_scene, values, seed in zip(
        graphs.classes.tolist(), graphs.values().tolist(), graphs.seeds.tolist(), strict=True
    ):
        nodes = {
            key: {
                "class": names[n][of_scene[n]],
                **constants[n],
                **{name: values[n][f] for f, name in present[n]},
            }
            for n, key in enumerate(layout.node_keys)
            if of_scene[n] != ABSENT
        }
        scenes.append({"seed": seed, "nodes": nodes})
    return scenes


def _class_name(given: str | int, known: tuple[str, ...]) -> str | int:
    return known[given] if isinstance(given, int) and 0 <= given < len(known) else given
