"""The test of modes: is a group of poses a mode of the target, or a mistake?"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from simtailor.metasim.generator import Generator
from simtailor.metasim.search.archive import Matches
from simtailor.metasim.search.entries import Entries
from simtailor.metasim.search.policy import POLICY, SearchPolicy
from simtailor.metasim.search.refinement import Refinement
from simtailor.render.renderer import Renderer, nearest_equivalent
from simtailor.scene.attributes import unwrapped, wrapped
from simtailor.scene.graph import SceneGraphBatch


class ModesTest:
    """Finds the images in a group of poses that is a mistake.

    Two poses may look nearly the same. Where one attribute falls into two groups, and one
    of them is clearly nearer to its images, the other is a mistake, or a mode of the target
    that is harder to match. So some of its images try poses of the better group: the group
    is a mistake if these suit more than a given share of them better. Two groups that
    match equally well stay anyway.

    Args:
        entries, renderer, refinement, policy, random: as of ``SecondThoughts``.
        generator: of the prior's statistics.
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
        self.entries, self.renderer, self.refinement = entries, renderer, refinement
        self.policy, self.random = policy, random
        self._mean = generator.mean.cpu().numpy()
        self._turn = generator.turn.cpu().numpy()

    def run(self, matches: Matches, goal: torch.Tensor, suits: float) -> tuple[Matches, np.ndarray]:
        """Return matches, some of them better, and which images are misled, bool [m].

        Args:
            goal: scaled features of the images [m, D].
            suits: share of the tried images of a group that another pose must suit better.
        """
        same = nearest_equivalent(self.renderer, matches.graphs, self._mean)
        misled = np.zeros(len(matches.graphs), dtype=bool)
        for column, (node, feature) in enumerate(
            zip(self.entries.nodes, self.entries.features, strict=True)
        ):
            for index in np.unique(matches.graphs.classes[:, node]):
                member = np.flatnonzero(
                    (matches.graphs.classes[:, node] == index)
                    & same.identified[:, node, feature]
                    & ~misled
                )
                values = unwrapped(
                    same.graphs.features[member, node, feature], self._turn[node, feature]
                )
                worse = worse_group(values, matches.distances[member], self.policy)
                if not worse.any():
                    continue
                middles = np.median(values[worse]), np.median(values[~worse])
                tried, again, found = self._trial(
                    matches, same.graphs, member[worse], member[~worse], column, goal
                )
                nearer = self._nearer(again, (node, feature), middles)
                better = (found < matches.distances[tried]) & nearer
                if better.mean() > suits:
                    misled[member[worse]] = True
                    misled[tried[better]] = False
                matches = matches.changed(tried[better], again[better], found[better])
        enough = np.count_nonzero(~misled) >= int(len(misled) * self.policy.fewest_left)
        return matches, misled & enough

    def _trial(
        self,
        matches: Matches,
        same: SceneGraphBatch,
        worse: np.ndarray,
        better: np.ndarray,
        column: int,
        goal: torch.Tensor,
    ) -> tuple[np.ndarray, SceneGraphBatch, np.ndarray]:
        """Let some images of the worse group try poses of the best half of the better one.

        Every other image takes all values of the other scene, and the rest one of them. Returns
        the images tried, int [k], their scenes then, and the distances [k].
        """
        tried = self.random.permutation(worse)[: self.policy.tried]
        order = better[np.argsort(matches.distances[better], kind="stable")]
        donors = self.random.choice(order[: (len(order) + 1) // 2], len(tried))
        taken = np.arange(len(self.entries)) == column
        taken = taken | (np.arange(len(tried))[:, None] % 2 == 1)
        values = self.entries.values
        graphs = self.entries.replaced(
            same[tried], np.where(taken, values(same[donors]), values(same[tried]))
        )
        again, found = self.refinement.run(graphs, goal[torch.from_numpy(tried)])
        return tried, again, found

    def _nearer(
        self, graphs: SceneGraphBatch, entry: tuple[int, int], middles: tuple[float, float]
    ) -> np.ndarray:
        """Return which scenes lie nearer to the second of two middles of an entry: bool [k]."""
        moved = nearest_equivalent(self.renderer, graphs, self._mean).graphs
        off = [
            np.abs(wrapped(moved.features[:, *entry] - middle, self._turn[entry]))
            for middle in middles
        ]
        return off[1] < off[0]


def worse_group(
    values: np.ndarray, distances: np.ndarray, policy: SearchPolicy = POLICY
) -> np.ndarray:
    """Return the members of the clearly worse matched of two groups: bool [m], or none.

    The groups are those with the least variance within (Otsu, "A Threshold Selection Method
    from Gray-Level Histograms", 1979).
    """
    count, none = len(values), np.zeros(len(values), dtype=bool)
    if count < 2 * policy.fewest_of_a_class or values.std() < 1e-9:
        return none
    ordered = np.sort(values)
    left = np.arange(1, count)
    sums = ordered.cumsum()[:-1]
    means = sums / left, (ordered.sum() - sums) / (count - left)
    between = left * (count - left) * (means[1] - means[0]) ** 2 / count**2 / values.var()
    fewest = max(policy.fewest_of_a_class // 2, int(count * policy.fewest_of_a_group))
    between[: fewest - 1] = between[count - fewest :] = 0
    cut = int(np.argmax(between))
    if between[cut] < policy.two_groups:
        return none
    low = values <= (ordered[cut] + ordered[cut + 1]) / 2
    medians = [np.median(distances[group]) for group in (low, ~low)]
    p_value = mannwhitneyu(distances[low], distances[~low]).pvalue
    if p_value > policy.surely_different or min(medians) > policy.clearly_better * max(medians):
        return none
    return low if medians[0] > medians[1] else ~low
