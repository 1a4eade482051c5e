"""Scenes to try a program with, from what it says that it reads or from a grammar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from simtailor.render.program.hello import Hello
from simtailor.render.program.scenes import scenes_of
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator, scene_seeds

Scene = dict[str, Any]


def trial_scenes(hello: Hello, count: int, grammar: str | None) -> list[Scene]:
    """Return scenes that differ, the same each time.

    Args:
        grammar: a file to draw them from. Without it every angle takes any value, every other
            attribute with a range any of that, and one without a range stays away.
    """
    random = generator(0, "trial scenes")
    if grammar is not None:
        known = {node: kind.attributes for node, kind in hello.nodes().items()}
        return scenes_of(Grammar.read(grammar, known).sample(count, random), hello.classes)
    seeds = scene_seeds(random, count).tolist()
    return [{"seed": seed, "nodes": _nodes(hello, random)} for seed in seeds]


def ranges(hello: Hello) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the lowest and highest value of the attributes that have them, by node and name."""
    found = {}
    for node, known in hello.attributes.items():
        for name, about in known.items():
            if about.period:
                found[node, name] = (0.0, about.period)
            elif about.low is not None and about.high is not None:
                found[node, name] = (about.low, about.high)
    return found


def without_range(hello: Hello) -> list[str]:
    """Return the attributes that need a grammar to take a value."""
    known = ranges(hello)
    return [f"{node}.{name}" for node, names in hello.attributes.items() for name in names
            if (node, name) not in known]  # fmt: skip


def changed(scenes: list[Scene]) -> Iterator[tuple[str, Scene, Scene]]:
    """Yield each attribute, a scene, and the same scene with another's value of it."""
    first = scenes[0]
    for node, values in first["nodes"].items():
        for name, value in values.items():
            others = [scene["nodes"][node][name] for scene in scenes[1:]]
            if isinstance(value, str) or not any(other != value for other in others):
                continue
            scene = deepcopy(first)
            scene["nodes"][node][name] = max(others, key=lambda other: abs(other - value))
            yield f"{node}.{name}", first, scene


def odd_scenes(scene: Scene) -> Mapping[str, Scene]:
    """Return scenes that a program need not draw but has to answer."""
    unknown = deepcopy(scene)
    for values in unknown["nodes"].values():
        values["class"] = "no such class"
    more = deepcopy(scene)
    more["nodes"]["no such node"] = {"class": "no such node", "no such attribute": 1.0}
    return {
        "no nodes at all": {"seed": 0, "nodes": {}},
        "an unknown class": unknown,
        "an unknown node": more,
    }


def _nodes(hello: Hello, random: np.random.Generator) -> Scene:
    known = ranges(hello)
    nodes: Scene = {}
    for node, attributes in hello.attributes.items():
        classes = hello.classes.get(node)
        nodes[node] = {"class": classes[random.integers(len(classes))] if classes else node}
        for name in attributes:
            if (node, name) in known:
                nodes[node][name] = float(random.uniform(*known[node, name]))
    return nodes
