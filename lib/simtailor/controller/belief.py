"""What is believed of a new task's rewards, and which set to try next.

The rewards of a new task are spread times (standardised reward) plus level. The standardised
rewards have a joint normal prior from the known tasks; level and spread are unknown: the level
has a flat prior and is integrated out, the spread's logarithm has a normal prior from the known
tasks and is integrated on a grid.

A screened reward, of a set with few images, has a level of its own with a flat prior, and differs
from the true reward by more noise: it tells sets apart, and nothing of how good they are.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), equations 2.22
to 2.24 and 2.41 (explicit basis functions); of the acquisition: Frazier, Powell and Dayanik,
"The Knowledge-Gradient Policy for Correlated Normal Beliefs" (2009).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPREADS = 9  # points of the grid over the spread
REACH = 2.0  # standard deviations of its logarithm to each side
LEAST_SPREAD_OF_LOG = 0.5  # with few known tasks, theirs say little
LEVEL_VARIANCE = 1e3  # of the flat prior, in standardised units
# Of the difference of a screened reward from the true one, beside the noise, in squared spreads.
SCREENED_VARIANCE = 0.5
NORMAL_95 = 1.96
# Nodes of the Gauss-Hermite rule: the expected best after one more evaluation.
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@dataclass(frozen=True)
class Belief:
    """Joint normal belief of the true rewards of all sets, for each spread of a grid.

    Attributes:
        means: float64 [G, S], percent; before any evaluation the level is unknown and 0.
        shape: float64 [S, S], covariance in squared spreads; the same for every spread.
        spreads: float64 [G], percent.
        weights: float64 [G], probabilities of the spreads.
        noise: variance of an evaluation, in squared spreads.
        evaluated, screened: numbers of whole and of screened evaluations taken in.
    """

    means: np.ndarray
    shape: np.ndarray
    spreads: np.ndarray
    weights: np.ndarray
    noise: float
    evaluated: int = 0
    screened: int = 0

    @classmethod
    def of(
        cls, mean: np.ndarray, covariance: np.ndarray, noise: float, known_spreads: np.ndarray
    ) -> Belief:
        """Return the belief before any evaluation.

        Args:
            mean, covariance: of the standardised rewards, [S] and [S, S].
            noise: variance of an evaluation, in the same units.
            known_spreads: spreads of the known tasks' rewards, percent.
        """
        logs = np.log(known_spreads)
        steps = np.linspace(-REACH, REACH, SPREADS)
        spreads = np.exp(logs.mean() + steps * max(logs.std(), LEAST_SPREAD_OF_LOG))
        weights = np.exp(-(steps**2) / 2)
        return cls(spreads[:, None] * mean, covariance, spreads, weights / weights.sum(), noise)

    @property
    def mean(self) -> np.ndarray:
        """Expected reward of every set, float64 [S]."""
        return self.weights @ self.means

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the rewards, float64 [S, S]."""
        away = self.means - self.mean
        spread = (self.weights[:, None] * away).T @ away
        return (self.weights @ self.spreads**2) * self.shape + spread

    def best(self) -> int:
        """Return the place of the set with the highest expected reward."""
        return int(self.mean.argmax())

    def observe(
        self, places: np.ndarray, rewards: np.ndarray, screened: np.ndarray | None = None
    ) -> Belief:
        """Return the belief of the true rewards after evaluations, none taken in before.

        Args:
            places: int64 [n], of the evaluated sets; one that was evaluated again stands again.
            rewards: float64 [n], percent, each with the noise of one evaluation.
            screened: bool [n], those of sets with few images; none if not given.
        """
        if len(places) == 0:
            return self
        if self.evaluated or self.screened:
            raise ValueError("observe takes all evaluations at once")
        screened = np.zeros(len(places), bool) if screened is None else screened
        whole = ~screened
        cross = self.shape[:, places] + LEVEL_VARIANCE * whole
        inner = self.shape[np.ix_(places, places)] + LEVEL_VARIANCE * (
            screened[:, None] == screened
        )
        inner += np.diag(self.noise + SCREENED_VARIANCE * screened)
        gain = np.linalg.solve(inner, cross.T)  # [n, S]
        # Near the levels, so that their flat priors are exact enough.
        away = rewards - self.means[:, places]  # [G, n]
        kinds = [kind for kind in (whole, screened) if kind.any()]
        residuals = away.copy()
        for kind in kinds:
            residuals[:, kind] -= away[:, kind].mean(axis=1, keepdims=True)
        level = away[:, whole].mean(axis=1, keepdims=True) if whole.any() else 0
        means = self.means + level + residuals @ gain
        squares = (residuals * np.linalg.solve(inner, residuals.T).T).sum(axis=1)
        logs = -0.5 * squares / self.spreads**2 - len(places) * np.log(self.spreads)
        # One evaluation says nothing of the spread: its level explains it, whatever it is.
        logs += len(kinds) * np.log(self.spreads)
        weights = self.weights * np.exp(logs - logs.max())
        weights /= weights.sum()
        shape = self.shape + LEVEL_VARIANCE * whole.any() - cross @ gain
        counts = int(whole.sum()), int(screened.sum())
        return Belief(means, shape, self.spreads, weights, self.noise, *counts)

    def next(self, tried: np.ndarray) -> int:
        """Return the place of the set to evaluate next.

        The first is the one of the highest expected reward. Later, the one whose evaluation
        is expected to raise the highest expected reward most (knowledge gradient).

        Args:
            tried: bool [S], sets not to propose again.
        """
        mean = self.mean
        if self.evaluated == 0:
            return int(np.where(tried, -np.inf, mean).argmax())
        covariance = self.covariance
        noise = self.noise_of_an_evaluation() ** 2
        moves = covariance / np.sqrt(np.diag(covariance) + noise)[None]  # [S, candidates]
        highest = [(mean[:, None] + node * moves).max(axis=0) for node in NODES]
        value = NODE_WEIGHTS @ np.stack(highest)
        return int(np.where(tried, -np.inf, value).argmax())

    def propose(
        self,
        places: np.ndarray,
        rewards: np.ndarray,
        barred: np.ndarray,
        count: int,
        screened: np.ndarray | None = None,
        *,
        screening: bool = False,
    ) -> list[int]:
        """Return the places of the sets to evaluate next, all of them at once.

        Each is chosen as if those before it had shown what is expected of them ("kriging
        believer"; Ginsbourger, Le Riche and Carraro, "Kriging Is Well-Suited to Parallelize
        Optimization", 2010), so that they tell different things.

        Args:
            places, rewards, screened: what was evaluated, as for ``observe``; this is the belief
                before it.
            barred: bool [S], sets not to propose; those evaluated whole are not proposed either.
            count: how many; fewer are returned where none is left.
            screening: whether sets to screen are asked for; those screened are not proposed again.
        """
        kinds = [False] * len(places) if screened is None else list(screened)
        places, rewards, barred = list(places), list(rewards), barred.copy()
        for place, was_screened in zip(places, kinds, strict=True):
            barred[place] |= screening or not was_screened
        found: list[int] = []
        while len(found) < count and not barred.all():
            belief = self.observe(np.array(places, int), np.array(rewards), np.array(kinds, bool))
            place = belief.next(barred)
            found.append(place)
            barred[place] = True
            places.append(place)
            rewards.append(belief.mean[place])
            kinds.append(False)
        return found

    def noise_of_an_evaluation(self) -> float:
        """Return the standard deviation of the noise of one evaluation, percent."""
        return float(np.sqrt(self.noise * (self.weights @ self.spreads**2)))

    def gain(self, place: int, reference: int) -> tuple[float, float]:
        """Return mean and standard deviation of a set's true reward minus another's, percent."""
        mean, covariance = self.mean, self.covariance
        variance = (
            covariance[place, place]
            + covariance[reference, reference]
            - 2 * covariance[place, reference]
        )
        return float(mean[place] - mean[reference]), float(np.sqrt(max(variance, 0)))
