"""The search: rounds of new scenes, each kept by the images that it fits best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

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
from simtailor.metasim.search.view import View
from simtailor.metasim.settings import Search
from simtailor.scene.graph import SceneGraphBatch

NAME = "search"  # in the journal
Report = Callable[[str], None]


class PopulationSearch:
    """Finds the nearest rendered scene of target images.

    Args:
        generator: gives the mutable entries and their ranges.
        view: how scenes and images are looked at.
        settings: number of rounds, of scenes a round, and of images.
        steps: float32 [N, F], distances of the differences.
        random: source of all choices.
        policy: all other numbers.
    """

    def __init__(
        self,
        generator: Generator,
        view: View,
        settings: Search,
        steps: np.ndarray,
        random: np.random.Generator,
        policy: SearchPolicy = POLICY,
    ) -> None:
        self.view, self.steps = view, steps
        self.settings, self.random, self.policy = settings, random, policy
        self.generator = generator
        self.entries = Entries(generator.layout, generator.turn.cpu().numpy())
        self.proposals = Proposals(self.entries, self.scenes_a_round, policy, random)

    @property
    def scenes_a_round(self) -> int:
        return self.settings.candidates * len(self.entries)

    def run(
        self, prior: SceneGraphBatch, report: Report, journal: Journal | None = None
    ) -> Matches:
        """Search for all rounds, or until more of them do not help.

        Args:
            prior: a sample of the grammar with at least ``scenes_a_round`` graphs.
            journal: keeps every round; a search that was killed goes on after its last one.
        """
        state = self._begun(prior, journal)
        rounds = self.settings.rounds
        if state.index > rounds:
            return state.matches
        refined = {round(rounds * share) for share in self.policy.refined_at}
        levels = self.view.levels_of(state.candidates)
        self.view.measure = measure = state.measure or self.view.measured_by(levels)
        improvement = Improvement(self)
        for index in range(state.index, rounds + 1):
            matches = state.matches.offered(*self.view.nearest(state.candidates, levels))
            last, earlier = index == rounds, state.earlier
            if index in refined:
                matches, earlier, last = self._refined(improvement, matches, earlier, last, report)
                distance = np.median(earlier.distances)
                report(f"search round {index}/{rounds}: distance {distance:.4f}")
            candidates = state.candidates
            if not last:
                done = index / max(rounds - 1, 1)
                candidates = self.proposals.next(matches, prior, done)
            state = SearchState(
                rounds + 1 if last else index + 1, candidates, matches, earlier, measure
            )
            if journal is not None:
                journal.keep(NAME, state.stored(self.random))
            if last:
                break
            levels = self.view.levels_of(candidates)
        return state.matches

    def _begun(self, prior: SceneGraphBatch, journal: Journal | None) -> SearchState:
        """Return where an interrupted search stood, or the state before the first round."""
        stored = None if journal is None else journal.recall(NAME)
        if stored is not None:
            layout = self.generator.layout
            return SearchState.restored(stored, layout, self.policy, self.random)
        candidates, count = self.proposals.first(prior), len(self.view.target[0])
        nothing = candidates[np.zeros(count, int)]
        matches = Matches(nothing, np.full(count, np.inf), self.policy)
        return SearchState(0, candidates, matches, matches, [])

    def _refined(
        self,
        improvement: Improvement,
        matches: Matches,
        earlier: Matches,
        last: bool,
        report: Report,
    ) -> tuple[Matches, Matches, bool]:
        """Return the matches to go on from, all that were found, and whether the search ends.

        Args:
            earlier: what was found at the last refinement.
            last: whether the search ends anyway.
        """
        refined = improvement.refined(matches)
        # What had to look anew goes back to what it had, unless it found better.
        refined = refined.offered(earlier.graphs, earlier.distances)
        # Have the rounds since the last refinement found anything that it did not?
        before = np.median(earlier.distances)
        last = last or bool(np.median(refined.distances) >= self.policy.settled * before)
        found, misled = improvement.tested(refined, last)
        if not misled.any():
            return found, found, last
        report(f"{misled.sum()} images had found a pose that matches worse than others'")
        donors = self.random.choice(np.flatnonzero(~misled), size=len(misled))
        graphs = found.graphs if last else found.graphs[donors]
        return found.replaced(misled, graphs, np.full(len(misled), np.inf)), found, last


class Improvement:
    """Moves matches to their images, and finds those that are mistakes.

    Args:
        search: whose parts are used.
    """

    def __init__(self, search: PopulationSearch) -> None:
        self.policy, view = search.policy, search.view
        self.goal = view.goal
        self.refinement = Refinement(
            search.generator.layout,
            view.renderer,
            lambda images: view.scaled(view.features(images)),
            search.steps,
            search.policy,
        )
        self.repeated = search.generator.layout.repeated
        parts = (search.entries, search.generator, view.renderer, self.refinement, search.policy)
        self.second_thoughts = SecondThoughts(*parts, search.random)
        self.modes = ModesTest(*parts, search.random)

    def refined(self, matches: Matches) -> Matches:
        """Return matches that are moved to their images, poor ones with second thoughts."""
        graphs, distances = self.refinement.run(matches.graphs, self.goal)
        matches = Matches(graphs, distances, self.policy)
        if self.repeated:  # nothing tells which of several objects is odd, or the first
            return matches
        for _ in range(self.policy.second_thoughts):
            matches = self.second_thoughts.run(matches, self.goal)
        return matches

    def tested(self, matches: Matches, last: bool) -> tuple[Matches, np.ndarray]:
        """Return matches, some of them better, and the images that are misled, bool [m]."""
        if self.repeated:
            return matches, np.zeros(len(matches.distances), dtype=bool)
        suits = self.policy.often if last else self.policy.sometimes
        return self.modes.run(matches, self.goal, suits)
