"""How often each class and each number of objects comes, and how both are learnt.

Classes and counts have no gradient. So scenes of the grammar, in which all of them come, are drawn
once with the attributes of the generator, and weighed: a scene with the count k and objects of the
classes c weighs q(k) / p(k) times the product of q(c) / p(c), with the shares p of the grammar and
q of the generator. That is label shift: pictures of equal scenes look alike, only how often they
come differs. As in Lipton, Wang and Smola, "Detecting and Correcting for Label Shift with Black Box
Predictors", 2018, a predictor of classes and counts from pictures (kernel ridge regression on the
features of the training) is fitted to one half of the scenes, and the shares are those with which
its mean over the weighed other half is that over the target. The predictor may be poor: where its
mean moves with the shares, they are found. A little relative entropy to the grammar's shares
decides what no picture shows. No scene is drawn twice, and with the right attributes the target's
own shares are what is expected.

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

# Of leaving the grammar's shares, by the relative entropy; the rest is half a chi-square.
PENALTY = 2.0
# Of the predictor: kernels from narrow to nearly linear, for objects add up in a picture, and
# shares of the kernel's diagonal, one of which is taken.
FACTORS = (0.2, 1.0, 5.0, 25.0)
RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
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
            if (known.kind, known.source) == (drawn.kind, drawn.source):
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
        if not drawn.learnt:
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
        rate: float = 1.0,
    ) -> None:
        """Move the shares to where the weighed scenes look most like the target.

        Args:
            graphs: n scenes of the grammar.
            features: of their pictures with the generator's attributes, float32 [n, D_l] a level.
            target: of the target's images, [M, D_l] a level.
            rate: how much of the way is gone, in the logarithms.
        """
        mmd = MaximumMeanDiscrepancy(list(target), list(features), factors=FACTORS)
        kernel = mmd.kernel(list(features)).double().cpu()
        across = mmd.kernel_between(list(features), list(target)).double().cpu()
        occur = [torch.from_numpy(occurrences(graphs, drawn)) for drawn in self.learnt]
        found = fitted_logits(
            [logits.cpu() for logits in self.logits],
            [torch.from_numpy(np.log(drawn.shares)) for drawn in self.learnt],
            occur,
            predictions(kernel, across, torch.cat(occur, 1)),
        )
        for logits, new in zip(self.logits, found, strict=True):
            moved = torch.log_softmax(logits + rate * (new.to(logits) - logits), 0)
            logits.copy_(moved.clamp_min(float(np.log(LEAST_SHARE))))


Predictions = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def predictions(
    kernel: torch.Tensor, across: torch.Tensor, labels: torch.Tensor
) -> list[Predictions]:
    """Return for each half of the scenes what a predictor fitted to the other half says.

    Args:
        kernel: float64 [n, n], of the scenes; across: [n, M], to the target.
        labels: float64 [n, K], what is to be predicted.

    Returns:
        Of each half the scenes, int64 [h], the predictions of them, [h, K], and of the target's
        images, [M, K].
    """
    halves = torch.arange(len(kernel)).split((len(kernel) + 1) // 2)
    made = []
    for seen, others in (halves, halves[::-1]):
        middle = labels[seen].mean(0)
        weights = _regression(kernel[seen][:, seen], labels[seen] - middle)
        made.append((
            others,
            middle + kernel[others][:, seen] @ weights,
            middle + across[seen].T @ weights,
        ))  # fmt: skip
    return made


def _regression(kernel: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the weights [h, K] of kernel ridge regression; each ridge by leaving one out."""
    values, vectors = torch.linalg.eigh(kernel)
    best, least = torch.zeros_like(labels), torch.full(labels.shape[1:], float("inf")).to(labels)
    for ridge in RIDGES:
        inverse = (vectors / (values.clamp_min(0) + ridge * kernel[0, 0])) @ vectors.T
        weights = inverse @ labels
        error = (weights / inverse.diagonal()[:, None]).square().sum(0)
        best = torch.where(error < least, weights, best)
        least = torch.minimum(error, least)
    return best


def fitted_logits(
    start: list[torch.Tensor],
    prior: list[torch.Tensor],
    occur: list[torch.Tensor],
    predicted: list[Predictions],
) -> list[torch.Tensor]:
    """Return the logarithms of the shares with which scenes are predicted as the target is.

    Args:
        start, prior: float64 [K] each, of each of the shares.
        occur: float64 [n, K] each, how often a scene has each value.
        predicted: as from ``predictions``.
    """
    logits = [s.clone().requires_grad_(True) for s in start]
    optimiser = torch.optim.LBFGS(logits, max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    precisions = [_precision(of_scenes, of_target) for _, of_scenes, of_target in predicted]

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logs = [torch.log_softmax(values, 0) for values in logits]
        ratios = [o @ (q - p) for o, q, p in zip(occur, logs, prior, strict=True)]
        ratio = torch.stack(ratios).sum(0)
        value = PENALTY * sum((q.exp() * (q - p)).sum() for q, p in zip(logs, prior, strict=True))
        for (rows, of_scenes, of_target), precision in zip(predicted, precisions, strict=True):
            off = torch.softmax(ratio[rows], 0) @ of_scenes - of_target.mean(0)
            value = value + off @ precision @ off / (2 * len(predicted))
        value.backward()
        return value

    optimiser.step(loss)
    return [torch.log_softmax(values.detach(), 0) for values in logits]


def _precision(of_scenes: torch.Tensor, of_target: torch.Tensor) -> torch.Tensor:
    """Return the inverse covariance of the difference of two means; what is always 0 has none."""
    covariance = sum(torch.cov(rows.T) / len(rows) for rows in (of_scenes, of_target))
    return torch.linalg.pinv(covariance, rtol=1e-4, hermitian=True)


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
