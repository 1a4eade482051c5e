"""Scenes as programs get them, drawn as bars; needs next to nothing, so that it starts fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

ANGLE = {"unit": "degrees", "period": 360}
CM = {"unit": "cm"}
ATTRIBUTES = {
    "object": {"yaw": ANGLE, "pitch": ANGLE, "roll": ANGLE, "loc_x": CM, "loc_z": CM},
    "Light": {"intensity": {"unit": "of the nominal light", "low": 0}},
    "Camera": {"camera_pitch": ANGLE, "camera_roll": ANGLE},
}
FULL = {"loc_x": 200.0, "loc_z": 200.0, "intensity": 1.0}  # the longest bar; of an angle a turn
TURN = 360.0
PLAIN = ("Image", "Scene", "Background")  # nodes that say nothing
BACKGROUND, TABLE = 20, 60  # grey levels of 'bars'
Nodes = Mapping[str, Mapping[str, Any]]


def values_of(nodes: Nodes) -> dict[str, float]:
    """Return the attributes of a scene, strictly.

    Raises:
        ValueError: the scene holds what is unknown.
    """
    found = {}
    for node, of_node in nodes.items():
        known = ATTRIBUTES.get(node, {})
        if node not in ATTRIBUTES and node not in PLAIN:
            raise ValueError(f"unknown node {node}")
        for name, value in of_node.items():
            if name == "class":
                continue
            if name not in known:
                raise ValueError(f"unknown attribute {node}.{name}")
            found[name] = float(value)
    if "object" not in nodes:
        raise ValueError("a scene without an object")
    return found


def bars(nodes: Nodes, size: int) -> np.ndarray:
    """Draw a grey bar for each attribute, as long as its value: uint8 [size, size, 3]."""
    image = np.full((size, size, 3), BACKGROUND, np.uint8)
    values = values_of(nodes)
    for row, name in enumerate(sorted(values)):
        top, bottom = (size * (row + end) // len(values) for end in (0, 1))
        length = values[name] / FULL.get(name, TURN) * size - np.arange(size)
        grey = TABLE + (255 - TABLE) * np.clip(length, 0, 1)
        image[top:bottom] = np.rint(grey).astype(np.uint8)[None, :, None]
    return image


def graph_of(nodes: Nodes) -> dict[str, Any]:
    """Return a scene as the graph that Unity players get."""
    values_of(nodes)
    made = []
    for key, of_node in nodes.items():
        numbers = {name: value for name, value in of_node.items() if name != "class"}
        longest = {f"{name}_max": FULL.get(name, TURN) for name in numbers}
        made.append({"cls": of_node.get("class", key), "attr": {**numbers, **longest}})
    return {"nodes": made, "links": []}
