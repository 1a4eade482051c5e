"""Differences against renderers whose derivative is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simtailor.render.embedded.tabletop import TabletopRenderer
from simtailor.render.gradient import (
    images_as_tensor,
    perturb,
    perturb_to_one_side,
    render_with_gradient,
    responsive_steps,
)
from simtailor.render.rendering import Rendering
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

HEIGHT, WIDTH = 4, 6


def layout_of(nodes: int = 2, features: int = 2) -> SceneGraphLayout:
    names = tuple(f"attribute_{i}" for i in range(features))
    return SceneGraphLayout(
        class_names=("thing",),
        node_names=("thing",) * nodes,
        node_constants=({},) * nodes,
        parents=np.arange(nodes) - 1,
        features=names,
        maximum=np.full((nodes, features), 10, np.float32),
        mutable=np.ones((nodes, features), bool),
    )


def graphs_at(features: np.ndarray) -> SceneGraphBatch:
    features = np.asarray(features, np.float32)
    count, nodes, width = features.shape
    return SceneGraphBatch(
        layout_of(nodes, width),
        np.zeros((count, nodes), np.int64),
        features,
        np.arange(count, dtype=np.int64) + 100,
    )


class FormulaRenderer:
    """Draws bytes by a formula of the features; remembers what it was asked for."""

    def __init__(self, noise: int = 0) -> None:
        self.noise = noise
        self.calls: list[SceneGraphBatch] = []

    def __enter__(self) -> FormulaRenderer:
        return self

    def __exit__(self, *_: object) -> None: ...

    def effective(self, layout: SceneGraphLayout) -> np.ndarray:
        return np.ones(layout.mutable.shape, bool)

    def formula(self, features: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        self.calls.append(graphs)
        values = self.formula(graphs.features.astype(np.float64))
        if self.noise:
            values = values + [
                np.random.default_rng(seed).integers(0, self.noise, values.shape[1:])
                for seed in graphs.seeds
            ]
        assert values.min() >= 0
        assert values.max() <= 255
        return Rendering(images=np.rint(values).astype(np.uint8))


SLOPES = (np.arange(HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3) % 9) * 10.0 - 40


class LinearRamp(FormulaRenderer):
    """Byte = 100 + slope of the pixel * entry (0, 0) + 20 * entry (1, 1)."""

    def formula(self, features: np.ndarray) -> np.ndarray:
        first, last = (features[:, i, i, None, None, None] for i in (0, 1))
        return 100 + SLOPES * first + 20 * last


class Quadratic(FormulaRenderer):
    """Byte = 200 * entry (0, 0) squared."""

    def formula(self, features: np.ndarray) -> np.ndarray:
        value = 200 * features[:, 0, 0] ** 2
        return np.broadcast_to(value[:, None, None, None], (len(value), HEIGHT, WIDTH, 3))


def gradient_of(renderer, features, steps, weights) -> torch.Tensor:
    """Return the gradient of sum(images * weights)."""
    tensor = torch.tensor(np.asarray(features, np.float32), requires_grad=True)
    images = render_with_gradient(renderer, graphs_at(features), tensor, np.asarray(steps))
    (images * torch.as_tensor(weights, dtype=torch.float32)).sum().backward()
    return tensor.grad


def weights_for(count: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal((count, 3, HEIGHT, WIDTH)).astype(np.float32)


@pytest.mark.parametrize("step", [0.1, 0.2, 0.5])
def test_linear_ramp_has_its_slope(step):
    features = np.full((3, 2, 2), 0.5)
    weights = weights_for(3)
    steps = np.full((2, 2), step)
    gradient = gradient_of(LinearRamp(), features, steps, weights).numpy()
    # Bytes over 255 a unit of the feature, whatever the step.
    by_pixel = np.moveaxis(SLOPES, -1, 0) / 255
    np.testing.assert_allclose(gradient[:, 0, 0], (weights * by_pixel).sum((1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(gradient[:, 1, 1], 20 / 255 * weights.sum((1, 2, 3)), rtol=1e-3)
    np.testing.assert_array_equal(gradient[:, [0, 1], [1, 0]], 0)


@pytest.mark.parametrize(("value", "step"), [(0.5, 0.1), (0.5, 0.2), (0.4, 0.2), (0.7, 0.1)])
def test_the_mean_over_scenes_is_the_central_difference(value, step):
    """That of a quadratic is exact, where a forward difference is off by the step."""
    count, pixels = 2000, 3 * HEIGHT * WIDTH
    weights = np.ones((count, 3, HEIGHT, WIDTH))
    gradient = gradient_of(
        Quadratic(), np.full((count, 2, 2), value), [[step, 0], [0, 0]], weights
    ).numpy()[:, 0, 0]
    scale = 200 / 255 * pixels
    np.testing.assert_allclose(
        np.unique(np.abs(gradient - 2 * value * scale)), step * scale, rtol=0.03
    )
    assert gradient.mean() == pytest.approx(2 * value * scale, abs=4 * step * scale / count**0.5)


def test_each_image_meets_its_own_gradient_only():
    values = np.array([0.3, 0.4, 0.5, 0.6, 0.7])
    features = np.broadcast_to(values[:, None, None], (5, 2, 2))
    weights = np.zeros((5, 3, HEIGHT, WIDTH))
    weights[3] = 1
    gradient = gradient_of(Quadratic(), features, np.full((2, 2), 0.02), weights).numpy()
    assert gradient[3, 0, 0] == pytest.approx(2 * 0.6 * 200 / 255 * 72, rel=0.05)
    gradient[3] = 0
    np.testing.assert_array_equal(gradient, 0)
    # And with all of them at once.
    weights = np.ones_like(weights) * np.array([1.0, -2, 0, 3, 0.5])[:, None, None, None]
    gradient = gradient_of(Quadratic(), features, np.full((2, 2), 0.02), weights).numpy()
    expected = weights[:, 0, 0, 0] * 2 * values * 200 / 255 * 72
    np.testing.assert_allclose(gradient[:, 0, 0], expected, rtol=0.2)  # of the step, and of bytes


def test_forward_is_the_plain_render():
    features = np.random.default_rng(0).uniform(0.2, 0.8, (4, 2, 2)).astype(np.float32)
    graphs = graphs_at(np.zeros_like(features))  # replaced by the features
    renderer = LinearRamp()
    images = render_with_gradient(renderer, graphs, torch.tensor(features), np.zeros((2, 2)))
    expected = LinearRamp().render(graphs_at(features)).images
    assert images.shape == (4, 3, HEIGHT, WIDTH)
    assert images.dtype == torch.float32
    np.testing.assert_array_equal(np.rint(images.permute(0, 2, 3, 1).numpy() * 255), expected)
    assert torch.equal(images, images_as_tensor(expected))


def test_common_random_numbers_cancel_the_noise():
    features = np.full((3, 2, 2), 0.5)
    weights = weights_for(3)
    steps = np.full((2, 2), 0.1)
    quiet = gradient_of(LinearRamp(), features, steps, weights)
    renderer = LinearRamp(noise=60)
    noisy = gradient_of(renderer, features, steps, weights)
    assert torch.equal(quiet, noisy)
    forward, backward = renderer.calls
    np.testing.assert_array_equal(forward.seeds, [100, 101, 102])
    np.testing.assert_array_equal(backward.seeds, np.tile([100, 101, 102], 4))


def test_backward_renders_all_perturbed_scenes_in_one_call():
    renderer = LinearRamp()
    features = np.random.default_rng(0).uniform(0.4, 0.6, (3, 2, 2)).astype(np.float32)
    steps = np.array([[0.1, 0.0], [0.05, 0.2]], np.float32)
    gradient_of(renderer, features, steps, weights_for(3))
    forward, backward = renderer.calls
    assert len(forward) == 3
    assert len(backward) == 3 * 3  # entries with a step, scenes
    moved = (backward.features.reshape(3, 3, 2, 2) - features).astype(np.float64)
    expected = np.zeros((3, 3, 2, 2))
    for e, (node, feature) in enumerate([(0, 0), (1, 0), (1, 1)]):
        expected[e, :, node, feature] = steps[node, feature]
    np.testing.assert_allclose(np.abs(moved), expected, atol=1e-6)


def test_zero_step_gives_zero_gradient_and_no_render():
    renderer = LinearRamp()
    features = np.full((2, 2, 2), 0.5)
    gradient = gradient_of(renderer, features, np.zeros((2, 2)), weights_for(2))
    assert not gradient.any()
    assert len(renderer.calls) == 1
    gradient = gradient_of(renderer, features, [[0.1, 0], [0, 0]], weights_for(2))
    assert gradient[:, 0, 0].all()
    assert not gradient[:, 1].any()


def test_negative_step_is_an_error():
    with pytest.raises(ValueError, match="must not be negative"):
        gradient_of(LinearRamp(), np.zeros((1, 2, 2)), -np.ones((2, 2)), weights_for(1))


def test_gradient_flows_on_to_what_made_the_features():
    shift = torch.tensor(0.5, requires_grad=True)
    features = shift * torch.ones(2, 2, 2)
    steps = np.array([[0.0, 0.0], [0.0, 0.1]])
    images = render_with_gradient(LinearRamp(), graphs_at(np.zeros((2, 2, 2))), features, steps)
    images.mean().backward()
    assert float(shift.grad) == pytest.approx(20 / 255, rel=1e-4)


def test_perturb_returns_the_distances_after_rounding():
    values = np.array([[[0.5]], [[4096.0]]], np.float32)
    perturbed, distances = perturb(values, np.array([[1e-4]], np.float32), np.array([[0, 0]]))
    assert perturbed.shape == (4, 1, 1)
    np.testing.assert_array_equal(perturbed[:2, 0, 0] - perturbed[2:, 0, 0], distances[0])
    assert distances[0, 0] == pytest.approx(2e-4, rel=1e-2)
    np.testing.assert_array_equal(values[:, 0, 0], [0.5, 4096])  # untouched


def test_a_scene_steps_to_the_side_that_its_seed_says():
    graphs = graphs_at(np.full((400, 2, 2), 0.5))
    steps, entries = np.full((2, 2), 0.1, np.float32), np.array([[0, 0], [1, 1]])
    moved, distances = perturb_to_one_side(graphs, steps, entries)
    assert 150 < (distances[0] > 0).sum() < 250
    assert 120 < (distances[0] * distances[1] > 0).sum() < 280  # each attribute by itself
    np.testing.assert_array_equal(
        moved.reshape(2, 400, 2, 2)[1, :, 1, 1] - np.float32(0.5), distances[1]
    )
    order = np.arange(400)[::-1]
    np.testing.assert_array_equal(
        perturb_to_one_side(graphs[order], steps, entries)[1], distances[:, order]
    )


# The tabletop renderer: derivative of smooth statistics of its pictures

TABLETOP = {
    "class": ["Deterministic", "Image"],
    "attributes": {
        "features": ["class", "yaw", "loc_x", "loc_z", "intensity"],
        "mutable": ["yaw", "loc_x", "loc_z", "intensity"],
        "immutable": True,
    },
    "num_child": ["Deterministic", 2],
    "child": [
        {
            "class": ["Deterministic", 3],
            "attributes": {
                "immutable": False,
                "yaw": ["Deterministic", 20, 0, 360],
                "loc_x": ["Deterministic", 98, 0, 200],
                "loc_z": ["Deterministic", 103, 0, 200],
            },
            "num_child": ["Deterministic", 0],
            "child": [],
        },
        {
            "class": ["Deterministic", "Light"],
            "attributes": {"immutable": False, "intensity": ["Deterministic", 0.5, 0, 2]},
            "num_child": ["Deterministic", 0],
            "child": [],
        },
    ],
}


@pytest.mark.parametrize(
    ("node_name", "name", "step", "reach"),
    [
        ("object", "loc_x", 0.01, 0.012),
        ("object", "loc_z", 0.01, 0.012),
        ("Light", "intensity", 0.02, 0.06),
    ],
)
def test_tabletop_gradient_agrees_with_the_exact_derivative(node_name, name, step, reach):
    """The exact derivative is that of a cubic through many renders of the statistic."""
    size = 64
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    weights = {"loc_x": columns, "loc_z": rows, "intensity": torch.ones(size, size)}[name]
    weights = weights / weights.sum() / 3

    seeds = 24  # the mean over some seeds of the soft shadow's and the edges' noise
    graphs = Grammar(TABLETOP).sample(seeds, np.random.default_rng(0))
    layout = graphs.layout
    node, feature = layout.node_names.index(node_name), layout.features.index(name)
    steps = np.zeros(layout.maximum.shape)
    steps[node, feature] = step
    offsets = np.linspace(-reach, reach, 25)
    with TabletopRenderer(image_size=size, samples=4, threads=2) as renderer:
        features = torch.tensor(graphs.features, requires_grad=True)
        images = render_with_gradient(renderer, graphs, features, steps)
        (images * weights).sum().backward()
        many = graphs.repeat(len(offsets))
        many.features[:, node, feature] += np.repeat(offsets, seeds)
        images = images_as_tensor(renderer.render(many).images)
    statistic = (images * weights).sum((1, 2, 3)).reshape(len(offsets), seeds).mean(1)
    exact = np.polynomial.Polynomial.fit(offsets, statistic.numpy(), 3).deriv()(0.0)
    gradient = features.grad.numpy().mean(0)
    assert abs(exact) > 0.05
    assert gradient[node, feature] == pytest.approx(exact, rel=0.1)
    gradient[node, feature] = 0
    assert not gradient.any()


class UnequalResponses(FormulaRenderer):
    """Entry (0, 0) changes the bytes much, (0, 1) hardly, (1, 0) only by a wide step."""

    def formula(self, features: np.ndarray) -> np.ndarray:
        much, hardly, wide = (
            features[:, n, f, None, None, None] for n, f in ((0, 0), (0, 1), (1, 0))
        )
        value = 100 + 1000 * (much - 0.5) + 40 * (hardly - 0.5) + 100 * (wide > 0.55)
        return np.broadcast_to(value, (len(features), HEIGHT, WIDTH, 3))


def test_steps_are_doubled_until_the_image_responds():
    renderer, graphs = UnequalResponses(), graphs_at(np.full((3, 2, 2), 0.5))
    steps = np.array([[0.01, 0.01], [0.01, 0]], np.float32)
    chosen, responses, renders = responsive_steps(renderer, graphs, steps)
    assert chosen[0, 0] == steps[0, 0]
    assert responses[0, 0] == pytest.approx(20, abs=1)
    # Up to eightfold, though even that does not give a good response.
    assert chosen[0, 1] == pytest.approx(0.08)
    assert responses[0, 1] == pytest.approx(6.4, abs=1)
    # The last doubling is the first that changes anything.
    assert chosen[1, 0] == pytest.approx(0.08)
    assert responses[1, 0] == pytest.approx(100, abs=1)
    assert chosen[1, 1] == responses[1, 1] == 0
    assert renders == sum(len(call) for call in renderer.calls)


def test_blind_entry_has_no_response():
    graphs = graphs_at(np.full((3, 2, 2), 0.5))
    chosen, responses, _ = responsive_steps(LinearRamp(), graphs, np.full((2, 2), 0.1, np.float32))
    assert responses[0, 1] == responses[1, 0] == 0
    assert chosen[0, 1] == pytest.approx(0.8)
    assert responses[0, 0] > 0


def test_pixels_that_respond_are_few_but_not_one_in_a_picture():
    class Corner(FormulaRenderer):
        def formula(self, features: np.ndarray) -> np.ndarray:
            values = np.full((len(features), 40, 40, 3), 100.0)
            side = 2 if features[0, 0, 1] > 0.5 else 1
            values[:, :side, :side] += 100 * features[:, 0, 0, None, None, None]
            return values

    for side, response in ((0.0, 0), (1.0, 20)):
        graphs = graphs_at(np.stack([np.array([[0.5, side], [0, 0]])] * 2))
        steps = np.array([[0.1, 0], [0, 0]], np.float32)
        _, responses, _ = responsive_steps(Corner(), graphs, steps)
        assert responses[0, 0] == pytest.approx(response, abs=1)


@pytest.mark.parametrize("entries_a_call", [0.5, 1, 2, 3])
def test_gradient_in_parts_is_that_at_once(monkeypatch, entries_a_call):
    features = np.random.default_rng(1).uniform(0.3, 0.7, (3, 2, 2)).astype(np.float32)
    steps, weights = np.array([[0.1, 0.1], [0.05, 0.2]], np.float32), weights_for(3)
    whole, renderer = gradient_of(LinearRamp(), features, steps, weights), LinearRamp()
    bytes_an_entry = weights.size
    monkeypatch.setattr(
        "simtailor.render.gradient.MOST_BYTES", int(entries_a_call * bytes_an_entry)
    )
    parts = gradient_of(renderer, features, steps, weights)
    torch.testing.assert_close(parts, whole, rtol=0, atol=0)
    most = max(1, int(entries_a_call))
    assert len(renderer.calls) == 1 + -(-4 // most)
    assert max(len(call) for call in renderer.calls[1:]) == 3 * most


@pytest.mark.parametrize("most_bytes", [1, 2**28])
def test_steps_that_change_no_pixel_are_told(monkeypatch, most_bytes):
    monkeypatch.setattr("simtailor.render.gradient.MOST_BYTES", most_bytes)
    features = torch.full((3, 2, 2), 0.5, requires_grad=True)
    graphs, changed = graphs_at(np.zeros((3, 2, 2))), []
    images = render_with_gradient(LinearRamp(), graphs, features, np.full((2, 2), 0.1), changed)
    assert changed == []
    images.sum().backward()
    expected = np.repeat([[True], [False], [False], [True]], 3, axis=1)
    np.testing.assert_array_equal(np.concatenate(changed), expected)
