"""A renderer of one dot for tests of the contract, and scenes for it."""

import numpy as np

from simtailor.render.description import NodeKind, RendererDescription, StageSettings
from simtailor.render.rendering import Rendering
from simtailor.scene import Grammar, SceneGraphBatch
from simtailor.scene.attributes import Attribute

SIZE = 16
NODES = {"dot": NodeKind({"x": Attribute("px", low=0, high=15)}, fewest=1)}
SETTINGS = StageSettings(image_size=SIZE)


def scenes(count: int, seed: int = 0) -> SceneGraphBatch:
    """Return scenes of a dot at the columns 0.0 to 15.0."""
    leaf = {
        "class": ["Deterministic", "dot"],
        "attributes": {"immutable": False, "x": ["Uniform", 0, 15, 15]},
        "num_child": ["Deterministic", 0],
        "child": [],
    }
    root = {
        "class": ["Deterministic", "Image"],
        "attributes": {"features": ["class", "x"], "mutable": ["x"], "immutable": True},
        "num_child": ["Deterministic", 1],
        "child": [leaf],
    }
    return Grammar(root).sample(count, np.random.default_rng(seed))


def description(**others) -> RendererDescription:
    """Return the description of a renderer of dots."""
    values = {"name": "dots", "factory": DotRenderer, "nodes": NODES}
    return RendererDescription(**values | others)


class DotRenderer:
    """Draws a bright column; ``sizes`` remembers how many scenes each call had."""

    def __init__(self, settings=SETTINGS, machine=None) -> None:
        self.size = settings.image_size
        self.sizes: list[int] = []
        self.seen: list[float] = []

    def images(self, graphs: SceneGraphBatch) -> np.ndarray:
        x = graphs.find("dot", "x")
        self.sizes.append(len(graphs))
        self.seen.extend(x)
        near = np.exp(-((np.arange(self.size) - x[:, None]) ** 2) / 4)
        rows = np.broadcast_to(near[:, None, :, None], (len(graphs), self.size, self.size, 3))
        return np.rint(255 * rows).astype(np.uint8)

    def render(self, graphs: SceneGraphBatch, **parts) -> Rendering:
        return Rendering(self.images(graphs))
