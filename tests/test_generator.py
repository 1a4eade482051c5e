"""Generators: what they keep, where they start, and what of them learns."""

from typing import get_args

import numpy as np
import pytest
import torch

from simtailor.metasim.generators import GENERATORS
from simtailor.metasim.settings import Experiment
from simtailor.metasim.transport import CURVE_END, SEGMENTS, Start
from simtailor.scene import Grammar, SceneGraphBatch
from simtailor.scene.attributes import ANGLE, Attribute


def leaf(name: str | int, immutable: bool, **attributes: list) -> dict:
    return {
        "class": ["Deterministic", name],
        "attributes": {"immutable": immutable, **attributes},
        "num_child": ["Deterministic", 0],
        "child": [],
    }


# An angle over one turn around its seam, one over two turns, and values on a line.
GRAMMAR = Grammar(
    {
        "class": ["Deterministic", "Image"],
        "attributes": {
            "features": ["class", "yaw", "pitch", "loc_x", "size_x"],
            "mutable": ["yaw", "pitch", "loc_x"],
            "immutable": True,
        },
        "num_child": ["Deterministic", 3],
        "child": [
            leaf("Wall", True, loc_x=["Uniform", 0, 200, 200], yaw=["Uniform", 0, 360, 360]),
            leaf("Light", False, loc_x=["Gaussian", 60, 10, 200]),
            {
                **leaf(
                    0,
                    False,
                    yaw=["Gaussian", 0, 20, 360],
                    pitch=["Gaussian", 360, 30, 720],
                    loc_x=["Gaussian", 100, 5, 200],
                    size_x=["Uniform", 10, 20, 64],
                ),
                "class": ["Random", [0, 1, 2]],
            },
        ],
    },
    attributes={
        "object": {"yaw": ANGLE, "pitch": ANGLE, "loc_x": Attribute("cm")},
        "Wall": {"yaw": ANGLE},
    },
)
LAYOUT = GRAMMAR.layout
OBJECT = LAYOUT.node_names.index("object")
YAW = (OBJECT, LAYOUT.features.index("yaw"))


def graphs(count: int = 64, seed: int = 1) -> SceneGraphBatch:
    return GRAMMAR.sample(count, np.random.default_rng(seed))


def make(kind: str, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return GENERATORS[kind](LAYOUT, graphs(4000, 0))


def scrambled(kind: str) -> torch.nn.Module:
    """Return a generator with weights far from those at the start."""
    generator = make(kind)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return generator


def degrees_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs((first - second + 180) % 360 - 180)


def test_transport_starts_as_the_identity_modulo_a_turn():
    batch = graphs()
    changed = batch.with_features(make("transport")(batch).detach().numpy()).values()
    for node, feature in LAYOUT.entries():
        pair = changed[:, node, feature], batch.values()[:, node, feature]
        if LAYOUT.period[node, feature]:
            assert degrees_apart(*pair).max() < 1e-3
        else:
            np.testing.assert_allclose(*pair, atol=1e-3)


@pytest.mark.parametrize("noise", [None, 0])
@pytest.mark.parametrize("kind", GENERATORS)
def test_fixed_entries_are_kept_bit_for_bit(kind, noise):
    batch = graphs()
    random = None if noise is None else np.random.default_rng(noise)
    changed = scrambled(kind)(batch, random).detach().numpy()
    fixed = ~LAYOUT.mutable
    assert changed.dtype == np.float32
    assert changed[:, fixed].tobytes() == batch.features[:, fixed].tobytes()
    assert (changed[:, LAYOUT.mutable] != batch.features[:, LAYOUT.mutable]).mean() > 0.9


@pytest.mark.parametrize("kind", GENERATORS)
def test_changed_entries_are_valid_features(kind):
    changed = scrambled(kind)(graphs(500), np.random.default_rng(0)).detach()
    changed = changed[:, LAYOUT.mutable]
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1


def test_transport_moves_and_stretches_about_the_mean():
    generator, batch = make("transport"), graphs(4000, 2)
    with torch.no_grad():
        generator.shift[YAW] = generator.turn[YAW] / 4 / generator.unit[YAW]
        generator.log_scale[YAW] = np.log(0.5)
        values = batch.with_features(generator(batch).numpy()).values()[:, *YAW]
    assert values.mean() == pytest.approx(90, abs=1)
    assert values.std() == pytest.approx(10, abs=0.5)


def curve_of(generator, values) -> np.ndarray:
    """Return the curve of the yaw at ``values``."""
    points = torch.zeros(len(values), *LAYOUT.mutable.shape)
    points[:, *YAW] = torch.tensor(values, dtype=torch.float32)
    return generator.curve(points)[:, *YAW].detach().numpy()


def test_curve_starts_as_the_identity():
    points = np.linspace(-6, 6, 101)
    np.testing.assert_allclose(curve_of(make("transport"), points), points, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_curve_is_monotone_passes_through_0_and_ends_straight(seed):
    generator = make("transport")
    random = torch.Generator().manual_seed(seed)
    for parameter in generator.curve_parameters():
        torch.nn.init.normal_(parameter, std=2, generator=random)
    points = np.linspace(-6, 6, 601)
    curved = curve_of(generator, points)
    assert (np.diff(curved) > 0).all()
    assert abs(curve_of(generator, [0.0])[0]) < 1e-6
    for end in (points < -CURVE_END, points > CURVE_END):
        np.testing.assert_allclose(np.diff(curved[end]), np.diff(points[end]), atol=1e-4)


def test_start_places_shift_scale_and_curve():
    generator, batch = make("transport"), graphs(4000, 2)
    places = np.linspace(-CURVE_END, CURVE_END, SEGMENTS + 1)
    flat_in_the_middle = np.sign(places) * np.maximum(np.abs(places) - 1, 0.0)
    generator.place(*YAW, Start(shift=0.25, scale=2.0, bend=(places, flat_in_the_middle)))
    with torch.no_grad():
        values = batch.with_features(generator(batch).numpy()).values()[:, *YAW]
    before = (batch.values()[:, *YAW] + 180) % 360 - 180
    middle = np.abs(before) < 15
    assert np.abs(values[middle] - 90).max() < 3
    assert values[np.argmax(before)] > 110
    generator.place(*YAW, Start(shift=0.25))
    with torch.no_grad():
        values = batch.with_features(generator(batch).numpy()).values()[:, *YAW]
    assert degrees_apart(values, before + 90).max() < 0.1


def test_class_starts_apart_from_the_others_until_forgotten():
    generator, batch = make("transport"), graphs(300, 2)
    entry = (OBJECT, LAYOUT.features.index("loc_x"))
    index = int(batch.classes[0, OBJECT])
    member = batch.classes[:, OBJECT] == index
    for shift in (0.2, 0.0):
        with torch.no_grad():
            moved = (generator(batch).numpy() - batch.features)[:, *entry]
        np.testing.assert_allclose(moved, 0, atol=1e-5)
        generator.place_class(index, entry[1], Start(shift))
        with torch.no_grad():
            moved = (generator(batch).numpy() - batch.features)[:, *entry]
        np.testing.assert_allclose(moved, np.where(member, shift, 0), atol=1e-5)
        generator.forget_classes()


def test_transport_can_tell_classes_apart():
    generator, batch = make("transport"), graphs(300, 2)
    entry = (OBJECT, LAYOUT.features.index("loc_x"))
    wanted = torch.from_numpy(np.where(batch.classes[:, entry[0]] == 1, 0.3, 0.6))
    optimiser = torch.optim.Adam(generator.start_training(), lr=0.03)
    for _ in range(200):
        optimiser.zero_grad()
        loss = (generator(batch)[:, *entry] - wanted).square().mean()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.005  # one value for both classes leaves 0.02


def test_transport_can_follow_a_neighbour_two_edges_away():
    """The thing's place by the light's, which the root of the graph stands between."""
    generator, batch = make("transport"), graphs(300, 2)
    column = LAYOUT.features.index("loc_x")
    light = batch.features[:, LAYOUT.node_names.index("Light"), column]
    wanted = torch.from_numpy(0.5 + 0.1 * np.sign(light - np.median(light)))
    optimiser = torch.optim.Adam(generator.start_training(), lr=0.03)
    for _ in range(300):
        optimiser.zero_grad()
        loss = (generator(batch)[:, OBJECT, column] - wanted).square().mean()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.005  # one value for all leaves 0.01


@pytest.mark.parametrize("kind", GENERATORS)
def test_what_learns_on_the_discrepancy(kind):
    generator = make(kind)
    trained = generator.start_training()
    generator(graphs())[:, LAYOUT.mutable].square().sum().backward()
    learning = {
        name.split(".")[0]
        for name, parameter in generator.named_parameters()
        if parameter.grad is not None and bool(parameter.grad.any())
    }
    if kind == "gcn":
        assert learning == {"decoder"}  # the encoder is frozen, as published
    else:
        assert learning >= {"shift", "log_scale", "second"}
    assert {id(p) for p in trained} == {id(p) for p in generator.parameters() if p.requires_grad}


def test_gcn_learns_as_a_whole_before_the_training():
    generator = make("gcn")
    generator.reconstruction_loss(graphs()).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in generator.parameters())


def test_gcn_reconstruction_improves_on_unseen_graphs():
    generator, unseen = make("gcn"), graphs(200, 5)
    before = float(generator.reconstruction_loss(unseen).detach())
    optimiser = torch.optim.Adam(generator.parameters(), lr=1e-2)
    for step in range(60):
        optimiser.zero_grad()
        generator.reconstruction_loss(graphs(50, 10 + step)).backward()
        optimiser.step()
    assert float(generator.reconstruction_loss(unseen).detach()) < before / 5


def test_gcn_reconstruction_error_goes_the_short_way_round():
    generator, batch = make("gcn"), graphs(1)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
        bias = torch.logit(torch.tensor(359 / 360))  # decodes every graph to 359 degrees
        generator.decoder[-1].own.bias[YAW[1]] = bias

    def error(angle: float) -> float:
        features = batch.features.copy()
        features[:, *YAW] = angle / 360
        with torch.no_grad():
            return float(generator.reconstruction_loss(batch.with_features(features)))

    assert error(1) == pytest.approx(error(357), rel=1e-4)
    assert error(1) - error(359) == pytest.approx((2 / 360) ** 2 / 4, rel=0.05)
    assert error(179) > error(90) > error(1)


def test_gcn_noise_comes_from_the_given_source():
    generator, batch = make("gcn"), graphs()
    plain, first, again, other = (
        generator(batch, None if seed is None else np.random.default_rng(seed)).detach()
        for seed in (None, 1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    noise = (first - plain)[:, LAYOUT.mutable]
    assert float(noise.std()) == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("kind", GENERATORS)
def test_weights_round_trip_by_name(kind):
    """Saved weights hold all that was learned and nothing that the grammar already says."""
    generator, other = scrambled(kind), make(kind, 9)
    weights = generator.state_dict()
    trained = {name for name, _ in generator.named_parameters()}
    searched = {n for n in weights if n.startswith("start_") or n == "matches"}
    assert set(weights) == trained | searched
    other.load_state_dict(weights)
    assert torch.equal(generator(graphs()), other(graphs()))


def test_classes_that_are_forgotten_are_not_held_any_more():
    generator = make("transport")
    generator.place_class(1, 0, Start(0.1, 1.0, matches=100))
    generator.forget_classes()
    with torch.no_grad():
        generator.class_shift[1, 0] = 1.0
    assert generator.pull() == 0


def test_pull_holds_the_start_the_firmer_the_more_matches_it_rests_on():
    """A tenth of a spread away with 100 matches is one standard error: half a nat."""
    generator = make("transport")
    assert generator.pull() == 0
    spread = float(generator.spread[YAW])
    for matches, expected in ((100, 0.5), (400, 2.0)):
        generator.place(*YAW, Start(shift=0.25, matches=matches))
        assert generator.pull() == 0
        with torch.no_grad():
            generator.shift[YAW] += 0.1 * spread / generator.unit[YAW]
        assert generator.pull().item() == pytest.approx(expected, rel=1e-4)


def test_pull_holds_what_the_classes_share():
    """All classes a tenth of a spread away cost as much as the shared shift; half of them, half."""
    generator = make("transport")
    node, feature = YAW
    start = Start(shift=0.25, matches=100)
    generator.place(*YAW, start)
    generator.place_class(1, feature, Start(shift=0.1))
    assert generator.pull() == 0
    shares = generator.class_shares[node]
    assert float(shares.sum()) == pytest.approx(1)
    step = 0.1 * float(generator.spread[YAW] / generator.unit[YAW])
    with torch.no_grad():
        generator.class_shift[1, feature] += step
    assert generator.pull().item() == pytest.approx(0.5 * float(shares[1]), rel=1e-4)
    with torch.no_grad():
        generator.class_shift[:, feature] = generator.start_class_shift[:, feature] + step
    assert generator.pull().item() == pytest.approx(0.5, rel=1e-4)
    with torch.no_grad():
        generator.class_shift[:, feature] -= step
        generator.class_log_scale[:, feature] += 0.1
    assert generator.pull().item() == pytest.approx(0.5, rel=1e-4)


def test_kinds_are_those_of_the_configuration():
    assert set(get_args(Experiment.model_fields["generator"].annotation)) == set(GENERATORS)
