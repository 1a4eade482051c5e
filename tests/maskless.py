"""A renderer of plain grey images without masks."""

import numpy as np

from simtailor.render.description import NodeKind, RendererDescription
from simtailor.render.rendering import Rendering
from simtailor.scene.attributes import ANGLE


class Plain:
    def __init__(self, settings, machine):
        self.size = settings.image_size

    def render(self, graphs):
        yaw = graphs.find("object", "yaw")
        values = np.broadcast_to(yaw[:, None, None, None] % 200, (len(graphs), *[self.size] * 2, 3))
        return Rendering(values.astype(np.uint8))


PLAIN = RendererDescription(
    name="plain", factory=Plain, nodes={"object": NodeKind({"yaw": ANGLE}, classes=("a", "b"))}
)
