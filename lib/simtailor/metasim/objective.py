"""What a training makes small: how far generated scenes look from the target.

Renderer, features and discrepancy as one, with value and gradient. Scenes go in and a number
comes out; the gradient goes the same way back, through the discrepancy, the features and the
renderer's pictures to the attributes of the scenes.
"""

from __future__ import annotations

import numpy as np
import torch

from simtailor.metasim.discrepancy import make_discrepancy
from simtailor.metasim.features import FeatureExtractor, features_of
from simtailor.metasim.settings import Experiment
from simtailor.render.gradient import render_with_gradient, responsive_steps
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

TOLERANCE_DRAWS = 30  # parts of the target that are compared with another part of it


class Objective:
    """The discrepancy of scenes to the training and to the validation part of the target.

    Args:
        experiment: gives the discrepancy and the steps.
        renderer: draws the scenes.
        extractor: maps images to features.
        layout: of the scenes; its mutable entries get a gradient.
        device: of the features.

    Attributes:
        steps: float32 [N, F], distances of the differences, 0 without a gradient.
        discrepancy: to the training part, of features.
        target: features of the training part, one float32 [M, D_l] a level.
    """

    def __init__(
        self,
        experiment: Experiment,
        renderer: Renderer,
        extractor: FeatureExtractor,
        layout: SceneGraphLayout,
        device: torch.device,
    ) -> None:
        self.settings, self.seed = experiment.discrepancy, int(experiment.seed or 0)
        self.hypercube = experiment.training.hypercube
        self.renderer, self._extractor, self._device = renderer, extractor, device
        training, maximum = experiment.training, np.maximum(layout.maximum, 1e-9)
        angle = training.angle_step / maximum
        steps = np.where(layout.period > 0, angle, training.range_step)
        self.steps = np.where(layout.mutable, steps, 0).astype(np.float32)
        self.target: list[torch.Tensor] = []

    def prepare(
        self, training: np.ndarray, validation: np.ndarray, reference: SceneGraphBatch
    ) -> None:
        """Take over the target.

        Args:
            training, validation: images of these parts, uint8 [M, S, S, 3].
            reference: scenes of the prior, which set the scale together with the target.
        """
        drawn = self.features_of(reference)
        self.target = self.describe(training)
        self.discrepancy, self._validation = (
            make_discrepancy(self.settings, features, drawn, seed=self.seed, cube=self.hypercube)
            for features in (self.target, self.describe(validation))
        )

    def describe(self, images: np.ndarray) -> list[torch.Tensor]:
        """Return the features of images, uint8 [n, S, S, 3]: one float32 [n, D_l] a level."""
        return features_of(self._extractor, images, self._device)

    def features_of(self, graphs: SceneGraphBatch) -> list[torch.Tensor]:
        """Return the features of scenes, without gradient."""
        return self.describe(self.renderer.render(graphs).images)

    def loss(
        self,
        graphs: SceneGraphBatch,
        features: torch.Tensor,
        changed: list[np.ndarray] | None = None,
    ) -> torch.Tensor:
        """Return the discrepancy to the training part, a scalar with a gradient.

        Args:
            graphs: B scenes.
            features: float32 [B, N, F], their attributes, to which the gradient flows back.
            changed: receives which steps changed a picture, see ``render_with_gradient``.
        """
        images = render_with_gradient(self.renderer, graphs, features, self.steps, changed)
        return self.discrepancy(self._extractor(images))

    def value(self, graphs: SceneGraphBatch, features: torch.Tensor) -> float:
        """Return what ``loss`` returns, without gradient."""
        with torch.no_grad():
            return float(self.loss(graphs, features))

    def validation(self, graphs: SceneGraphBatch) -> float:
        """Return the discrepancy of scenes to the validation part."""
        return float(self._validation(self.features_of(graphs)))

    def tolerance(self, scenes: int, random: np.random.Generator) -> float:
        """Return how much the validation varies by chance where the generator is perfect.

        Parts of the target itself, as large as the validation's set of scenes, are compared
        with the validation part. They are independent images; hypercubes vary a little less.
        """
        known = len(self.target[0])
        count = min(scenes, known // 2)
        values = []
        for _ in range(TOLERANCE_DRAWS):
            part = torch.from_numpy(random.permutation(known)[:count])
            values.append(float(self._validation([level[part] for level in self.target])))
        return float(np.std(values))

    def widen_steps(self, graphs: SceneGraphBatch) -> np.ndarray | None:
        """Widen the steps of entries to which the pictures hardly respond.

        Returns:
            The response of each entry in grey levels, float32 [N, F]; None where the renderer
            gives exact gradients.
        """
        if hasattr(self.renderer, "render_differentiable"):
            return None
        self.steps, responses, _ = responsive_steps(self.renderer, graphs, self.steps)
        # The first copy of a node that comes several times is there most often.
        alike = graphs.layout.firsts[graphs.layout.source_of]
        self.steps = np.where(graphs.layout.mutable, self.steps[alike], 0).astype(np.float32)
        return responses[alike]
