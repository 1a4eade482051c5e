"""Generators: networks that change the attributes of scene graphs.

``transport`` (the default) moves the prior's own sample: every mutable entry goes along a
monotone curve, shifted and stretched by amounts that depend on the class of the node and on
its neighbours in the graph. It starts as the identity, and a spread in gives a spread out,
so the distribution cannot collapse to a point.

``gcn`` is the published design (Kar et al., ICCV 2019): graph convolutions encode the graph,
others decode the mutable attributes; encoder and decoder learn to reconstruct the prior,
then the encoder is frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from simtailor.scene.attributes import mean_and_spread
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

SAMPLING_SPREAD = 0.02  # published: noise on the decoded features while training
NO_SPREAD = 1e-7  # in units of the features: the grammar gives one value only
SEGMENTS = 12  # of the curve along which an attribute moves
CURVE_END = 2.5  # where the curve ends, in spreads from the prior's mean


class Start(NamedTuple):
    """Where the training of one entry starts.

    Attributes:
        shift: of the prior's mean, in units of the features.
        scale: factor on the prior's spread.
        bend: places and values of the curve's SEGMENTS + 1 knots, in spreads of the prior;
            the places reach from -CURVE_END to CURVE_END. None for a straight line.
        matches: number of observations that shift and scale rest on.
    """

    shift: float = 0.0
    scale: float = 1.0
    bend: tuple[np.ndarray, np.ndarray] | None = None
    matches: int = 0


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
        return list(self.parameters())

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


class TransportGenerator(Generator):
    """Moves the prior's sample along a monotone curve, conditioned on class and neighbours.

    A mutable entry with the value x becomes

        mean + shift + scale * spread * curve((x - mean) / spread),

    with mean and spread of the prior. The curve is monotone and piecewise linear, and starts
    as the identity; bent, it makes a mixture, a uniform or a skewed distribution of a
    Gaussian. Shift and scale are sums of three parts: of the entry, of the class of its node,
    and of a graph network that sees the node's neighbours.
    """

    def __init__(self, layout: SceneGraphLayout, prior: SceneGraphBatch, width: int = 16) -> None:
        super().__init__(layout, prior)
        shape = layout.mutable.shape
        # Adam's steps are as long for an entry whose gradient is all noise as for any other, so
        # a unit of shift is the prior's spread, or the start's: noise moves nothing far.
        range_ = torch.where(self.turn > 0, self.turn, torch.ones_like(self.turn))
        unit = torch.where(self.spread > NO_SPREAD, self.spread, 0.03 * range_)
        self.register_buffer("unit_of_prior", unit, persistent=False)
        self.shift = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))
        self.class_shift = nn.Parameter(torch.zeros(self.class_count, shape[1]))
        self.class_log_scale = nn.Parameter(torch.zeros(self.class_count, shape[1]))
        # Where shift and scale started, and on how many matches of the search they rest.
        for name in ("shift", "log_scale", "class_shift"):
            start = torch.zeros_like(getattr(self, name))
            self.register_buffer(f"start_{name}", start)
        self.register_buffer("matches", torch.zeros(shape))
        classes = torch.from_numpy(prior.classes)
        shares = nn.functional.one_hot(classes, self.class_count).float().mean(0)
        self.register_buffer("class_shares", shares, persistent=False)  # [N, C]
        # Logarithms of width and height of the curve's segments.
        self.width = nn.Parameter(torch.zeros(*shape, SEGMENTS))
        self.height = nn.Parameter(torch.zeros(*shape, SEGMENTS))
        self.first = GraphConvolution(self.adjacency, self.class_count + shape[1], width)
        self.second = GraphConvolution(self.adjacency, width, 2 * shape[1])
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, graphs: SceneGraphBatch, random: np.random.Generator | None = None
    ) -> torch.Tensor:
        features, classes = self.encode(graphs)
        standardised = self.standardise(features)
        hidden = torch.tanh(self.first(torch.cat([classes, standardised], -1)))
        more_shift, more_scale = self.second(hidden).chunk(2, -1)
        shift = self.shift + classes @ self.class_shift + more_shift
        scale = (self.log_scale + classes @ self.class_log_scale + more_scale).exp()
        changed = self.mean + shift * self.unit + scale * self.spread * self.curve(standardised)
        return self.finish(changed, features)

    @property
    def unit(self) -> torch.Tensor:
        """What a shift of 1 moves by, in units of the features, narrower with the start: [N, F]."""
        return self.unit_of_prior * self.start_log_scale.exp().clamp_max(1)

    def standardise(self, features: torch.Tensor) -> torch.Tensor:
        """Return mutable features [B, N, F] in spreads from the prior's mean; 0 elsewhere."""
        deviation = self.deviation(features) / self.spread.clamp_min(1e-9)
        return torch.where(self.mutable & (self.spread > NO_SPREAD), deviation, 0.0)

    def knots(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where the curve bends and its values there: float32 [N, F, SEGMENTS + 1] each."""
        widths = torch.softmax(self.width, -1) * 2 * CURVE_END
        heights = self.height.exp() * 2 * CURVE_END / SEGMENTS
        zero = torch.zeros_like(widths[..., :1])
        places = torch.cat([zero, widths.cumsum(-1)], -1) - CURVE_END
        return places, torch.cat([zero, heights.cumsum(-1)], -1)

    def curve(self, standardised: torch.Tensor) -> torch.Tensor:
        """Map [B, N, F]; 0 stays 0, and the slope is 1 beyond the curve's ends."""
        places, values = self.knots()
        points = torch.cat([torch.zeros_like(standardised[:1]), standardised])
        segment = (points[..., None] >= places[..., 1:-1]).sum(-1, keepdim=True)
        many = (len(points), *places.shape)

        def at(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
            return table.expand(many).gather(-1, index).squeeze(-1)

        left, right = at(places, segment), at(places, segment + 1)
        low, high = at(values, segment), at(values, segment + 1)
        inside = points.clamp(-CURVE_END, CURVE_END)
        curved = low + (high - low) * (inside - left) / (right - left) + (points - inside)
        return curved[1:] - curved[:1]

    def place(self, node: int, feature: int, start: Start) -> None:
        """Let one entry start from a shift, a scale and, if given, a bent curve."""
        entry = (node, feature)
        with torch.no_grad():
            self.log_scale[entry] = self.start_log_scale[entry] = float(np.log(start.scale))
            self.shift[entry] = self.start_shift[entry] = start.shift / self.unit[entry]
            self.matches[entry] = start.matches
            self.width[entry] = 0.0
            self.height[entry] = 0.0
            if start.bend is not None:
                places, values = (torch.from_numpy(np.diff(b)).float() for b in start.bend)
                self.width[entry] = places.clamp_min(1e-3).log()
                heights = values.clamp_min(1e-3) * SEGMENTS / (2 * CURVE_END)
                self.height[entry] = heights.log()

    def place_class(self, index: int, feature: int, start: Start) -> None:
        """Let a class start further by the shift, in units of the features."""
        entry = (index, feature)
        shift = start.shift / self.unit[self._node_of(feature), feature]
        with torch.no_grad():
            self.class_shift[entry] = self.start_class_shift[entry] = shift

    def forget_classes(self) -> None:
        """Let all classes start alike."""
        with torch.no_grad():
            self.class_shift.zero_()
            self.start_class_shift.zero_()
            self.class_log_scale.zero_()

    def pull(self) -> torch.Tensor:
        """Return the negative log-likelihood of shift and scale given the matches.

        The mean of n matches is known to a root of n-th of their width, and the logarithm of
        their width to about a root of n-th. They speak of every class's whole shift and scale:
        what the classes share could otherwise drift in the parts of the classes.
        """
        width = self.start_log_scale.exp() * self.spread / self.unit
        width = torch.where(self.spread > NO_SPREAD, width, 1.0)
        shift = self.shift - self.start_shift
        scale = self.log_scale - self.start_log_scale
        class_shift = self.class_shift - self.start_class_shift
        # By node, class and feature.
        shift = (shift[:, None] + class_shift).square() / width[:, None].square().clamp_min(1e-6)
        scale = (scale[:, None] + self.class_log_scale).square()
        return (self.matches[:, None] * self.class_shares[..., None] * (shift + scale)).sum() / 2

    def _node_of(self, feature: int) -> int:
        """Return the first node with this mutable attribute, or 0."""
        nodes = self.mutable[:, feature].nonzero()
        return int(nodes[0, 0]) if len(nodes) else 0

    def direct_parameters(self) -> list[nn.Parameter]:
        return [self.shift, self.class_shift]

    def curve_parameters(self) -> list[nn.Parameter]:
        return [self.log_scale, self.class_log_scale, self.width, self.height]


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
        statistics = mean_and_spread(values[:, node, feature], float(layout.period[node, feature]))
        maximum = layout.maximum[node, feature]
        mean[node, feature], spread[node, feature] = np.array(statistics) / maximum
    return mean, spread
