"""A drawn scene for tests of the task: a bar whose class is seen by its angle alone."""

import numpy as np

from simtailor.render.rendering import Rendering
from simtailor.scene import Grammar, SceneGraphBatch, SceneGraphLayout
from simtailor.scene.attributes import ANGLE, Attribute

SIZE = 16
KNOWN = {"yaw": ANGLE, "loc_x": Attribute("cm"), "loc_z": Attribute("cm")}
CLASSES = ("falling", "level", "rising")
ANGLES = np.array([120.0, 0.0, 60.0])  # of the classes at yaw 0, degrees


def bar_grammar(
    yaw: tuple[float, float], loc_x: tuple[float, float] = (50, 6), classes=CLASSES
) -> Grammar:
    """Return a grammar of one bar; yaw and loc_x are mean and standard deviation."""
    bar = {
        "class": ["Random", list(classes)],
        "attributes": {
            "immutable": False,
            "yaw": ["Gaussian", *yaw, 360],
            "loc_x": ["Gaussian", *loc_x, 100],
        },
        "num_child": ["Deterministic", 0],
        "child": [],
    }
    return Grammar(
        {
            "class": ["Deterministic", "Image"],
            "attributes": {
                "features": ["class", "yaw", "loc_x"],
                "mutable": ["yaw", "loc_x"],
                "immutable": True,
            },
            "num_child": ["Deterministic", 1],
            "child": [bar],
        },
        attributes={"object": KNOWN},
    )


class BarRenderer:
    """Draws a bar at ``loc_x``, turned by ``yaw`` and by the angle of its class."""

    def __init__(self) -> None:
        self.rendered = 0

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        self.rendered += len(graphs)
        node = graphs.layout.node_names[1]
        names = [graphs.layout.class_names[c] for c in graphs.classes[:, 1]]
        own = ANGLES[[CLASSES.index(name) for name in names]]
        angle = np.deg2rad(graphs.find(node, "yaw") + own)[:, None, None]
        middle = graphs.find(node, "loc_x")[:, None, None] / 100 * SIZE - 0.5
        y, x = np.mgrid[:SIZE, :SIZE]
        x, y = x - middle, 7.5 - y
        along = x * np.cos(angle) + y * np.sin(angle)
        across = x * np.sin(angle) - y * np.cos(angle)
        shade = np.exp(-(across**2) / 2) / (1 + np.exp(2 * (np.abs(along) - 5)))
        grey = (shade * 255).round().astype(np.uint8)
        return Rendering(np.repeat(grey[..., None], 3, axis=-1))

    def effective(self, layout: SceneGraphLayout) -> np.ndarray:
        return layout.maximum > 0

    def __enter__(self) -> "BarRenderer":
        return self

    def __exit__(self, *arguments: object) -> None:
        pass
