"""Scenes of the grammar that a training draws, each set by its purpose."""

from __future__ import annotations

import numpy as np

from simtailor.metasim.arranging import Arranger
from simtailor.metasim.distances import at_most_half
from simtailor.metasim.generator import Generator
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
        arranger: keeps objects apart.
    """

    def __init__(
        self,
        grammar: Grammar,
        layout: SceneGraphLayout,
        seed: int,
        hypercube: int,
        arranger: Arranger,
    ) -> None:
        self.grammar, self.layout, self.seed, self.hypercube = grammar, layout, seed, hypercube
        self.arranger = arranger

    def sample(
        self,
        purpose: str,
        count: int,
        *index: int,
        hypercube: int = 1,
        generator: Generator | None = None,
    ) -> SceneGraphBatch:
        """Return ``count`` scenes, drawn each by itself or in Latin hypercubes.

        Args:
            generator: that is to move them; they have its classes and counts, and their objects
                are apart once they are moved. None: they are apart as they are.
        """
        random = self.random(purpose, *index)
        graphs = self.grammar.sample(count, random, hypercube)
        graphs = SceneGraphBatch(self.layout, graphs.classes, graphs.features, graphs.seeds)
        if generator is None:
            return self.arranger.arranged(graphs, random)
        return self.arranger.redrawn(graphs, generator, random)

    def batch(
        self, purpose: str, count: int, *index: int, generator: Generator | None = None
    ) -> SceneGraphBatch:
        """Return scenes that stand for the grammar, so that no chance mean moves the generator."""
        cube = at_most_half(self.hypercube, count)
        return self.sample(purpose, count, *index, hypercube=cube, generator=generator)

    def redrawn(
        self, graphs: SceneGraphBatch, purpose: str, generator: Generator
    ) -> SceneGraphBatch:
        """Return scenes as ``sample`` with a generator does, from some of the grammar."""
        return self.arranger.redrawn(graphs, generator, self.random(f"{purpose}, redrawn"))

    def to_weigh(self, count: int, epoch: int, generator: Generator) -> SceneGraphBatch:
        """Return scenes with the grammar's classes and counts, to be moved by a generator."""
        random = self.random("shares", epoch)
        cube = at_most_half(self.hypercube, count)
        graphs = self.grammar.sample(count, random, cube)
        graphs = SceneGraphBatch(self.layout, graphs.classes, graphs.features, graphs.seeds)
        return self.arranger.arranged(graphs, random, lambda some, _: generator.changed(some))

    def random(self, purpose: str, *index: int) -> np.random.Generator:
        """Return the source of random numbers for a purpose."""
        return random_generator(self.seed, purpose, *index)
