"""Refinement: scenes move to their own images, and never away from them."""

import numpy as np
import pytest
import torch
from blobs import LOC_X, THING, YAW, BlobRenderer, grammar

from simtailor.metasim.generators import effective_layout
from simtailor.metasim.search.policy import POLICY
from simtailor.metasim.search.refinement import Refinement
from simtailor.scene import SceneGraphBatch

WANTED = grammar((0, 25), (50, 12))  # many lie across the angle's seam


def features(images: np.ndarray) -> torch.Tensor:
    """The pictures without the noise of each scene, whole and averaged down."""
    pixels = torch.from_numpy(images[..., :2]).float().permute(0, 3, 1, 2) / 255
    levels = [torch.nn.functional.adaptive_avg_pool2d(pixels, edge) for edge in (16, 4)]
    return torch.cat([level.flatten(1) for level in levels], 1)


def scenes(count: int) -> SceneGraphBatch:
    graphs = WANTED.sample(count, np.random.default_rng(0))
    layout = effective_layout(WANTED, BlobRenderer())
    return SceneGraphBatch(layout, graphs.classes, graphs.features, graphs.seeds)


def moved(graphs: SceneGraphBatch, off: float, seed: int = 1) -> SceneGraphBatch:
    """Return the scenes with yaw and loc_x off by a random share of their range."""
    random, values = np.random.default_rng(seed), graphs.features.copy()
    values[:, THING, YAW] = (values[:, THING, YAW] + random.uniform(-off, off, len(graphs))) % 1
    shift = random.uniform(-off, off, len(graphs))
    values[:, THING, LOC_X] = (values[:, THING, LOC_X] + shift).clip(0, 1)
    return graphs.with_features(values)


def run(start: SceneGraphBatch, target: SceneGraphBatch, iterations: int):
    steps = np.where(start.layout.mutable, 0.01, 0).astype(np.float32)
    refinement = Refinement(start.layout, BlobRenderer(), features, steps)
    images = features(BlobRenderer().render(target).images)
    result = refinement.run(start, images, iterations)
    drawn = features(BlobRenderer().render(result[0]).images)
    np.testing.assert_allclose((drawn - images).square().sum(1), result[1], rtol=1e-4, atol=1e-4)
    return result


def distances(first: SceneGraphBatch, second: SceneGraphBatch) -> np.ndarray:
    off = first.features[:, THING, : LOC_X + 1] - second.features[:, THING, : LOC_X + 1]
    off[:, YAW] = (off[:, YAW] + 0.5) % 1 - 0.5
    return np.abs(off)


def test_scenes_move_to_their_images():
    target = scenes(40)
    start = moved(target, 0.08)
    refined, _ = run(start, target, 8)
    before, after = distances(start, target), distances(refined, target)
    assert (np.median(after, 0) < np.median(before, 0) / 10).all()
    assert (after < 0.01).mean() > 0.9
    # What may not change is kept bit for bit.
    fixed = ~target.layout.mutable
    assert refined.features[:, fixed].tobytes() == start.features[:, fixed].tobytes()


@pytest.mark.parametrize("off", [0.02, 0.5])
def test_no_match_becomes_worse(off):
    target = scenes(60)
    start = moved(target, off)
    _, before = run(start, target, 0)
    refined, after = run(start, target, 3)
    assert (after <= before * (1 + 1e-5)).all()
    assert (after < before).mean() > 0.5
    assert (refined.features >= 0).all()
    assert (refined.features <= 1).all()


def test_scenes_do_not_depend_on_those_beside_them():
    target = scenes(POLICY.together + 10)
    start = moved(target, 0.05)
    whole, distance = run(start, target, 2)
    part, distance_of_part = run(start[POLICY.together :], target[POLICY.together :], 2)
    np.testing.assert_allclose(part.features, whole.features[POLICY.together :], atol=1e-5)
    np.testing.assert_allclose(distance_of_part, distance[POLICY.together :], atol=1e-5)


def test_match_that_is_perfect_stays():
    target = scenes(5)
    refined, distance = run(target, target, 2)
    np.testing.assert_array_equal(refined.features, target.features)
    assert not distance.any()
