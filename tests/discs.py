"""A renderer of two flat objects with masks and depth, which needs no compiled kernels."""

import json
from pathlib import Path

import numpy as np

from simtailor.render.description import NodeKind, RendererDescription, StageSettings
from simtailor.render.rendering import Rendering
from simtailor.scene.attributes import Attribute

CLASSES = ("disc", "square")
BEHIND = 2.0  # metres to the background


class DiscSettings(StageSettings):
    """Nothing depends on the rays."""

    samples: int = 1


class Discs:
    """Draws the second object over the first; both may leave the image."""

    def __init__(self, settings, machine):
        self.size = settings.image_size

    def render(self, graphs, masks=False, depth=False, full_masks=False):
        size, layout = self.size, graphs.layout
        rows, columns = (np.mgrid[:size, :size] + 0.5) / size * 100
        images = np.full((len(graphs), size, size, 3), 60, np.uint8)
        labels = np.zeros((len(graphs), size, size), np.uint8)
        metres = np.full((len(graphs), size, size), BEHIND, np.float32)
        values = graphs.values()
        full = np.zeros((len(graphs), 2, size, size), np.uint8)
        nodes = [n for n, name in enumerate(layout.node_names) if name == "object"]
        for number, node in enumerate(nodes, 1):
            for scene in range(len(graphs)):
                x, y = values[scene, node, : len(("x", "y"))]
                kind = CLASSES.index(layout.class_names[graphs.classes[scene, node]])
                off = np.abs([columns - x, rows - y])
                shown = (np.hypot(*off) if kind == 0 else off.max(0)) < 12
                images[scene][shown] = (200, 80 * number, 40 + 150 * kind)
                labels[scene][shown] = number
                full[scene, number - 1] = shown
                metres[scene][shown] = BEHIND - 0.25 * number
        return Rendering(
            images,
            labels if masks else None,
            metres if depth else None,
            full_masks=full if full_masks else None,
        )


DISCS = RendererDescription(
    name="discs",
    factory=Discs,
    settings=DiscSettings,
    nodes={"object": NodeKind({"x": Attribute("%"), "y": Attribute("%")}, CLASSES, 1, 2)},
    returns=("masks", "depth", "full_masks"),
)


def write_grammar(path: Path) -> str:
    """Write a grammar of two objects, the first to the left, and return its path."""
    objects = [
        {
            "class": ["Random", list(CLASSES)],
            "attributes": {
                "immutable": False,
                "x": ["Gaussian", x, 12, 100],
                "y": ["Gaussian", 50, 20, 100],
            },
            "num_child": ["Deterministic", 0],
            "child": [],
        }
        for x in (40, 60)
    ]
    root = {
        "class": ["Deterministic", "Image"],
        "attributes": {
            "features": ["class", "x", "y"],
            "mutable": ["x", "y"],
            "immutable": True,
        },
        "num_child": ["Deterministic", 2],
        "child": objects,
    }
    path.write_text(json.dumps(root))
    return str(path)
