"""Other values for the odd attributes of matches that are poor."""

from __future__ import annotations

import numpy as np
import torch

from simtailor.metasim.ambiguity import unambiguous_centre
from simtailor.metasim.generator import Generator
from simtailor.metasim.search.archive import Matches
from simtailor.metasim.search.entries import Entries
from simtailor.metasim.search.policy import SearchPolicy
from simtailor.metasim.search.refinement import Refinement
from simtailor.render.renderer import Renderer
from simtailor.scene.attributes import unwrapped, wrapped


class SecondThoughts:
    """Tries other values of some attributes for every image that does not match well.

    What is odd beside the best matches is most likely wrong: one attribute, drawn by how
    far it lies from theirs, or all odd ones take the values of one of the best matches,
    and the others follow by refinement. Most matches may be wrong alike, hence the very
    best; and those of all classes, for one class may be hard to tell.

    Args:
        entries: what may change.
        generator: of the prior's statistics.
        renderer: says which poses look the same.
        refinement: moves scenes to their images.
        policy: shares.
        random: source of all choices.
    """

    def __init__(
        self,
        entries: Entries,
        generator: Generator,
        renderer: Renderer,
        refinement: Refinement,
        policy: SearchPolicy,
        random: np.random.Generator,
    ) -> None:
        self.entries, self.generator, self.renderer = entries, generator, renderer
        self.refinement, self.policy, self.random = refinement, policy, random

    def run(self, matches: Matches, goal: torch.Tensor) -> Matches:
        """Return matches, some of them better; ``goal``: scaled features of the images [m, D]."""
        centre = unambiguous_centre(matches.graphs, self.generator, self.renderer)
        same = centre.nearest(self.renderer, matches.graphs).graphs
        matches = Matches(same, matches.distances, self.policy)
        values, surest = self.entries.values(same), matches.surest(self.entries.nodes)
        odd = self._odd(values, surest)
        doubtful = np.zeros(len(same), dtype=bool)
        for node in np.unique(self.entries.nodes):
            doubtful |= ~matches.good(node, self.policy.beyond_doubt)
        rows = np.flatnonzero(doubtful & (odd.sum(1) > 0))
        if not len(rows):
            return matches
        shares = np.square(odd[rows]).cumsum(1)
        drawn = self.random.uniform(size=(len(rows), 1)) * shares[:, -1:]
        one = (drawn >= shares).sum(1).clip(max=shares.shape[1] - 1)
        changed = np.arange(values.shape[1]) == one[:, None]
        several = self.random.uniform(size=(len(rows), 1)) < self.policy.several
        changed |= several & (odd[rows] > 1)
        donors = values[self.random.choice(surest, len(rows))]
        again, found = self.refinement.run(
            self.entries.replaced(same[rows], np.where(changed, donors, values[rows])),
            goal[torch.from_numpy(rows)],
        )
        better = found < matches.distances[rows]
        return matches.changed(rows[better], again[better], found[better])

    def _odd(self, values: np.ndarray, surest: np.ndarray) -> np.ndarray:
        """Return how far values lie from those of the surest matches, in their widths: [m, E]."""
        odd = np.zeros(values.shape)
        for column in range(values.shape[1]):
            turn = self.entries.range[column] * self.entries.is_angle[column]
            known = unwrapped(values[surest, column], turn)
            width = np.ptp(np.quantile(known, (0.25, 0.75)))
            off = wrapped(values[:, column] - np.median(known), turn)
            least = self.policy.last_step * self.entries.range[column]
            odd[:, column] = np.abs(off) / (width + least)
        return odd
