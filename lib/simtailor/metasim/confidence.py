"""How sure are the recovered means and spreads? Intervals from the images' own derivatives.

A fit by the maximum mean discrepancy is a minimum-distance estimate: its error is nearly Gaussian,
with the covariance H^-1 C H^-1 / M (Briol et al., "Statistical Inference for Generative Models
with Maximum Mean Discrepancy", 2019; the sandwich of Huber 1967 and White 1982, which also holds
where the renderer differs from the world). H says how the distribution of pictures changes with
means and spreads, C how the images of the target scatter in these directions, M is their number.
For both, some scenes are drawn with every attribute moved up and down: shifting the mean moves all
scenes alike, stretching the spread moves each by how far it lies from the mean.

The same numbers say where the target's images would move the fit: one Newton step to the least
discrepancy. What is left to go is an error, too, and the intervals contain it.

Where the renderer cannot look like the target, the least discrepancy is no longer where the truth
is, and no derivative says how far away. Then the standard errors are multiplied by the misfit, as
is done with measurements that contradict each other: "Review of Particle Physics", Phys. Rev. D
110, 030001 (2024), section 5.2.2, the scale factor of averages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from simtailor.metasim.mmd import MaximumMeanDiscrepancy
from simtailor.render.gradient import perturb
from simtailor.render.renderer import Equivalents
from simtailor.scene.attributes import mean_and_spread, wrapped
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

Levels = list[torch.Tensor]

DERIVED = 256  # scenes that are drawn with every attribute moved
SHORTEST = 0.25  # spreads that a scene is moved at least, up and down
REACH = 1.96  # standard errors that a 95 % interval reaches to either side
SURELY_SEEN = 4.0  # standard deviations of chance that a response must be above 0
FEWEST_EFFECTIVE = 5.0  # images; below, the images do not tell a number well enough to state it
OFF = 3.5  # standard errors that the images may ask for, by chance among some twenty numbers
LEAST_EIGENVALUE = 1e-3  # of the responses' correlation: directions that are hardly told apart


@dataclass(frozen=True)
class Known:
    """What the images say of one number of an entry: its mean, or the logarithm of its spread.

    Attributes:
        error: standard error in spreads of the attribute; infinite where no picture shows it.
        left: where the target's images would move it, in spreads.
        noise: standard error of ``left`` by the choice of the generated scenes.
        perfect: standard error that one image would give whose attribute were written on it.
        misfit: what ``error`` is multiplied by, for the renderer looks otherwise.
    """

    error: float
    left: float
    noise: float
    perfect: float
    misfit: float = 1.0

    @property
    def total(self) -> float:
        """Standard error with what is left to go, and what is not known of that."""
        return float(np.linalg.norm((self.misfit * self.error, self.left, self.noise)))

    @property
    def effective(self) -> float:
        """How many such images would say as much."""
        return (self.perfect / self.total) ** 2 if np.isfinite(self.total) else 0.0

    @property
    def told(self) -> bool:
        """Whether the images tell the number well enough to give an interval."""
        return self.effective >= FEWEST_EFFECTIVE

    @property
    def off(self) -> bool:
        """Whether the images would move it further than chance allows."""
        return bool(
            np.isfinite(self.error) and abs(self.left) > OFF * np.hypot(self.error, self.noise)
        )


@dataclass(frozen=True)
class Interval:
    """95 % intervals of an entry's mean and spread, in the attribute's own unit.

    None where the images do not tell.

    Attributes:
        known_mean, known_spread: what they rest on.
    """

    mean: tuple[float, float] | None
    spread: tuple[float, float] | None
    known_mean: Known
    known_spread: Known


def fit_intervals(
    generated: Equivalents,
    features_of: Callable[[SceneGraphBatch], Levels],
    steps: np.ndarray,
    target: Levels,
    factors: list[float],
    count: int | None = None,
    misfit: float = 1.0,
) -> dict[tuple[int, int], Interval]:
    """Return the intervals of all mutable entries, by node of the grammar and feature.

    Args:
        generated: about a thousand scenes, in one Latin hypercube; what their pictures do not
            tell has no say.
        features_of: draws scenes and returns one float32 [n, D_l] a level.
        steps: float32 [N, F], half distances in units of the features at which the pictures of
            an entry respond well.
        target: features of the target's images.
        factors: of the kernel's bandwidths.
        count: number of images that the generator was fitted to, where ``target`` is a part of
            them.
        misfit: of ``HeldOutComparison``.
    """
    graphs, layout = generated.graphs, generated.graphs.layout
    entries, base = layout.entries(), features_of(graphs)
    shared = _Shared(layout)
    derived = graphs[:DERIVED]
    n, m = len(derived), len(graphs)
    discrepancy = MaximumMeanDiscrepancy(target, base, factors=factors, unbiased=True)
    statistics, moved, weights, lengths, places = [], [], [], [], []
    for entry in entries:
        mean, spread, standard = _standardised(generated, entry)
        statistics.append((mean, spread))
        places.append(np.where(graphs.present[:, entry[0]], standard, 0))
        maximum = float(layout.maximum[entry])
        step = max(float(steps[entry]), SHORTEST * spread / maximum)
        one = np.zeros(layout.mutable.shape, np.float32)
        one[entry] = step
        changed, _ = perturb(derived.features, one, np.array([entry]))
        moved.append(features_of(derived.repeat(2).with_features(changed)))
        lengths.append(2 * step * maximum / spread)
        seen = generated.identified[:n, *entry].astype(np.float64)
        weights.append(np.stack([seen, np.where(seen > 0, standard[:n], 0)]))
    # [2 E, n]: of each number, by how much a scene moves with it, in spreads.
    weight = torch.from_numpy(np.concatenate(weights))

    def slopes(levels: Levels) -> torch.Tensor:
        """Return how each number changes the mean kernel at given features: [2 E, k]."""
        rows = []
        for e, pair in enumerate(moved):
            up, down = discrepancy.kernel_between(pair, levels).double().cpu().split(n)
            rows.append(weight[2 * e : 2 * e + 2] @ ((up - down) / lengths[e]) / n)
        return shared.summed(torch.cat(rows))

    curvature, chance = shared.curvature(*_curvature(discrepancy, moved, weight, lengths))
    at_target, at_base = slopes(target), slopes(base)
    left = at_target.mean(1) - at_base.mean(1)
    covariance = torch.cov(at_target) / (count or len(target[0]))
    seen = curvature.diagonal() > SURELY_SEEN * chance
    numbers = len(curvature)
    known = [Known(np.inf, 0.0, np.inf, 1.0)] * numbers
    if seen.any():
        inverse = _inverse(curvature[seen][:, seen])
        errors = (inverse @ covariance[seen][:, seen] @ inverse).diagonal().clamp_min(0).sqrt()
        uneven = _not_additive(at_base[seen], np.stack(places))
        noises = inverse @ (torch.cov(uneven).reshape(len(inverse), -1) / m) @ inverse
        noises = noises.diagonal().clamp_min(0).sqrt()
        rests = inverse @ left[seen]
        for place, index in enumerate(np.flatnonzero(seen.numpy())):
            perfect = 1.0 if index % 2 == 0 else 0.5**0.5
            values = (float(v[place]) for v in (errors, rests, noises))
            known[index] = Known(*values, perfect, misfit)
    intervals = {}
    for e, entry in enumerate(shared.entries):
        mean, spread = statistics[shared.owner.index(e)]
        of_mean, of_spread = known[2 * e], known[2 * e + 1]
        reach, factor = REACH * of_mean.total * spread, np.exp(REACH * of_spread.total)
        intervals[entry] = Interval(
            (mean - reach, mean + reach) if of_mean.told else None,
            (spread / float(factor), spread * float(factor)) if of_spread.told else None,
            of_mean,
            of_spread,
        )
    return intervals


class _Shared:
    """The numbers that the copies of a node share: they move all copies, so the effects add up.

    Args:
        layout: of the scenes.

    Attributes:
        entries: nodes of the grammar and features.
        owner: the place in ``entries`` of each of the layout's entries.
    """

    def __init__(self, layout: SceneGraphLayout) -> None:
        sources = layout.source_of
        of_grammar = [(int(sources[node]), feature) for node, feature in layout.entries()]
        self.entries = list(dict.fromkeys(of_grammar))
        self.owner = [self.entries.index(entry) for entry in of_grammar]

    def summed(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the sums of the rows [2 E, ...] of entries that share their two numbers."""
        if len(self.entries) == len(self.owner):
            return rows
        index = torch.tensor([2 * e + i for e in self.owner for i in (0, 1)])
        total = torch.zeros(2 * len(self.entries), *rows.shape[1:], dtype=rows.dtype)
        return total.index_add(0, index, rows)

    def curvature(
        self, curvature: torch.Tensor, chance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what ``_curvature`` returns, of the shared numbers."""
        if len(self.entries) == len(self.owner):
            return curvature, chance
        return self.summed(self.summed(curvature).T), self.summed(chance.square()).sqrt()


def _standardised(
    generated: Equivalents, entry: tuple[int, int]
) -> tuple[float, float, np.ndarray]:
    """Return mean and spread of an entry, and every scene's distance from the mean in spreads."""
    layout, values = generated.graphs.layout, generated.graphs.values()[:, *entry]
    copies = np.flatnonzero(layout.source_of == layout.source_of[entry[0]])
    of_all = generated.graphs.values()[:, copies, entry[1]]
    seen = generated.identified[:, copies, entry[1]]
    period = float(layout.period[entry])
    mean, spread = mean_and_spread(of_all[seen] if seen.any() else of_all.ravel(), period)
    spread = max(spread, 1e-9 * float(layout.maximum[entry]))
    return mean, spread, wrapped(values.astype(np.float64) - mean, period) / spread


def _not_additive(values: torch.Tensor, places: np.ndarray) -> torch.Tensor:
    """Return what of values is no sum of functions of single attributes: float64 [k, m].

    The mean over a Latin hypercube varies by this alone (Stein, "Large Sample Properties of
    Simulations Using Latin Hypercube Sampling", 1987). Quadratic functions stand for all.

    Args:
        values: float64 [k, m], of m scenes; places: float64 [E, m], their attributes in spreads.
    """
    terms = np.concatenate([np.ones((1, places.shape[1])), places, places**2])
    design = torch.from_numpy(terms.T)
    # By singular values: the columns of an attribute that does not vary are the same.
    found = torch.linalg.lstsq(design, values.T, driver="gelsd").solution
    return values - (design @ found).T


def _curvature(
    discrepancy: MaximumMeanDiscrepancy,
    moved: list[Levels],
    weight: torch.Tensor,
    lengths: list[float],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return half the curvature of the discrepancy at its minimum, and what chance makes of it.

    Args:
        moved: features of n scenes moved up, then of the same moved down, by entry.
        weight: float64 [2 E, n], by how much a scene moves with each number.
        lengths: distance between the two of an entry, in spreads.

    Returns:
        [2 E, 2 E], and [2 E]: the standard deviation of the diagonal if every scene's derivative
        had a random sign.
    """
    numbers, n = weight.shape
    curvature, chance = torch.zeros(numbers, numbers, dtype=torch.float64), torch.zeros(numbers)
    for e, first in enumerate(moved):
        for f, second in enumerate(moved[: e + 1]):
            kernel = discrepancy.kernel_between(first, second).double().cpu()
            kernel = kernel[:n] - kernel[n:]
            kernel = (kernel[:, :n] - kernel[:, n:]) / (lengths[e] * lengths[f])
            kernel.fill_diagonal_(0)  # pairs of different scenes only
            own, other = weight[2 * e : 2 * e + 2], weight[2 * f : 2 * f + 2]
            block = own @ kernel @ other.T / (n * (n - 1))
            curvature[2 * e : 2 * e + 2, 2 * f : 2 * f + 2] = block
            curvature[2 * f : 2 * f + 2, 2 * e : 2 * e + 2] = block.T
            if e == f:
                squares = own.square() @ kernel.square() @ own.square().T
                chance[2 * e : 2 * e + 2] = (2 * squares.diagonal()).sqrt() / (n * (n - 1))
    return curvature, chance


def _inverse(curvature: torch.Tensor) -> torch.Tensor:
    """Return the inverse; directions that are hardly told apart count as told a little."""
    size = curvature.diagonal().sqrt()
    scale = size[:, None] * size
    values, vectors = torch.linalg.eigh(curvature / scale)
    return (vectors / values.clamp_min(LEAST_EIGENVALUE)) @ vectors.T / scale
