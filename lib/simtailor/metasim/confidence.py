"""How sure are the recovered means and spreads? A bootstrap over the target's images.

Training anew for every resample of the target would take hours. Instead a pool of scenes is
rendered once, from the generator's distribution made somewhat wider, and is weighted
(importance sampling) as if it came from a distribution with other means and spreads. The
discrepancy of the weighted pool to a resampled target is a smooth function of them that
needs no renderer, so its minimum is found for all resamples at once (Efron and Tibshirani,
"An Introduction to the Bootstrap", 1993, chapter 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from simtailor.metasim.discrepancy import MaximumMeanDiscrepancy
from simtailor.scene.attributes import mean_and_spread, wrapped
from simtailor.scene.graph import SceneGraphBatch

POOL = 1000
WIDER = 1.25  # factor on the deviations in the pool
RESAMPLES = 100
STEPS, RATE = 120, 0.05
LEVEL = (0.025, 0.975)
MOST_SHIFT = 1.0  # spreads that a mean may move; further the pool knows nothing


@dataclass(frozen=True)
class Interval:
    """95 % intervals of an entry's mean and spread, in the attribute's own unit."""

    mean: tuple[float, float]
    spread: tuple[float, float]


def bootstrap_intervals(
    graphs: SceneGraphBatch,
    features_of_graphs: Callable[[SceneGraphBatch], list[torch.Tensor]],
    target: list[torch.Tensor],
    factors: list[float],
    random: np.random.Generator,
) -> dict[tuple[int, int], Interval]:
    """Return the intervals of all mutable entries.

    Args:
        graphs: at least ``POOL`` generated scenes.
        features_of_graphs: renders graphs and returns their features.
        target: features of the target's images.
        factors: of the kernel's bandwidths.
    """
    layout, pool = graphs.layout, graphs[:POOL]
    entries = layout.entries()
    values, centres, spreads = pool.values().copy(), [], []
    scores = np.zeros((len(pool), len(entries)))
    for e, (node, feature) in enumerate(entries):
        period = float(layout.period[feature])
        mean, spread = mean_and_spread(values[:, node, feature], period)
        spread = max(spread, 1e-6 * float(layout.maximum[node, feature]))
        deviation = wrapped(values[:, node, feature] - mean, period)
        values[:, node, feature] = mean + deviation * WIDER
        scores[:, e] = deviation * WIDER / spread
        centres.append(mean)
        spreads.append(spread)
    maximum = np.where(layout.maximum > 0, layout.maximum, 1)
    changed = np.where(layout.period > 0, values % maximum, values.clip(0, maximum)) / maximum
    mutable = np.where(layout.mutable, changed, pool.features)
    drawn = features_of_graphs(pool.with_features(mutable))
    discrepancy = MaximumMeanDiscrepancy(target, drawn, factors=factors, unbiased=True)
    within, across = discrepancy.kernel(drawn), discrepancy.cross_kernel(drawn)

    counts = random.multinomial(len(target[0]), np.full(len(target[0]), 1 / len(target[0])),
                                size=RESAMPLES)  # fmt: skip
    resampled = torch.from_numpy(counts / len(target[0])).to(across) @ across.T
    everything = across.mean(1, keepdim=True).T
    shifts, logs = _fit(
        torch.from_numpy(scores).to(within), within, torch.cat([everything, resampled])
    )
    # What the resamples do about the fit to the target itself is the uncertainty.
    shifts, logs = shifts[1:] - shifts[:1], logs[1:] - logs[:1]
    intervals = {}
    for e, entry in enumerate(entries):
        mean = centres[e] + spreads[e] * np.quantile(shifts[:, e], LEVEL)
        spread = spreads[e] * np.exp(np.quantile(logs[:, e], LEVEL))
        intervals[entry] = Interval(tuple(map(float, mean)), tuple(map(float, spread)))
    return intervals


def _fit(
    scores: torch.Tensor, within: torch.Tensor, across: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shifts (in spreads) and log-spreads [R, E] with the lowest discrepancies.

    Args:
        scores: [n, E] of the pool, in spreads from the mean.
        within: kernel [n, n] of the pool; across: mean kernel to each target, [R, n].
    """
    resamples, entries = len(across), scores.shape[1]
    shift = torch.zeros(resamples, entries, requires_grad=True)
    log_spread = torch.zeros(resamples, entries, requires_grad=True)
    within = within - torch.diag(within.diagonal())
    optimiser = torch.optim.Adam([shift, log_spread], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    drawn_from = -((scores / WIDER) ** 2).sum(1) / 2
    for _ in range(STEPS):
        moved = shift.tanh() * MOST_SHIFT
        standard = (scores[None] - moved[:, None]) / log_spread.exp()[:, None]
        density = -(standard.square() / 2).sum(2) - log_spread.sum(1, keepdim=True)
        weights = torch.softmax(density - drawn_from, 1)
        inner = (weights @ within * weights).sum(1) / (1 - weights.square().sum(1))
        loss = inner - 2 * (weights * across).sum(1)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        schedule.step()
    return (shift.tanh() * MOST_SHIFT).detach().numpy(), log_spread.detach().numpy()
