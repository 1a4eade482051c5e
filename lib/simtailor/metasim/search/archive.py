"""The best scene of every target image so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simtailor.metasim.search.policy import POLICY, SearchPolicy
from simtailor.scene.graph import SceneGraphBatch


@dataclass(eq=False)
class Matches:
    """The nearest rendered scene of each target image.

    Attributes:
        graphs: one scene graph an image.
        distances: float [m], squared distances, about 1 for a scene that is no nearer than
            those of the prior; infinite where the match is known to be wrong.
        policy: says what is good.
    """

    graphs: SceneGraphBatch
    distances: np.ndarray
    policy: SearchPolicy = POLICY

    def good(self, node: int, factor: float | None = None) -> np.ndarray:
        """Return which scenes match nearly as well as the best of their class: bool [m].

        Classes are compared apart: a small object never is far from its image.

        Args:
            factor: times the distance of the best share; the policy's where None.
        """
        factor = self.policy.almost_as_good if factor is None else factor
        good = np.zeros(len(self.distances), dtype=bool)
        known = np.isfinite(self.distances)
        for index in np.unique(self.graphs.classes[:, node]):
            member = known & (self.graphs.classes[:, node] == index)
            if member.any():
                best = np.quantile(self.distances[member], self.policy.best_share)
                good |= member & (self.distances <= max(factor * best, self.policy.surely_good))
        return good

    def surest(self, nodes: np.ndarray) -> np.ndarray:
        """Return the indices of the best matches of every class of some nodes, sorted."""
        surest = []
        for node in np.unique(nodes):
            for index in np.unique(self.graphs.classes[:, node]):
                member = np.flatnonzero(self.graphs.classes[:, node] == index)
                share = round(self.policy.best_of_all * len(member))
                count = max(self.policy.fewest_of_the_best, share)
                order = np.argsort(self.distances[member], kind="stable")
                surest.append(member[order[:count]])
        return np.unique(np.concatenate(surest))

    def offered(self, graphs: SceneGraphBatch, distances: np.ndarray) -> Matches:
        """Return the better of two scenes for each image."""
        return self.replaced(distances < self.distances, graphs, distances)

    def replaced(
        self, where: np.ndarray, graphs: SceneGraphBatch, distances: np.ndarray
    ) -> Matches:
        """Return matches with others in their place where it says so, bool [m]."""
        best = SceneGraphBatch(
            self.graphs.layout,
            np.where(where[:, None], graphs.classes, self.graphs.classes),
            np.where(where[:, None, None], graphs.features, self.graphs.features),
            np.where(where, graphs.seeds, self.graphs.seeds),
        )
        return Matches(best, np.where(where, distances, self.distances), self.policy)

    def changed(self, rows: np.ndarray, graphs: SceneGraphBatch, distances: np.ndarray) -> Matches:
        """Return matches with features and distances of some rows, int [k], replaced."""
        features, all_distances = self.graphs.features.copy(), self.distances.copy()
        features[rows], all_distances[rows] = graphs.features, distances
        return Matches(self.graphs.with_features(features), all_distances, self.policy)
