"""How a search looks at scenes and images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from simtailor.metasim.distances import squared_distances
from simtailor.metasim.target import CHUNK
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch

Features = Callable[[np.ndarray], list[torch.Tensor]]


@dataclass(eq=False)
class View:
    """A renderer, features of its pictures, and those of the target's images.

    Attributes:
        renderer: draws scenes.
        features: maps images as stored, uint8 [n, S, S, 3], to one float32 [n, D_l] a level.
        target: features of the m images to match.
        measure: factor a level.
    """

    renderer: Renderer
    features: Features
    target: list[torch.Tensor]
    measure: list[float] | None = None

    def levels_of(self, graphs: SceneGraphBatch) -> list[torch.Tensor]:
        """Return the features of scenes, drawn a part at a time: a round has thousands of them."""
        parts = [
            self.features(self.renderer.render(graphs[first : first + CHUNK]).images)
            for first in range(0, len(graphs), CHUNK)
        ]
        return [torch.cat(levels) for levels in zip(*parts, strict=True)]

    @property
    def goal(self) -> torch.Tensor:
        """The scaled features of the images to match: float32 [m, D]."""
        return self.scaled(self.target)

    def scaled(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Return all levels in one, scaled: float32 [n, D]."""
        assert self.measure is not None
        parts = [level * m for level, m in zip(levels, self.measure, strict=True)]
        return torch.cat(parts, 1)

    def nearest(
        self, graphs: SceneGraphBatch, levels: list[torch.Tensor]
    ) -> tuple[SceneGraphBatch, np.ndarray]:
        """Return for each image the nearest scene, and its squared distance [m].

        Args:
            graphs: the n scenes; levels: their features.
        """
        nearest = squared_distances(self.scaled(levels), self.goal).min(0)
        return graphs[nearest.indices.cpu().numpy()], nearest.values.cpu().numpy()

    def measured_by(self, levels: list[torch.Tensor]) -> list[float]:
        """Return a factor a level with which the levels count alike, and all sum up to 1.

        Args:
            levels: features of scenes of the prior.
        """
        pairs = zip(levels, self.target, strict=True)
        medians = [float(squared_distances(a, t).median()) for a, t in pairs]
        return [1 / (len(medians) * max(m, 1e-9)) ** 0.5 for m in medians]
