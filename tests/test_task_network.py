"""Task networks: they learn, repeat themselves bit for bit, and take images of any size."""

import numpy as np
import pytest
import torch
from shapes import BarRenderer, bar_grammar

from simtailor.metasim.labels import LabelledImages, object_classes
from simtailor.metasim.task_network import (
    accuracy,
    class_accuracies,
    confusion_matrix,
    train_task_network,
)
from simtailor.metasim.task_settings import NetworkTraining
from simtailor.metasim.task_table import labelled_scenes
from simtailor.seeds import generator


def bars(count: int, seed: int) -> LabelledImages:
    grammar = bar_grammar((0, 8))
    graphs = grammar.sample(count, generator(seed, "bars"))
    return labelled_scenes(BarRenderer(), graphs, object_classes(grammar))


TRAINING, TEST = bars(200, 0), bars(200, 1)


def train(kind="digits", data=TRAINING, seed=0, **settings):
    return train_task_network(kind, data.images, data.labels, 3, NetworkTraining(**settings), seed)


def test_digits_learns_shapes():
    network = train()
    assert accuracy(network, TEST.images, TEST.labels) > 0.95


@pytest.mark.slow
def test_resnet_learns_shapes():
    network = train("resnet18", epochs=3)
    assert accuracy(network, TEST.images, TEST.labels) > 0.9


@pytest.mark.parametrize("kind", ["digits", "resnet18"])
def test_seed_decides_every_weight_and_nothing_else_does(kind):
    data = LabelledImages(TRAINING.images[:33], TRAINING.labels[:33])  # the last batch has one
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(states))
        before = torch.get_rng_state()
        states.append(train(kind, data, seed, epochs=1).state_dict())
        assert torch.equal(torch.get_rng_state(), before)
    first, again, other = states
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_large_images_are_averaged_down():
    large = LabelledImages(TRAINING.images.repeat(3, 1).repeat(3, 2), TRAINING.labels)
    network = train(data=large, image_size=16)
    assert network.prepare(large.images).shape == (200, 3, 16, 16)
    for small, big in zip(TEST.images[:5], TEST.images[:5].repeat(3, 1).repeat(3, 2), strict=True):
        torch.testing.assert_close(network.prepare(big[None]), network.prepare(small[None]))
    assert accuracy(network, TEST.images.repeat(3, 1).repeat(3, 2), TEST.labels) > 0.95


def test_confusion_of_known_predictions():
    confusion = confusion_matrix(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 4)
    expected = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    assert confusion.tolist() == expected
    np.testing.assert_allclose(class_accuracies(confusion), [1 / 2, np.nan, 2 / 3, np.nan])
