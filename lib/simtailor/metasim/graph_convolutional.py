"""The generator ``gcn``, the published design (Kar et al., ICCV 2019).

Graph convolutions encode the graph, others decode the mutable attributes; encoder and decoder
learn to reconstruct the prior, then the encoder is frozen.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from simtailor.metasim.generator import Generator, GraphConvolution
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

SAMPLING_SPREAD = 0.02  # published: noise on the decoded features while training


class GraphConvolutionalGenerator(Generator):
    """The published encoder and decoder."""

    def __init__(
        self, layout: SceneGraphLayout, prior: SceneGraphBatch, widths: tuple[int, int] = (32, 16)
    ) -> None:
        super().__init__(layout, prior)
        features = layout.mutable.shape[1]
        wide, narrow = widths
        self.encoder = nn.Sequential(
            GraphConvolution(self.adjacency, self.class_count + features, wide),
            nn.ReLU(),
            GraphConvolution(self.adjacency, wide, narrow),
            nn.ReLU(),
        )
        self.decoder = nn.Sequential(
            GraphConvolution(self.adjacency, narrow, wide),
            nn.ReLU(),
            GraphConvolution(self.adjacency, wide, features),
        )

    def start_training(self) -> list[nn.Parameter]:
        """Freeze the encoder, as published."""
        for parameter in self.encoder.parameters():
            parameter.requires_grad_(False)
        return list(self.decoder.parameters())

    def reconstruction_loss(self, graphs: SceneGraphBatch) -> torch.Tensor:
        """Return the mean squared error of the mutable features, the short way round."""
        features, _ = self.encode(graphs)
        difference = self.short_way(self._decode(graphs) - features)
        return difference[:, self.mutable].square().mean()

    def forward(
        self, graphs: SceneGraphBatch, random: np.random.Generator | None = None
    ) -> torch.Tensor:
        features, _ = self.encode(graphs)
        changed = self._decode(graphs)
        if random is not None:
            noise = random.normal(0, SAMPLING_SPREAD, changed.shape).astype(np.float32)
            changed = changed + torch.from_numpy(noise).to(changed)
        return self.finish(changed, features)

    def _decode(self, graphs: SceneGraphBatch) -> torch.Tensor:
        features, classes = self.encode(graphs)
        present = self.present(classes)
        nodes = torch.cat([classes, features], -1)
        for layer in (*self.encoder, *self.decoder):
            nodes = layer(nodes, present) if isinstance(layer, GraphConvolution) else layer(nodes)
        return torch.sigmoid(nodes)
