"""A renderer of several marbles that cannot lie in each other: fast, and without kernels."""

import numpy as np

from simtailor.render.description import NodeKind, RendererDescription, StageSettings
from simtailor.render.rendering import Rendering
from simtailor.scene.attributes import Attribute
from simtailor.scene.graph import ABSENT

CLASSES = ("red", "green")
COLOURS = np.array([[220.0, 40.0, 30.0], [20.0, 160.0, 60.0]])
RADII = np.array([8.0, 5.0])  # percent of the picture


class Marbles:
    """Draws soft discs over each other's sum."""

    def __init__(self, settings, machine):
        self.size = settings.image_size

    def render(self, graphs, masks=False):
        kinds, x, y = marbles(graphs)
        places = (np.arange(self.size) + 0.5) / self.size * 100
        radius = RADII[kinds][..., None] / 1.5
        across, down = (np.exp(-np.square((places - v[..., None]) / radius) / 2) for v in (x, y))
        shown = down[..., None] * across[:, :, None] * (kinds >= 0)[..., None, None]
        images = np.einsum("bkyx,bkc->byxc", shown, COLOURS[kinds])
        near = shown.max(1) > 0.33
        labels = np.where(near, shown.argmax(1) + 1, 0).astype(np.uint8)
        return Rendering(images.clip(0, 255).astype(np.uint8), labels if masks else None)

    def apart(self, graphs):
        kinds, x, y = marbles(graphs)
        distance = np.hypot(x[:, :, None] - x[:, None], y[:, :, None] - y[:, None])
        room = RADII[kinds][:, :, None] + RADII[kinds][:, None]
        both = (kinds >= 0)[:, :, None] & (kinds >= 0)[:, None]
        both &= ~np.eye(kinds.shape[1], dtype=bool)
        return ~(both & (distance < room)).any((1, 2))


def marbles(graphs):
    """Return class (-1 of one that is not there) and place of each marble: [B, K] each."""
    layout, values = graphs.layout, graphs.values()
    nodes = [n for n, name in enumerate(layout.node_names) if name == "object"]
    kinds = np.array([CLASSES.index(n) if n in CLASSES else ABSENT for n in layout.class_names])
    found = np.where(graphs.present[:, nodes], kinds[graphs.classes[:, nodes]], ABSENT)
    return found, *(values[:, nodes, layout.features.index(name)] for name in ("x", "y"))


MARBLES = RendererDescription(
    name="marbles",
    factory=Marbles,
    settings=StageSettings,
    nodes={"object": NodeKind({"x": Attribute("%"), "y": Attribute("%")}, CLASSES, 1, 9)},
    returns=("masks",),
)
