"""The generator ``transport``: it moves the prior's own sample.

Every mutable entry goes along a monotone curve, shifted and stretched by amounts that depend on
the class of the node and on its neighbours in the graph. It starts as the identity, and a spread
in gives a spread out, so the distribution cannot collapse to a point.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from simtailor.metasim.generator import NO_SPREAD, Generator, GraphConvolution
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

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
        # By node of the grammar: what comes several times has one distribution.
        self.sources = torch.from_numpy(layout.source_of) if layout.repeated else None
        self.firsts = torch.from_numpy(layout.firsts)
        shape = (len(self.firsts), len(layout.features))
        # Adam's steps are as long for an entry whose gradient is all noise as for any other, so
        # a unit of shift is the prior's spread, or the start's: noise moves nothing far.
        turn, spread = self.turn[self.firsts], self.spread[self.firsts]
        range_ = torch.where(turn > 0, turn, torch.ones_like(turn))
        unit = torch.where(spread > NO_SPREAD, spread, 0.03 * range_)
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
        shares = self.encode(prior)[1].mean(0)
        if self.sources is not None:
            shares = torch.zeros(shape[0], self.class_count).index_add(0, self.sources, shares)
            shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-9)
        self.register_buffer("class_shares", shares, persistent=False)  # [G, C]
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
        standardised, present = self.standardise(features), self.present(classes)
        hidden = torch.tanh(self.first(torch.cat([classes, standardised], -1), present))
        more_shift, more_scale = self.second(hidden, present).chunk(2, -1)
        shift = self.of_nodes(self.shift) + classes @ self.class_shift + more_shift
        log_scale = self.of_nodes(self.log_scale) + classes @ self.class_log_scale + more_scale
        shift, scale = shift * self.of_nodes(self.unit), log_scale.exp()
        changed = self.mean + shift + scale * self.spread * self.curve(standardised)
        return self.finish(changed, features)

    def of_nodes(self, table: torch.Tensor) -> torch.Tensor:
        """Return a table by node of the grammar, [G, ...], as one by node: [N, ...]."""
        return table if self.sources is None else table[self.sources]

    @property
    def unit(self) -> torch.Tensor:
        """What a shift of 1 moves by, in units of the features, narrower with the start: [G, F]."""
        return self.unit_of_prior * self.start_log_scale.exp().clamp_max(1)

    def standardise(self, features: torch.Tensor) -> torch.Tensor:
        """Return mutable features [B, N, F] in spreads from the prior's mean; 0 elsewhere."""
        deviation = self.deviation(features) / self.spread.clamp_min(1e-9)
        return torch.where(self.mutable & (self.spread > NO_SPREAD), deviation, 0.0)

    def knots(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where the curve bends and its values there: float32 [G, F, SEGMENTS + 1] each."""
        widths = torch.softmax(self.width, -1) * 2 * CURVE_END
        heights = self.height.exp() * 2 * CURVE_END / SEGMENTS
        zero = torch.zeros_like(widths[..., :1])
        places = torch.cat([zero, widths.cumsum(-1)], -1) - CURVE_END
        return places, torch.cat([zero, heights.cumsum(-1)], -1)

    def curve(self, standardised: torch.Tensor) -> torch.Tensor:
        """Map [B, N, F]; 0 stays 0, and the slope is 1 beyond the curve's ends."""
        places, values = map(self.of_nodes, self.knots())
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
        """Let one entry start from a shift, a scale and, if given, a bent curve.

        All copies of the node start so.
        """
        entry = (int(self.layout.source_of[node]), feature)
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
        spread = self.spread[self.firsts]
        width = self.start_log_scale.exp() * spread / self.unit
        width = torch.where(spread > NO_SPREAD, width, 1.0)
        shift = self.shift - self.start_shift
        scale = self.log_scale - self.start_log_scale
        class_shift = self.class_shift - self.start_class_shift
        # By node of the grammar, class and feature.
        shift = (shift[:, None] + class_shift).square() / width[:, None].square().clamp_min(1e-6)
        scale = (scale[:, None] + self.class_log_scale).square()
        return (self.matches[:, None] * self.class_shares[..., None] * (shift + scale)).sum() / 2

    def _node_of(self, feature: int) -> int:
        """Return the first node of the grammar with this mutable attribute, or 0."""
        nodes = self.mutable[self.firsts][:, feature].nonzero()
        return int(nodes[0, 0]) if len(nodes) else 0

    def direct_parameters(self) -> list[nn.Parameter]:
        return [self.shift, self.class_shift]

    def curve_parameters(self) -> list[nn.Parameter]:
        return [self.log_scale, self.class_log_scale, self.width, self.height]
