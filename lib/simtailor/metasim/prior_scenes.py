"""Scenes of the grammar that a training draws, each set by its purpose."""

from __future__ import annotations

import numpy as np

from simtailor.metasim.distances import at_most_half
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.seeds import generator as random_generator


class PriorScenes:
    """Draws the same scenes again for the same seed, purpose and index.

    Args:
        grammar: of the prior.
        layout: of the scenes, mutable where the generator may change them.
        seed: decides everything.
        hypercube: size of the Latin hypercubes of ``batch``.
    """

    def __init__(
        self, grammar: Grammar, layout: SceneGraphLayout, seed: int, hypercube: int
    ) -> None:
        self.grammar, self.layout, self.seed, self.hypercube = grammar, layout, seed, hypercube

    def sample(self, purpose: str, count: int, *index: int, hypercube: int = 1) -> SceneGraphBatch:
        """Return ``count`` scenes, drawn each by itself or in Latin hypercubes."""
        graphs = self.grammar.sample(count, self.random(purpose, *index), hypercube)
        return SceneGraphBatch(self.layout, graphs.classes, graphs.features, graphs.seeds)

    def batch(self, purpose: str, count: int, *index: int) -> SceneGraphBatch:
        """Return scenes that stand for the grammar, so that no chance mean moves the generator."""
        cube = at_most_half(self.hypercube, count)
        return self.sample(purpose, count, *index, hypercube=cube)

    def random(self, purpose: str, *index: int) -> np.random.Generator:
        """Return the source of random numbers for a purpose."""
        return random_generator(self.seed, purpose, *index)
