"""How often each class and each number of objects comes, and how both are learnt.

Classes and counts have no gradient. So scenes of the grammar, in which all of them come, are drawn
once with the attributes of the generator, and weighed: a scene with the count k and objects of the
classes c weighs q(k) / p(k) times the product of q(c) / p(c), with the shares p of the grammar and
q of the generator. The shares are those with which the weighed scenes look most like the target, by
the maximum mean discrepancy; its minimum over q is found on one matrix of kernel values (kernel
mean matching, Huang et al., "Correcting Sample Selection Bias by Unlabeled Data", 2006, with
weights of this form instead of free ones). So no scene is drawn again, and the weights are exact:
with the right attributes, the expected discrepancy is least at the target's own shares.

A scene of the grammar becomes one of the generator's by moving its class and count along both
cumulative distributions, so equal shares change nothing, and nearly equal ones change few scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from simtailor.metasim.mmd import MaximumMeanDiscrepancy
from simtailor.scene.grammar_nodes import CLASS, COUNT
from simtailor.scene.graph import ABSENT, DrawnShares, SceneGraphBatch, SceneGraphLayout
from simtailor.seeds import scene_uniforms

PENALTY = (
    1e-4  # of leaving the grammar's shares, by the relative entropy; decides what nothing shows
)
LEAST_SHARE = 1e-4  # that a class or count keeps, so that it can come back
ITERATIONS = 60


class Shares(nn.Module):
    """The shares of a generator: one vector of logarithms for each of the layout's ``drawn``.

    Args:
        layout: of the scenes; its ``drawn`` are the shares of the grammar.
    """

    def __init__(self, layout: SceneGraphLayout) -> None:
        super().__init__()
        self.layout = layout
        self.learnt = [drawn for drawn in layout.drawn if drawn.learnt]
        start = [torch.from_numpy(np.log(drawn.shares)) for drawn in self.learnt]
        self.logits = nn.ParameterList(
            [nn.Parameter(logits, requires_grad=False) for logits in start]
        )

    def of(self, drawn: DrawnShares) -> np.ndarray:
        """Return the shares of the generator, or of the grammar if none are learnt: float64 [K]."""
        for known, logits in zip(self.learnt, self.logits, strict=True):
            if known is drawn:
                return torch.softmax(logits.detach(), 0).cpu().numpy()
        return drawn.shares

    def redrawn(self, graphs: SceneGraphBatch) -> SceneGraphBatch:
        """Return scenes of the grammar with the generator's classes and counts.

        What is left open is decided by the scene's seed.
        """
        layout, classes = graphs.layout, graphs.classes.copy()
        by_kind = {(drawn.kind, drawn.source): drawn for drawn in layout.drawn}
        sources, slots = layout.source_of, layout.slot_of
        present = np.ones(classes.shape, dtype=bool)
        counts: dict[tuple[int, int], np.ndarray] = {}
        for n, (source, parent) in enumerate(zip(sources, layout.parents, strict=True)):
            of_parent = int(parent), int(source)
            siblings = np.flatnonzero((layout.parents == parent) & (sources == source))
            if of_parent not in counts:
                found = graphs.present[:, siblings].sum(1)
                drawn = by_kind[COUNT, int(source)]
                known = present[:, parent] & graphs.present[:, parent] if parent >= 0 else True
                points = scene_uniforms(graphs.seeds, 2 * n)
                counts[of_parent] = self._moved(drawn, np.where(known, found, -1), points)
            present[:, n] = slots[n] - slots[siblings[0]] < counts[of_parent]
            if parent >= 0:
                present[:, n] &= present[:, parent]
            points = scene_uniforms(graphs.seeds, 2 * n + 1)
            moved = self._moved(by_kind[CLASS, int(source)], classes[:, n], points)
            classes[:, n] = np.where(present[:, n], moved, ABSENT)
        return SceneGraphBatch(layout, classes, graphs.features, graphs.seeds)

    def _moved(self, drawn: DrawnShares, found: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return values of the generator's shares in place of the grammar's.

        Args:
            found: int [B], the grammar's values; others count as not known.
            points: [B] in [0, 1), where in its share a value lies.
        """
        values, shares = np.array(drawn.values), self.of(drawn)
        place = np.argmax(found[:, None] == values, axis=1)
        known = values[place] == found
        if shares is drawn.shares:
            moved = place
        else:
            low = drawn.shares.cumsum() - drawn.shares
            moved = _places(shares, low[place] + points * drawn.shares[place])
        return values[np.where(known, moved, _places(shares, points))]

    def fit(
        self,
        graphs: SceneGraphBatch,
        features: Sequence[torch.Tensor],
        target: Sequence[torch.Tensor],
        factors: Sequence[float],
        rate: float = 1.0,
    ) -> None:
        """Move the shares to where the weighed scenes look most like the target.

        Args:
            graphs: n scenes of the grammar.
            features: of their pictures with the generator's attributes, float32 [n, D_l] a level.
            target: of the target's images, [M, D_l] a level.
            factors: of the kernel's bandwidths.
            rate: how much of the way is gone, in the logarithms.
        """
        discrepancy = MaximumMeanDiscrepancy(list(target), list(features), factors=factors)
        kernel = discrepancy.kernel(list(features)).double().cpu()
        kernel.fill_diagonal_(0)
        across = discrepancy.kernel_between(list(features), list(target)).double().cpu().mean(1)
        found = fitted_logits(
            [logits.cpu() for logits in self.logits],
            [torch.from_numpy(np.log(drawn.shares)) for drawn in self.learnt],
            [torch.from_numpy(occurrences(graphs, drawn)) for drawn in self.learnt],
            kernel,
            across,
        )
        for logits, new in zip(self.logits, found, strict=True):
            moved = torch.log_softmax(logits + rate * (new.to(logits) - logits), 0)
            logits.copy_(moved.clamp_min(float(np.log(LEAST_SHARE))))


def fitted_logits(
    start: list[torch.Tensor],
    prior: list[torch.Tensor],
    occur: list[torch.Tensor],
    kernel: torch.Tensor,
    across: torch.Tensor,
) -> list[torch.Tensor]:
    """Return the logarithms of the shares with the least discrepancy.

    Args:
        start, prior: float64 [K] each, of each of the shares.
        occur: float64 [n, K] each, how often a scene has each value.
        kernel: float64 [n, n], of the scenes, 0 on the diagonal; across: [n], to the target.
    """
    n = len(across)
    logits = [s.clone().requires_grad_(True) for s in start]
    optimiser = torch.optim.LBFGS(
        logits, max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_grad=1e-9
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logs = [torch.log_softmax(values, 0) for values in logits]
        ratios = [o @ (q - p) for o, q, p in zip(occur, logs, prior, strict=True)]
        weights = torch.softmax(torch.stack(ratios).sum(0), 0) * n
        value = weights @ kernel @ weights / (n * (n - 1)) - 2 * (weights @ across) / n
        entropy = sum((q.exp() * (q - p)).sum() for q, p in zip(logs, prior, strict=True))
        value = value + PENALTY * entropy
        value.backward()
        return value

    optimiser.step(loss)
    return [torch.log_softmax(values.detach(), 0) for values in logits]


def occurrences(graphs: SceneGraphBatch, drawn: DrawnShares) -> np.ndarray:
    """Return how often each scene has each value of a class or a count: float64 [B, K]."""
    layout = graphs.layout
    nodes = np.flatnonzero(layout.source_of == drawn.source)
    if drawn.kind == CLASS:
        found = graphs.classes[:, nodes]
        return (found[..., None] == np.array(drawn.values)).sum(1).astype(np.float64)
    total = np.zeros((len(graphs), len(drawn.values)))
    for parent in np.unique(layout.parents[nodes]):
        copies = nodes[layout.parents[nodes] == parent]
        count = graphs.present[:, copies].sum(1)
        total += (count[:, None] == np.array(drawn.values)) & graphs.present[:, [parent]]
    return total


def shares_of(graphs: SceneGraphBatch, drawn: DrawnShares) -> np.ndarray:
    """Return how often each value comes in scenes: float64 [K], the sum is 1 if any does."""
    total = occurrences(graphs, drawn).sum(0)
    return total / max(total.sum(), 1)


def _places(shares: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.searchsorted(shares.cumsum()[:-1], points, side="right")
