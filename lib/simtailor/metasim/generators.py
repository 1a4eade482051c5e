"""The generators by name, and what an experiment's is made from."""

from __future__ import annotations

from collections.abc import Callable

import torch

from simtailor.errors import UserError
from simtailor.metasim.generator import Generator
from simtailor.metasim.graph_convolutional import GraphConvolutionalGenerator
from simtailor.metasim.settings import Experiment
from simtailor.metasim.transport import TransportGenerator
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.seeds import generator as random_generator

PRIOR_SAMPLE = 4000  # scenes that means and spreads of the prior are taken from

GENERATORS: dict[str, Callable[[SceneGraphLayout, SceneGraphBatch], Generator]] = {
    "transport": TransportGenerator,
    "gcn": GraphConvolutionalGenerator,
}


def effective_layout(grammar: Grammar, renderer: Renderer) -> SceneGraphLayout:
    """Return the grammar's layout, mutable only where the renderer looks at the entry.

    Raises:
        UserError: nothing is left that the generator could change.
    """
    layout = grammar.layout
    seen = layout.mutable & renderer.effective(layout)
    if not seen.any():
        names = ", ".join(layout.entry_name(*entry) for entry in layout.entries()) or "none"
        raise UserError(
            f"{grammar.source}: the renderer looks at none of the mutable attributes ({names})"
        )
    return layout.with_mutable(seen)


def make_generator(experiment: Experiment, grammar: Grammar, renderer: Renderer) -> Generator:
    """Return the experiment's untrained generator; the seed decides its weights."""
    seed = int(experiment.seed or 0)
    prior = grammar.sample(PRIOR_SAMPLE, random_generator(seed, "prior"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random_generator(seed, "weights").integers(2**31)))
        return GENERATORS[experiment.generator](effective_layout(grammar, renderer), prior)
