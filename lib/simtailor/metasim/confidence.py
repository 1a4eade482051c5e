"""How sure are the recovered means and spreads? A bootstrap over the target's images.

Training anew for every resample of the target would take hours. Near the optimum the
discrepancy is a quadratic function of shifts and spreads, so a resample moves its minimum by
one Newton step (the infinitesimal jackknife; Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapters 6 and 21). Slope and curvature come from one sample of generated
scenes: what a shift or a stretch does to the distribution is a change of the scenes' weights,
which is the score of a Gaussian. No scene is rendered anew.

What the images do not show has no interval. Its curvature is that of a score that belongs to
other scenes, which permutations tell (Good, "Permutation, Parametric, and Bootstrap Tests of
Hypotheses", 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from simtailor.metasim.mmd import MaximumMeanDiscrepancy
from simtailor.render.renderer import Equivalents
from simtailor.scene.attributes import mean_and_spread, wrapped

RESAMPLES = 400
LEVEL = (0.025, 0.975)
WIDEST = 1.5  # logarithm of the factor on a spread that an interval reaches at most
PERMUTATIONS, SURELY_SEEN = 50, 4.0  # standard deviations above the mean of the permutations


@dataclass(frozen=True)
class Interval:
    """95 % intervals of an entry's mean and spread, in the attribute's own unit.

    None where the images do not tell.
    """

    mean: tuple[float, float] | None
    spread: tuple[float, float] | None


def bootstrap_intervals(
    generated: Equivalents,
    features: list[torch.Tensor],
    target: list[torch.Tensor],
    factors: list[float],
    random: np.random.Generator,
    count: int | None = None,
) -> dict[tuple[int, int], Interval]:
    """Return the intervals of all mutable entries.

    Args:
        generated: about a thousand scenes; what their pictures do not tell has no say.
        features: of their images.
        target: features of the target's images.
        factors: of the kernel's bandwidths.
        count: number of images that the generator was fitted to, where ``target`` is a part of
            them; a resample has so many.
    """
    graphs, layout = generated.graphs, generated.graphs.layout
    values, entries = graphs.values().astype(np.float64), layout.entries()
    statistics, scores = [], []
    for node, feature in entries:
        period, seen = float(layout.period[node, feature]), generated.identified[:, node, feature]
        if not seen.any():
            seen = np.ones(len(graphs), dtype=bool)
        mean, spread = mean_and_spread(values[seen, node, feature], period)
        spread = max(spread, 1e-9 * float(layout.maximum[node, feature]))
        standard = wrapped(values[:, node, feature] - mean, period) / spread
        statistics.append((mean, spread))
        scores += [np.where(seen, score, 0) for score in (standard, standard**2 - 1)]
    score = torch.from_numpy(np.stack(scores, 1)).to(features[0].device)
    score = (score - score.mean(0)) / len(graphs)  # the weights still sum up to 1

    discrepancy = MaximumMeanDiscrepancy(target, features, factors=factors, unbiased=True)
    within, across = discrepancy.kernel(features).double(), discrepancy.cross_kernel(features)
    within = within - within.mean(0) - within.mean(1, keepdim=True) + within.mean()
    within = within - torch.diag(within.diagonal())
    curvature = score.T @ within @ score
    shown = _shown(score, within, curvature.diagonal(), random)

    known, count = len(target[0]), count or len(target[0])
    drawn = random.multinomial(count, np.full(known, 1 / known), size=RESAMPLES) / count
    changes = torch.from_numpy(drawn - 1 / known).to(across.device) @ across.double().T
    steps = np.zeros((RESAMPLES, 2 * len(entries)))
    if shown.any():
        curvature, score = curvature[shown][:, shown], score[:, shown]
        # Directions that the images hardly tell apart: far, but not infinitely far.
        curvature.diagonal().add_(1e-4 * curvature.diagonal().max())
        solved = torch.linalg.solve(curvature, score.T @ changes.T)
        steps[:, shown.cpu().numpy()] = solved.T.cpu().numpy()
    intervals = {}
    for e, (entry, (mean, spread)) in enumerate(zip(entries, statistics, strict=True)):
        shift = np.quantile(steps[:, 2 * e], LEVEL)
        stretch = np.quantile(steps[:, 2 * e + 1], LEVEL).clip(-WIDEST, WIDEST)
        low, high = mean + spread * shift
        narrow, wide = spread * np.exp(stretch)
        intervals[entry] = Interval(
            (float(low), float(high)) if shown[2 * e] else None,
            (float(narrow), float(wide)) if shown[2 * e + 1] else None,
        )
    return intervals


def _shown(
    score: torch.Tensor, kernel: torch.Tensor, curvature: torch.Tensor, random: np.random.Generator
) -> torch.Tensor:
    """Return which scores change the images' distribution more than permuted ones: bool [s].

    Args:
        score: [n, s], each sums up to 0.
        kernel: [n, n], centred, its diagonal 0.
        curvature: [s], of each score.
    """
    order = np.stack([random.permutation(len(score)) for _ in range(PERMUTATIONS)])
    permuted = score[torch.from_numpy(order).to(score.device)]  # [p, n, s]
    chance = torch.einsum("pns,nm,pms->ps", permuted, kernel, permuted)
    return curvature > chance.mean(0) + SURELY_SEEN * chance.std(0)
