"""Population search: where in the attributes' whole range do the target images lie?

A gradient sees only its surroundings: an object that is turned by half a circle, or lies
outside the picture, gives none that helps. So before the gradient, every image of a part of
the target looks for the rendered scene that is nearest to it (analysis by synthesis). All
images share one population: a scene that is rendered for one image serves any other that it
fits better than what that image has. New scenes come from the best ones so far by small
moves, by mixing two of them, and by drawing one attribute anew from its whole range, as in
evolution strategies (Rechenberg 1973; Hansen, "The CMA evolution strategy", 2016).

The nearest scenes are a rough sample of the target's attributes, with all its modes. From
it come the starts of the generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from simtailor.metasim.ambiguity import unambiguous_centre
from simtailor.metasim.discrepancy import squared_distances
from simtailor.metasim.generator import TransportGenerator
from simtailor.metasim.refinement import Refinement
from simtailor.metasim.settings import Search
from simtailor.render.renderer import Renderer, nearest_equivalent
from simtailor.scene.attributes import unwrapped, wrapped
from simtailor.scene.graph import SceneGraphBatch

FIRST_STEP, LAST_STEP = 0.1, 0.01  # of a full turn or of the attribute's range
SMALL_MOVES, MIXTURES = 0.5, 0.3  # shares of the new scenes; the rest draws one attribute anew
BEST_SHARE, ALMOST_AS_GOOD = 0.2, 2.0  # good: at most twice the distance of the best fifth
BEST_OF_ALL, FEWEST_OF_THE_BEST = 0.15, 6  # matches that others are compared with
SEVERAL = 0.5  # share of the poor matches whose odd attributes all change at once
BEYOND_DOUBT = 1.4  # times the distance of the best fifth
SURELY_GOOD = 5e-4  # a match this near is right, however near the others are
REFINED_AT = (0.5, 0.75, 1.0)  # shares of the rounds after which all matches are refined
ITERATIONS = 2
SECOND_THOUGHTS = 2
FEWEST_OF_A_CLASS = 12
TWO_GROUPS = 0.68  # share of the variance that lies between groups; of a Gaussian's halves 0.64
CLEARLY_BETTER = 0.75  # ratio of the median distances of two groups
TRIED = 24  # images of a group that try the poses of the other
SOMETIMES, OFTEN = 0.05, 0.3  # shares of them that these suit better


@dataclass(eq=False)
class Matches:
    """The nearest rendered scene of each target image.

    Attributes:
        graphs: one scene graph an image.
        distances: float [m], squared distances, about 1 for a scene that is no nearer than
            those of the prior; infinite where the match is known to be wrong.
        renders: number of scenes rendered.
    """

    graphs: SceneGraphBatch
    distances: np.ndarray
    renders: int

    def good(self, node: int, factor: float = ALMOST_AS_GOOD) -> np.ndarray:
        """Return which scenes match nearly as well as the best of their class: bool [m].

        Classes are compared apart: a small object never is far from its image.
        """
        good = np.zeros(len(self.distances), dtype=bool)
        known = np.isfinite(self.distances)
        for index in np.unique(self.graphs.classes[:, node]):
            member = known & (self.graphs.classes[:, node] == index)
            if member.any():
                best = np.quantile(self.distances[member], BEST_SHARE)
                good |= member & (self.distances <= max(factor * best, SURELY_GOOD))
        return good


class PopulationSearch:
    """Finds the nearest rendered scene of target images.

    Args:
        generator: gives the mutable entries and their ranges.
        renderer: draws the scenes.
        features: maps images as stored, uint8 [n, S, S, 3], to one float32 [n, D_l] a level.
        settings: number of rounds, of scenes a round, and of images.
        steps: float32 [N, F], half distances of the central differences.
        random: source of all choices.
    """

    def __init__(
        self,
        generator: TransportGenerator,
        renderer: Renderer,
        features: Callable[[np.ndarray], list[torch.Tensor]],
        settings: Search,
        steps: np.ndarray,
        random: np.random.Generator,
    ) -> None:
        self.renderer, self.features = renderer, features
        self.settings, self.random, self._steps = settings, random, steps
        self._generator, self._layout = generator, generator.layout
        layout = generator.layout
        entries = np.array(layout.entries())
        self._nodes, self._columns = entries[:, 0], entries[:, 1]
        turn = generator.turn.cpu().numpy()[self._nodes, self._columns]
        self._is_angle = turn > 0
        self._range = np.where(self._is_angle, turn, 1.0)

    @property
    def scenes_a_round(self) -> int:
        return self.settings.candidates * len(self._nodes)

    def run(
        self,
        prior: SceneGraphBatch,
        target: list[torch.Tensor],
        report: Callable[[str], None],
    ) -> Matches:
        """Search for all rounds.

        Args:
            prior: a sample of the grammar with at least ``scenes_a_round`` graphs.
            target: features of the m images to match.
        """
        rounds = self.settings.rounds
        candidates = self._first(prior)
        measure, renders = self._measure(candidates, target), len(candidates)
        goal = torch.cat([level * m for level, m in zip(target, measure, strict=True)], 1)

        def features(images: np.ndarray) -> torch.Tensor:
            levels = self.features(images)
            return torch.cat([level * m for level, m in zip(levels, measure, strict=True)], 1)

        refinement = Refinement(self._layout, self.renderer, features, self._steps)
        best = candidates[np.zeros(len(goal), int)]
        distances = np.full(len(goal), np.inf)
        earlier = best, distances
        for index in range(rounds + 1):
            drawn = features(self.renderer.render(candidates).images)
            nearest = squared_distances(drawn, goal).min(0)
            found, who = nearest.values.cpu().numpy(), nearest.indices.cpu().numpy()
            better = found < distances
            best = _replace(best, better, candidates[who])
            distances = np.where(better, found, distances)
            renders += len(candidates)
            if index in {round(rounds * share) for share in REFINED_AT}:
                best, distances, more = refinement.run(best, goal, ITERATIONS)
                renders += more
                for _ in range(SECOND_THOUGHTS):
                    best, distances, more = self._reconsider(best, distances, goal, refinement)
                    renders += more
                # What had to look anew goes back to what it had, unless it found better.
                back = earlier[1] < distances
                best = _replace(best, back, earlier[0])
                distances = np.where(back, earlier[1], distances)
                report(f"search round {index}/{rounds}: distance {np.median(distances):.4f}")
                suits = SOMETIMES if index < rounds else OFTEN
                best, distances, misled, more = self._misled(
                    best, distances, goal, refinement, suits
                )
                renders += more
                earlier = best, distances
                if misled.any():
                    report(
                        f"{misled.sum()} images had found a pose that matches worse than others'"
                    )
                    well = np.flatnonzero(~misled)
                    donors = self.random.choice(well, size=len(misled))
                    if index < rounds:
                        best = _replace(best, misled, best[donors])
                    distances = np.where(misled, np.inf, distances)
            if index < rounds:
                step = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (index / max(rounds - 1, 1))
                candidates = self._next(best, distances, prior, step)
        return Matches(best, distances, renders)

    def _reconsider(
        self,
        best: SceneGraphBatch,
        distances: np.ndarray,
        goal: torch.Tensor,
        refinement: Refinement,
    ) -> tuple[SceneGraphBatch, np.ndarray, int]:
        """Try other values of some attributes for every image that does not match well.

        What is odd beside the best matches is most likely wrong: one attribute, drawn by how
        far it lies from theirs, or all odd ones take the values of one of the best matches,
        and the others follow by refinement. Most matches may be wrong alike, hence the very
        best; and those of all classes, for one class may be hard to tell. Returns the better
        scenes, their distances, and the number of renders.
        """
        centre = unambiguous_centre(best, self._generator, self.renderer)
        best = centre.nearest(self.renderer, best).graphs
        values, surest = self._values(best), self._surest(best, distances)
        odd = np.zeros(values.shape)
        for column in range(values.shape[1]):
            turn = self._range[column] * self._is_angle[column]
            known = unwrapped(values[surest, column], turn)
            width = np.ptp(np.quantile(known, (0.25, 0.75)))
            off = wrapped(values[:, column] - np.median(known), turn)
            odd[:, column] = np.abs(off) / (width + LAST_STEP * self._range[column])
        doubtful = np.zeros(len(best), dtype=bool)
        for node in np.unique(self._nodes):
            doubtful |= ~Matches(best, distances, 0).good(node, BEYOND_DOUBT)
        rows = np.flatnonzero(doubtful & (odd.sum(1) > 0))
        if not len(rows):
            return best, distances, 0
        shares = np.square(odd[rows]).cumsum(1)
        drawn = self.random.uniform(size=(len(rows), 1)) * shares[:, -1:]
        one = (drawn >= shares).sum(1).clip(max=shares.shape[1] - 1)
        changed = np.arange(values.shape[1]) == one[:, None]
        several = self.random.uniform(size=(len(rows), 1)) < SEVERAL
        changed |= several & (odd[rows] > 1)
        donors = values[self.random.choice(surest, len(rows))]
        again, found, renders = refinement.run(
            self._with_values(best[rows], np.where(changed, donors, values[rows])),
            goal[torch.from_numpy(rows)],
            ITERATIONS,
        )
        better = found < distances[rows]
        best, distances = _taken(best, distances, rows[better], again[better], found[better])
        return best, distances, renders

    def _surest(self, best: SceneGraphBatch, distances: np.ndarray) -> np.ndarray:
        """Return the indices of the best matches of every class of every node."""
        surest = []
        for node in np.unique(self._nodes):
            for index in np.unique(best.classes[:, node]):
                member = np.flatnonzero(best.classes[:, node] == index)
                count = max(FEWEST_OF_THE_BEST, round(BEST_OF_ALL * len(member)))
                surest.append(member[np.argsort(distances[member], kind="stable")[:count]])
        return np.unique(np.concatenate(surest))

    def _misled(
        self,
        best: SceneGraphBatch,
        distances: np.ndarray,
        goal: torch.Tensor,
        refinement: Refinement,
        suits: float,
    ) -> tuple[SceneGraphBatch, np.ndarray, np.ndarray, int]:
        """Find the images in a group of poses that is a mistake.

        Two poses may look nearly the same. Where one attribute falls into two groups, and one
        of them is clearly nearer to its images, the other is a mistake, or a mode of the target
        that is harder to match. So some of its images try poses of the better group: the group
        is a mistake if these suit more than a share ``suits`` of them better. Two groups that
        match equally well stay anyway.

        Returns scenes and distances, some of them better, which images are misled, bool [m],
        and the number of renders.
        """
        mean = self._generator.mean.cpu().numpy()
        same = nearest_equivalent(self.renderer, best, mean)
        turn = self._generator.turn.cpu().numpy()
        misled, renders = np.zeros(len(best), dtype=bool), 0
        for column, (node, feature) in enumerate(zip(self._nodes, self._columns, strict=True)):
            for index in np.unique(best.classes[:, node]):
                member = np.flatnonzero(
                    (best.classes[:, node] == index) & same.identified[:, node, feature] & ~misled
                )
                values = unwrapped(same.graphs.features[member, node, feature], turn[node, feature])
                worse = worse_group(values, distances[member])
                if not worse.any():
                    continue
                middles = np.median(values[worse]), np.median(values[~worse])
                tried, donors = self._on_trial(member[worse], member[~worse], distances)
                again, found, more = refinement.run(
                    self._with_pose(same.graphs[tried], same.graphs[donors], column),
                    goal[torch.from_numpy(tried)],
                    ITERATIONS,
                )
                renders += more
                moved = nearest_equivalent(self.renderer, again, mean).graphs
                off = [
                    np.abs(wrapped(moved.features[:, node, feature] - m, turn[node, feature]))
                    for m in middles
                ]
                better = (found < distances[tried]) & (off[1] < off[0])
                if better.mean() > suits:
                    misled[member[worse]] = True
                    misled[tried[better]] = False
                best, distances = _taken(
                    best, distances, tried[better], again[better], found[better]
                )
        return best, distances, misled & (np.count_nonzero(~misled) >= len(misled) // 10), renders

    def _on_trial(
        self, worse: np.ndarray, better: np.ndarray, distances: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return some images of the worse group, and as many of the best half of the other."""
        tried = self.random.permutation(worse)[:TRIED]
        order = better[np.argsort(distances[better], kind="stable")]
        return tried, self.random.choice(order[: (len(order) + 1) // 2], len(tried))

    def _with_pose(
        self, graphs: SceneGraphBatch, others: SceneGraphBatch, column: int
    ) -> SceneGraphBatch:
        """Return every other graph with all values of ``others``, and the rest with one of them."""
        taken = np.arange(len(self._nodes)) == column
        taken = taken | (np.arange(len(graphs))[:, None] % 2 == 1)
        return self._with_values(
            graphs, np.where(taken, self._values(others), self._values(graphs))
        )

    def _measure(self, graphs: SceneGraphBatch, target: list[torch.Tensor]) -> list[float]:
        """Return a factor a level with which the levels count alike, and all sum up to 1."""
        levels = self.features(self.renderer.render(graphs).images)
        medians = [
            float(squared_distances(a, t).median()) for a, t in zip(levels, target, strict=True)
        ]
        return [1 / (len(medians) * max(m, 1e-9)) ** 0.5 for m in medians]

    def _first(self, prior: SceneGraphBatch) -> SceneGraphBatch:
        """Return scenes of the prior, most of them with one attribute drawn anew."""
        graphs = prior[: self.scenes_a_round]
        values = self._redrawn(self._values(graphs))
        kept = self.random.uniform(size=(len(values), 1)) < 0.3
        return self._with_values(graphs, np.where(kept, self._values(graphs), values))

    def _next(
        self, best: SceneGraphBatch, distances: np.ndarray, prior: SceneGraphBatch, step: float
    ) -> SceneGraphBatch:
        """Return new scenes near the best ones, or mixed with one of the best matched third."""
        random, count = self.random, self.scenes_a_round
        parents = best[random.integers(len(best), size=count)]
        donors = np.argsort(distances, kind="stable")[: max(1, len(best) // 3)]
        values = self._values(parents)
        others = self._values(best)[random.choice(donors, size=count)]
        shape = values.shape
        moved = random.uniform(size=shape) < 0.5
        moved[np.arange(count), random.integers(shape[1], size=count)] = True
        # Steps of many lengths: nobody knows how far the goal is.
        length = step * np.exp(random.normal(size=(count, 1)))
        small_move = values + moved * random.normal(size=shape) * length * self._range
        # Few values or many from the donor: of many attributes, often only one is wrong.
        kept = random.uniform(size=shape) < random.uniform(size=(count, 1))
        mixture = np.where(kept, values, others)
        jitter = random.normal(size=shape) * (random.uniform(size=(count, 1)) < 0.5)
        mixture = mixture + jitter * LAST_STEP * self._range
        kind = random.uniform(size=(count, 1))
        new = np.where(kind < SMALL_MOVES + MIXTURES, mixture, self._redrawn(values))
        new = np.where(kind < SMALL_MOVES, small_move, new)
        seeds = prior.seeds[random.integers(len(prior), size=count)]
        graphs = SceneGraphBatch(parents.layout, parents.classes, parents.features, seeds)
        return self._with_values(graphs, new)

    def _redrawn(self, values: np.ndarray) -> np.ndarray:
        """Return the values with one of each row drawn from its whole range."""
        values, rows = values.copy(), np.arange(len(values))
        which = self.random.integers(values.shape[1], size=len(values))
        values[rows, which] = self.random.uniform(size=len(values)) * self._range[which]
        return values

    def _values(self, graphs: SceneGraphBatch) -> np.ndarray:
        return graphs.features[:, self._nodes, self._columns]

    def _with_values(self, graphs: SceneGraphBatch, values: np.ndarray) -> SceneGraphBatch:
        features = graphs.features.copy()
        values = np.where(self._is_angle, values % self._range, values.clip(0, 1))
        features[:, self._nodes, self._columns] = values
        return graphs.with_features(features)


def worse_group(values: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return the members of the clearly worse matched of two groups: bool [m], or none.

    The groups are those with the least variance within (Otsu, "A Threshold Selection Method
    from Gray-Level Histograms", 1979).
    """
    count, none = len(values), np.zeros(len(values), dtype=bool)
    if count < 2 * FEWEST_OF_A_CLASS or values.std() < 1e-9:
        return none
    ordered = np.sort(values)
    left = np.arange(1, count)
    sums = ordered.cumsum()[:-1]
    means = sums / left, (ordered.sum() - sums) / (count - left)
    between = left * (count - left) * (means[1] - means[0]) ** 2 / count**2 / values.var()
    fewest = max(FEWEST_OF_A_CLASS // 2, count // 10)
    between[: fewest - 1] = between[count - fewest :] = 0
    cut = int(np.argmax(between))
    if between[cut] < TWO_GROUPS:
        return none
    low = values <= (ordered[cut] + ordered[cut + 1]) / 2
    medians = [np.median(distances[group]) for group in (low, ~low)]
    p_value = mannwhitneyu(distances[low], distances[~low]).pvalue
    if p_value > 1e-3 or min(medians) > CLEARLY_BETTER * max(medians):
        return none
    return low if medians[0] > medians[1] else ~low


def _taken(
    best: SceneGraphBatch,
    distances: np.ndarray,
    rows: np.ndarray,
    graphs: SceneGraphBatch,
    found: np.ndarray,
) -> tuple[SceneGraphBatch, np.ndarray]:
    """Return scenes and distances with the features and distances of some rows replaced."""
    features, distances = best.features.copy(), distances.copy()
    features[rows], distances[rows] = graphs.features, found
    return best.with_features(features), distances


def _replace(
    graphs: SceneGraphBatch, where: np.ndarray, others: SceneGraphBatch
) -> SceneGraphBatch:
    return SceneGraphBatch(
        graphs.layout,
        np.where(where[:, None], others.classes, graphs.classes),
        np.where(where[:, None, None], others.features, graphs.features),
        np.where(where, others.seeds, graphs.seeds),
    )
