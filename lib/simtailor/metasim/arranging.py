"""Scenes in which no object sinks into another: what does is drawn again.

Class, number and all that is not of an object stay as they were drawn, so how often they come stays
as the grammar says. The attributes of all objects of the scene are drawn anew, until all are apart:
that is the grammar's own distribution among the scenes that are possible.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simtailor.errors import UserError
from simtailor.metasim.generator import Generator
from simtailor.render.renderer import Renderer, apart
from simtailor.scene.grammar import Grammar
from simtailor.scene.grammar_nodes import MAIN
from simtailor.scene.graph import SceneGraphBatch

TRIES = 100  # of a scene; then it stays as it is
MOST_SUNK = 0.05  # share of a grammar's scenes for which all tries may fail

Move = Callable[[SceneGraphBatch, np.ndarray], SceneGraphBatch]


class Arranger:
    """Draws scenes again in which objects sink into each other.

    Args:
        grammar: that they are drawn from.
        renderer: knows the shapes of the objects.

    Attributes:
        scenes, tries, sunk: numbers of scenes looked at, of draws that it took, and of scenes
            for which all tries failed.
    """

    def __init__(self, grammar: Grammar, renderer: Renderer) -> None:
        self.grammar, self._renderer = grammar, renderer
        names = grammar.layout.node_names
        self._objects = [n for n, name in enumerate(names) if name == MAIN]
        self.scenes = self.tries = self.sunk = 0

    def arranged(
        self,
        graphs: SceneGraphBatch,
        random: np.random.Generator,
        move: Move | None = None,
        strict: bool = False,
    ) -> SceneGraphBatch:
        """Return scenes whose objects are apart, once they are moved.

        Args:
            graphs: of the grammar; random: source of what is drawn anew.
            move: what becomes of some of the scenes before they are drawn, of the rows int [k].
            strict: whether too many failures are a mistake of the grammar.

        Raises:
            UserError: they are.
        """
        if len(self._objects) < 2 or not len(graphs):
            return graphs
        features, left = graphs.features.copy(), np.arange(len(graphs))
        for attempt in range(TRIES + 1):
            some = graphs[left].with_features(features[left])
            left = left[~apart(self._renderer, some if move is None else move(some, left))]
            if not len(left) or attempt == TRIES:
                break
            self.tries += len(left)
            fresh = self.grammar.sample(len(left), random)
            features[np.ix_(left, self._objects)] = fresh.features[:, self._objects]
        self.scenes += len(graphs)
        self.tries += len(graphs)
        self.sunk += len(left)
        if strict and len(left) > MOST_SUNK * len(graphs):
            raise UserError(
                f"{self.grammar.source}: in {len(left) / len(graphs):.0%} of the scenes the "
                f"objects have no room: in {TRIES} tries each they always sank into each other. "
                "Give their places a larger range, or draw fewer."
            )
        return graphs.with_features(features)

    def redrawn(
        self, graphs: SceneGraphBatch, generator: Generator, random: np.random.Generator
    ) -> SceneGraphBatch:
        """Return scenes of the grammar with a generator's classes and counts, to be moved by it."""
        graphs = generator.redrawn(graphs)
        return self.arranged(graphs, random, lambda some, _: generator.changed(some))

    @property
    def note(self) -> dict[str, float]:
        """What share of the draws was drawn again, and of the scenes has objects in each other."""
        if not self.scenes:
            return {}
        return {
            "drawn_again": round(1 - self.scenes / self.tries, 4),
            "not_apart": round(self.sunk / self.scenes, 4),
        }
