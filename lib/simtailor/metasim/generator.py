"""What all generators share: networks that change the attributes of scene graphs.

Two are built in: ``transport`` (the default) and ``gcn``, the published one; see their modules.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from simtailor.metasim.shares import Shares
from simtailor.scene.attributes import mean_and_spread
from simtailor.scene.graph import ABSENT, SceneGraphBatch, SceneGraphLayout

NO_SPREAD = 1e-7  # in units of the features: the grammar gives one value only


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

    def forward(self, nodes: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        """Map [B, N, inputs] to [B, N, outputs].

        Args:
            present: float [B, N, 1], 1 for nodes that are there; None where all are.
        """
        if present is None:
            return self.own(nodes) + self.other(self.neighbours @ nodes)
        total = (self.neighbours @ present).clamp_min(1e-6)
        return self.own(nodes) + self.other(self.neighbours @ (nodes * present) / total)


class Generator(nn.Module):
    """What all generators share: encoding graphs as tensors, and keeping fixed entries.

    Args:
        layout: layout of the graphs; its ``mutable`` entries are changed.
        prior: a large sample of the grammar, for the prior's means and spreads.

    Attributes:
        shares: of classes and counts, None where they stay the grammar's.
    """

    def __init__(self, layout: SceneGraphLayout, prior: SceneGraphBatch) -> None:
        super().__init__()
        self.layout = layout
        self.class_count = len(layout.class_names)
        self.shares = Shares(layout) if any(drawn.learnt for drawn in layout.drawn) else None
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
        one_hot = nn.functional.one_hot(classes.clamp_min(0), self.class_count).float()
        if self.layout.repeated:
            one_hot = one_hot * (classes != ABSENT)[..., None]
        return torch.from_numpy(graphs.features).to(device), one_hot

    def present(self, classes: torch.Tensor) -> torch.Tensor | None:
        """Return which nodes are there, by classes as ``encode`` gives them: [B, N, 1], or None."""
        return classes.sum(-1, keepdim=True) if self.layout.repeated else None

    def redrawn(self, graphs: SceneGraphBatch) -> SceneGraphBatch:
        """Return scenes of the grammar with the classes and counts that were learnt."""
        return graphs if self.shares is None else self.shares.redrawn(graphs)

    def deviation(self, features: torch.Tensor) -> torch.Tensor:
        """Return the distance to the prior's mean, the short way round for angles."""
        return self.short_way(features - self.mean)

    def short_way(self, difference: torch.Tensor) -> torch.Tensor:
        """Return differences of features [B, N, F], of angles those the short way round."""
        turn = self.turn.clamp_min(1e-9)
        around = torch.remainder(difference + turn / 2, turn) - turn / 2
        return torch.where(self.turn > 0, around, difference)

    def finish(self, changed: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Wrap angles into [0, 1), clamp the rest to [0, 1], keep entries that are fixed."""
        changed = torch.where(self.turn > 0, torch.remainder(changed, 1.0), changed.clamp(0, 1))
        return torch.where(self.mutable, changed, features)

    def start_training(self) -> list[nn.Parameter]:
        """Return the parameters to train on the discrepancy."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def direct_parameters(self) -> list[nn.Parameter]:
        """Return the parameters in natural units, which take larger steps than a network's."""
        return []

    def curve_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of width and shape, logarithms that take smaller steps."""
        return []

    def pull(self) -> torch.Tensor:
        """Return how unlikely the place is by what the search saw: a negative logarithm."""
        return torch.zeros((), device=self.mean.device)

    def forward(
        self, graphs: SceneGraphBatch, random: np.random.Generator | None = None
    ) -> torch.Tensor:
        """Return changed features, float32 [B, N, F].

        Args:
            random: source of the noise that ``gcn`` adds while training.
        """
        raise NotImplementedError

    def changed(self, graphs: SceneGraphBatch) -> SceneGraphBatch:
        """Return graphs of the prior as the generator changes them, without gradient."""
        with torch.no_grad():
            return graphs.with_features(self(graphs).cpu().numpy())

    def weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of the weights, on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.state_dict().items()}


def prior_statistics(
    layout: SceneGraphLayout, prior: SceneGraphBatch
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and spread of each entry in units of the features: float32 [N, F] each."""
    mean = np.zeros(layout.mutable.shape, np.float32)
    spread = np.zeros_like(mean)
    values, sources = prior.values(), layout.source_of
    for node, feature in np.argwhere(layout.maximum > 0):
        copies = np.flatnonzero(sources == sources[node])
        sample = values[:, copies, feature][prior.present[:, copies]]
        if not len(sample):
            continue
        statistics = mean_and_spread(sample, float(layout.period[node, feature]))
        maximum = layout.maximum[node, feature]
        mean[node, feature], spread[node, feature] = np.array(statistics) / maximum
    return mean, spread
