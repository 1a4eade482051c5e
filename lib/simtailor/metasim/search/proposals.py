"""New scenes for the population, from the prior and from the best ones so far."""

from __future__ import annotations

import numpy as np

from simtailor.metasim.search.archive import Matches
from simtailor.metasim.search.entries import Entries
from simtailor.metasim.search.policy import SearchPolicy
from simtailor.scene.graph import SceneGraphBatch


class Proposals:
    """Makes the scenes of a round.

    Args:
        entries: what may change.
        count: number of scenes a round.
        policy: lengths and shares.
        random: source of all choices.
    """

    def __init__(
        self, entries: Entries, count: int, policy: SearchPolicy, random: np.random.Generator
    ) -> None:
        self.entries, self.count, self.policy, self.random = entries, count, policy, random

    def first(self, prior: SceneGraphBatch) -> SceneGraphBatch:
        """Return scenes of the prior, most of them with one attribute drawn anew."""
        graphs = prior[: self.count]
        values = self.entries.values(graphs)
        redrawn = self._redrawn(values)
        kept = self.random.uniform(size=(len(values), 1)) < self.policy.kept_at_first
        return self.entries.replaced(graphs, np.where(kept, values, redrawn))

    def next(self, matches: Matches, prior: SceneGraphBatch, done: float) -> SceneGraphBatch:
        """Return new scenes near the best ones, or mixed with one of the best matched.

        Args:
            prior: gives the seeds.
            done: share of the rounds in [0, 1]; steps become shorter.
        """
        random, count, policy = self.random, self.count, self.policy
        step = policy.first_step * (policy.last_step / policy.first_step) ** done
        best = matches.graphs
        parents = best[random.integers(len(best), size=count)]
        most = max(1, int(len(best) * policy.donors))
        donors = np.argsort(matches.distances, kind="stable")[:most]
        values = self.entries.values(parents)
        others = self.entries.values(best)[random.choice(donors, size=count)]
        others = self.entries.aligned(values, others)
        shape = values.shape
        moved = random.uniform(size=shape) < policy.moved
        moved[np.arange(count), random.integers(shape[1], size=count)] = True
        # Steps of many lengths: nobody knows how far the goal is.
        length = step * np.exp(random.normal(size=(count, 1)))
        small_move = values + moved * random.normal(size=shape) * length * self.entries.range
        # Few values or many from the donor: of many attributes, often only one is wrong.
        kept = random.uniform(size=shape) < random.uniform(size=(count, 1))
        mixture = np.where(kept, values, others)
        jittered = random.normal(size=shape)
        jittered = jittered * (random.uniform(size=(count, 1)) < policy.jittered)
        mixture = mixture + jittered * policy.last_step * self.entries.range
        kind = random.uniform(size=(count, 1))
        redrawn = self._redrawn(values)
        new = np.where(kind < policy.small_moves + policy.mixtures, mixture, redrawn)
        new = np.where(kind < policy.small_moves, small_move, new)
        seeds = prior.seeds[random.integers(len(prior), size=count)]
        graphs = SceneGraphBatch(parents.layout, parents.classes, parents.features, seeds)
        return self.entries.replaced(graphs, new)

    def _redrawn(self, values: np.ndarray) -> np.ndarray:
        """Return the values with one of each row drawn from its whole range."""
        values, rows = values.copy(), np.arange(len(values))
        which = self.random.integers(values.shape[1], size=len(values))
        values[rows, which] = self.random.uniform(size=len(values)) * self.entries.range[which]
        return values
