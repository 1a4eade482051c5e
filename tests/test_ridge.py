"""Ridge regression with few labels."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from simtailor.evaluate.ridge import PENALTY, balanced_accuracy, draw_labelled, ridge_answers


@pytest.fixture(scope="module")
def digits():
    """Features float32 [N, 64], one of them constant, and labels."""
    pixels, labels = load_digits(return_X_y=True)
    return pixels.astype(np.float32), labels


@pytest.mark.parametrize("a_class", [3, 40])  # fewer images than features, and more
def test_answers_are_those_of_another_implementation(digits, a_class):
    pixels, labels = digits
    random = np.random.default_rng(0)
    episodes = [draw_labelled(labels[:1000], a_class, 1, random) for _ in range(3)]
    found = list(ridge_answers(pixels[:1000], labels[:1000], episodes, pixels[1000:]))
    for chosen, answers in zip(episodes, found, strict=True):
        varying = pixels[chosen].std(0) > 0
        scaler = StandardScaler().fit(pixels[chosen][:, varying])
        scale = np.sqrt(varying.sum())
        model = Ridge(PENALTY * len(chosen)).fit(
            scaler.transform(pixels[chosen][:, varying]) / scale, np.eye(10)[labels[chosen]]
        )
        wanted = model.predict(scaler.transform(pixels[1000:][:, varying]) / scale).argmax(1)
        assert (answers == wanted).mean() > 0.995
    assert balanced_accuracy(found[0], labels[1000:]) > 60


def test_few_labels_are_the_same_number_of_every_class(digits):
    _, labels = digits
    random = np.random.default_rng(0)
    chosen = draw_labelled(labels, 10, 5, random)
    assert (np.bincount(labels[chosen]) == 10).all()
    assert (np.diff(chosen) > 0).all()
    # The smallest class has 7: all classes give the fewer; one that has not even these gives all.
    short = np.concatenate([labels[labels != 3], [3] * 7, [10] * 2])
    assert np.bincount(short[draw_labelled(short, 10, 5, random)]).tolist() == [5] * 10 + [2]


def test_a_common_class_does_not_carry_the_accuracy():
    labels = np.array([0] * 90 + [1] * 10)
    assert balanced_accuracy(np.zeros(100, int), labels) == 50
    assert balanced_accuracy(labels, labels) == 100
