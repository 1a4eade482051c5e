"""Generators: networks that change the attributes of scene graphs.

``transport`` (the default) moves the prior's own sample: every mutable entry is shifted and
stretched about the prior's mean, by amounts that depend on the class of the node and on its
neighbours in the graph. It starts as the identity, and a spread in gives a spread out, so
the distribution cannot collapse to a point.

``gcn`` is the published design (Kar et al., ICCV 2019): graph convolutions encode the graph,
others decode the mutable attributes; encoder and decoder learn to reconstruct the prior,
then the encoder is frozen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from simtailor.scene.attributes import mean_and_spread
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

SAMPLING_SPREAD = 0.02  # published: noise on the decoded features while training


class GraphConvolution(nn.Module):
    """Mean over the neighbours, beside the node itself (Kipf and Welling 2017).

    Args:
        adjacency: [N, N] without self loops.
    """

    def __init__(self, adjacency: torch.Tensor, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer(
            "neighbours", adjacency / adjacency.sum(1, keepdim=True).clamp_min(1), persistent=False
        )
        self.own = nn.Linear(inputs, outputs)
        self.other = nn.Linear(inputs, outputs, bias=False)

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        """Map [B, N, inputs] to [B, N, outputs]."""
        return self.own(nodes) + self.other(self.neighbours @ nodes)


class Generator(nn.Module):
    """What all generators share: encoding graphs as tensors, and keeping fixed entries.

    Args:
        layout: layout of the graphs; its ``mutable`` entries are changed.
        prior: a large sample of the grammar, for the prior's means and spreads.
    """

    def __init__(self, layout: SceneGraphLayout, prior: SceneGraphBatch) -> None:
        super().__init__()
        self.layout = layout
        self.class_count = len(layout.class_names)
        mean, spread = prior_statistics(layout, prior)
        turn = np.where(layout.maximum > 0, layout.period / np.maximum(layout.maximum, 1e-9), 0)
        buffers = {
            "mutable": torch.from_numpy(layout.mutable),
            "adjacency": torch.from_numpy(layout.adjacency),
            "mean": torch.from_numpy(mean),
            "spread": torch.from_numpy(spread),
            "turn": torch.from_numpy(turn.astype(np.float32)),  # features of one full turn, or 0
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def encode(self, graphs: SceneGraphBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features [B, N, F] and classes as one-hot rows [B, N, C]."""
        device = self.mean.device
        classes = torch.from_numpy(graphs.classes).to(device)
        one_hot = nn.functional.one_hot(classes, self.class_count).float()
        return torch.from_numpy(graphs.features).to(device), one_hot

    def deviation(self, features: torch.Tensor) -> torch.Tensor:
        """Return the distance to the prior's mean, the short way round for angles."""
        difference = features - self.mean
        turn = self.turn.clamp_min(1e-9)
        around = torch.remainder(difference + turn / 2, turn) - turn / 2
        return torch.where(self.turn > 0, around, difference)

    def finish(self, changed: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Wrap angles into [0, 1), clamp the rest to [0, 1], keep entries that are fixed."""
        changed = torch.where(self.turn > 0, torch.remainder(changed, 1.0), changed.clamp(0, 1))
        return torch.where(self.mutable, changed, features)

    def start_training(self) -> list[nn.Parameter]:
        """Return the parameters to train on the discrepancy."""
        return list(self.parameters())

    def forward(
        self, graphs: SceneGraphBatch, random: np.random.Generator | None = None
    ) -> torch.Tensor:
        """Return changed features, float32 [B, N, F].

        Args:
            random: source of the noise that ``gcn`` adds while training.
        """
        raise NotImplementedError


class TransportGenerator(Generator):
    """Shifts and stretches the prior's sample, conditioned on class and neighbours."""

    def __init__(self, layout: SceneGraphLayout, prior: SceneGraphBatch, width: int = 16) -> None:
        super().__init__(layout, prior)
        shape = layout.mutable.shape
        # One unit of shift is a quarter turn, or a tenth of the attribute's range.
        unit = torch.where(self.turn > 0, self.turn / 4, torch.full_like(self.turn, 0.1))
        self.register_buffer("unit", unit, persistent=False)
        self.shift = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))
        self.first = GraphConvolution(self.adjacency, self.class_count + shape[1], width)
        self.second = GraphConvolution(self.adjacency, width, 2 * shape[1])
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, graphs: SceneGraphBatch, random: np.random.Generator | None = None
    ) -> torch.Tensor:
        features, classes = self.encode(graphs)
        deviation = self.deviation(features)
        relative = torch.where(self.mutable, deviation / self.spread.clamp_min(1e-4), 0.0)
        hidden = torch.tanh(self.first(torch.cat([classes, relative], -1)))
        more_shift, more_scale = self.second(hidden).chunk(2, -1)
        scale = (self.log_scale + more_scale).exp()
        changed = self.mean + (self.shift + more_shift) * self.unit + deviation * scale
        return self.finish(changed, features)


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
        difference = self._decode(graphs) - features
        turn = self.turn.clamp_min(1e-9)
        around = torch.remainder(difference + turn / 2, turn) - turn / 2
        difference = torch.where(self.turn > 0, around, difference)
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
        return torch.sigmoid(self.decoder(self.encoder(torch.cat([classes, features], -1))))


GENERATORS: dict[str, Callable[[SceneGraphLayout, SceneGraphBatch], Generator]] = {
    "transport": TransportGenerator,
    "gcn": GraphConvolutionalGenerator,
}


def prior_statistics(
    layout: SceneGraphLayout, prior: SceneGraphBatch
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and spread of each entry in units of the features: float32 [N, F] each."""
    mean = np.zeros(layout.mutable.shape, np.float32)
    spread = np.zeros_like(mean)
    values = prior.values()
    for node, feature in np.argwhere(layout.maximum > 0):
        statistics = mean_and_spread(values[:, node, feature], float(layout.period[feature]))
        maximum = layout.maximum[node, feature]
        mean[node, feature], spread[node, feature] = np.array(statistics) / maximum
    return mean, spread
