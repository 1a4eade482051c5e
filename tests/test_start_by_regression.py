"""The start from what features foretell of attributes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from simtailor.metasim.starts.regression import start_by_regression
from simtailor.metasim.transport import TransportGenerator
from simtailor.render.forest.contract import FOREST
from simtailor.scene.grammar import Grammar
from simtailor.scene.short_form import expanded
from simtailor.seeds import generator as random_generator

TREE = {
    "Forest": {"density": "normal(100, 20) max 300", "crown": "normal(5, 1) max 10"},
    "Light": {"azimuth": "uniform(0, 360)"},
    "Camera": {"blur": "uniform(0.1, 0.3) max 0.5"},
    "mutable": ["density", "crown", "azimuth", "blur"],
}


@pytest.fixture
def grammar():
    return Grammar(expanded(TREE, FOREST.attributes, "test"), "test", FOREST.attributes)


def features_of(graphs, noise=0.02):
    """Return features that say density and crown, mixed and with noise, and nothing else."""
    layout = graphs.layout
    density, crown = (
        graphs.features[:, layout.node_names.index("Forest"), layout.features.index(name)]
        for name in ("density", "crown")
    )
    random = np.random.default_rng(len(graphs))
    mixed = np.stack([density + crown, density - crown, np.sqrt(density), 0 * crown], 1)
    mixed = mixed + noise * random.standard_normal(mixed.shape)
    return [torch.from_numpy(mixed.astype(np.float32))]


def test_mean_and_spread_of_what_is_foretold_are_found_and_the_rest_stays(grammar):
    generator = TransportGenerator(grammar.layout, grammar.sample(500, random_generator(0, "a")))
    layout, lines = grammar.layout, []
    target = grammar.sample(150, random_generator(1, "b"))
    node = layout.node_names.index("Forest")
    density, crown = (layout.features.index(name) for name in ("density", "crown"))
    random = np.random.default_rng(5)
    target.features[:, node, density] = (140 + 12 * random.standard_normal(150)) / 300
    target.features[:, node, crown] = (3.5 + 1.2 * random.standard_normal(150)) / 10
    objective = SimpleNamespace(target=features_of(target), features_of=features_of)
    scenes = SimpleNamespace(
        sample=lambda purpose, count, number, generator: grammar.sample(
            count, random_generator(number, purpose)
        )
    )
    notes = start_by_regression(generator, objective, scenes, lines.append)
    found = generator.changed(grammar.sample(2000, random_generator(9, "c")))
    values = found.values()[:, node]
    assert values[:, density].mean() == pytest.approx(140, abs=4)
    assert values[:, density].std() == pytest.approx(12, abs=3)
    assert values[:, crown].mean() == pytest.approx(3.5, abs=0.25)
    assert values[:, crown].std() == pytest.approx(1.2, abs=0.3)
    assert set(notes["shifts"]) == {"density", "crown"}
    assert "hardly anything of blur" in lines[-1]
