"""The search: rounds of new scenes, each kept by the images that it fits best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from simtailor.metasim.distances import squared_distances
from simtailor.metasim.generator import Generator
from simtailor.metasim.journal import Journal
from simtailor.metasim.search.archive import Matches
from simtailor.metasim.search.entries import Entries
from simtailor.metasim.search.modes import ModesTest
from simtailor.metasim.search.policy import POLICY, SearchPolicy
from simtailor.metasim.search.proposals import Proposals
from simtailor.metasim.search.refinement import Refinement
from simtailor.metasim.search.second_thoughts import SecondThoughts
from simtailor.metasim.search.state import SearchState
from simtailor.metasim.settings import Search
from simtailor.metasim.target import CHUNK
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch

NAME = "search"  # in the journal
Features = Callable[[np.ndarray], list[torch.Tensor]]


class PopulationSearch:
    """Finds the nearest rendered scene of target images.

    Args:
        generator: gives the mutable entries and their ranges.
        renderer: draws the scenes.
        features: maps images as stored, uint8 [n, S, S, 3], to one float32 [n, D_l] a level.
        settings: number of rounds, of scenes a round, and of images.
        steps: float32 [N, F], half distances of the central differences.
        random: source of all choices.
        policy: all other numbers.
    """

    def __init__(
        self,
        generator: Generator,
        renderer: Renderer,
        features: Features,
        settings: Search,
        steps: np.ndarray,
        random: np.random.Generator,
        policy: SearchPolicy = POLICY,
    ) -> None:
        self.renderer, self.features, self.steps = renderer, features, steps
        self.settings, self.random, self.policy = settings, random, policy
        self.generator = generator
        self.entries = Entries(generator.layout, generator.turn.cpu().numpy())
        self.proposals = Proposals(self.entries, self.scenes_a_round, policy, random)

    @property
    def scenes_a_round(self) -> int:
        return self.settings.candidates * len(self.entries)

    def run(
        self,
        prior: SceneGraphBatch,
        target: list[torch.Tensor],
        report: Callable[[str], None],
        journal: Journal | None = None,
    ) -> Matches:
        """Search for all rounds.

        Args:
            prior: a sample of the grammar with at least ``scenes_a_round`` graphs.
            target: features of the m images to match.
            journal: keeps every round; a search that was killed goes on after its last one.
        """
        rounds, state = self.settings.rounds, self._begun(prior, len(target[0]), journal)
        if state.index > rounds:
            return state.matches
        matches, earlier = state.matches, state.earlier
        features = self._features_of(state.candidates)
        candidates, measure = state.candidates, state.measure or _measure(features, target)
        goal = _scaled(target, measure)
        improvement = self.improvement(lambda images: _scaled(self.features(images), measure))
        refined = {round(rounds * share) for share in self.policy.refined_at}
        for index in range(state.index, rounds + 1):
            drawn = _scaled(features, measure)
            nearest = squared_distances(drawn, goal).min(0)
            found, who = nearest.values.cpu().numpy(), nearest.indices.cpu().numpy()
            matches = matches.offered(candidates[who], found)
            last = index == rounds
            if index in refined:
                matches = improvement.refined(matches, goal)
                # What had to look anew goes back to what it had, unless it found better.
                matches = matches.offered(earlier.graphs, earlier.distances)
                distance = np.median(matches.distances)
                report(f"search round {index}/{rounds}: distance {distance:.4f}")
                # The rounds since the last refinement found nothing that it did not.
                last = last or distance > self.policy.settled * np.median(earlier.distances)
                earlier, misled = improvement.tested(matches, goal, last)
                matches = self._without(earlier, misled, last, report)
            if not last:
                done = index / max(rounds - 1, 1)
                candidates = self.proposals.next(matches, prior, done)
            if journal is not None:
                after = rounds + 1 if last else index + 1
                state = SearchState(after, candidates, matches, earlier, measure)
                journal.keep(NAME, state.stored(self.random))
            if last:
                break
            features = self._features_of(candidates)
        return matches

    def _begun(self, prior: SceneGraphBatch, count: int, journal: Journal | None) -> SearchState:
        """Return where an interrupted search stood, or the state before the first round."""
        stored = None if journal is None else journal.recall(NAME)
        if stored is not None:
            layout = self.generator.layout
            return SearchState.restored(stored, layout, self.policy, self.random)
        candidates = self.proposals.first(prior)
        nothing = candidates[np.zeros(count, int)]
        matches = Matches(nothing, np.full(count, np.inf), self.policy)
        return SearchState(0, candidates, matches, matches, [])

    def improvement(self, features: Callable[[np.ndarray], torch.Tensor]) -> Improvement:
        """Return what improves matches, by scaled features of images: float32 [n, D]."""
        refinement = Refinement(
            self.generator.layout, self.renderer, features, self.steps, self.policy
        )
        return Improvement(self, refinement)

    def _without(
        self, matches: Matches, misled: np.ndarray, last: bool, report: Callable[[str], None]
    ) -> Matches:
        """Return matches of which those of misled images count no more, and look anew."""
        if not misled.any():
            return matches
        report(f"{misled.sum()} images had found a pose that matches worse than others'")
        donors = self.random.choice(np.flatnonzero(~misled), size=len(misled))
        graphs = matches.graphs if last else matches.graphs[donors]
        return matches.replaced(misled, graphs, np.full(len(misled), np.inf))

    def _features_of(self, graphs: SceneGraphBatch) -> list[torch.Tensor]:
        """Return the features of scenes, drawn a part at a time: a round has thousands of them."""
        parts = [
            self.features(self.renderer.render(graphs[first : first + CHUNK]).images)
            for first in range(0, len(graphs), CHUNK)
        ]
        return [torch.cat(levels) for levels in zip(*parts, strict=True)]


class Improvement:
    """Moves matches to their images, and finds those that are mistakes.

    Args:
        search: whose parts are used; refinement: in the features of this search.
    """

    def __init__(self, search: PopulationSearch, refinement: Refinement) -> None:
        self.policy, self.refinement = search.policy, refinement
        self.repeated = search.generator.layout.repeated
        parts = (search.entries, search.generator, search.renderer, refinement, search.policy)
        self.second_thoughts = SecondThoughts(*parts, search.random)
        self.modes = ModesTest(*parts, search.random)

    def refined(self, matches: Matches, goal: torch.Tensor) -> Matches:
        """Return matches that are moved to their images, poor ones with second thoughts."""
        graphs, distances = self.refinement.run(matches.graphs, goal)
        matches = Matches(graphs, distances, self.policy)
        if self.repeated:  # nothing tells which of several objects is odd, or the first
            return matches
        for _ in range(self.policy.second_thoughts):
            matches = self.second_thoughts.run(matches, goal)
        return matches

    def tested(
        self, matches: Matches, goal: torch.Tensor, last: bool
    ) -> tuple[Matches, np.ndarray]:
        """Return matches, some of them better, and the images that are misled, bool [m]."""
        if self.repeated:
            return matches, np.zeros(len(matches.distances), dtype=bool)
        suits = self.policy.often if last else self.policy.sometimes
        return self.modes.run(matches, goal, suits)


def _measure(levels: list[torch.Tensor], target: list[torch.Tensor]) -> list[float]:
    """Return a factor a level with which the levels count alike, and all sum up to 1."""
    medians = [float(squared_distances(a, t).median()) for a, t in zip(levels, target, strict=True)]
    return [1 / (len(medians) * max(m, 1e-9)) ** 0.5 for m in medians]


def _scaled(levels: list[torch.Tensor], measure: list[float]) -> torch.Tensor:
    """Return all levels in one, scaled: float32 [n, D]."""
    return torch.cat([level * m for level, m in zip(levels, measure, strict=True)], 1)
