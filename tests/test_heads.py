"""Linear probing and fine-tuning on real digits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from simtailor.evaluate.features import middle
from simtailor.evaluate.heads import finetuned_accuracy, linear_accuracy
from simtailor.evaluate.settings import FineTuning, HeadTraining
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.settings import Pretrain

TINY = Pretrain(  # pooled as by default: more features than the network says it has
    model_options={"channels": [8, 16, 24, 32], "stem_width": 8, "global_pool": "catavgmax"},
    image_size=32,
)


@pytest.fixture(scope="module")
def digits():
    """Training part and test part of the UCI digits: images in [0, 1], labels."""
    pixels, labels = load_digits(return_X_y=True)
    values = (pixels / 16).astype(np.float32)
    return values[:1000], labels[:1000], values[1000:1400], labels[1000:1400]


def test_linear_probing_is_as_good_as_logistic_regression(digits):
    train, train_labels, test, test_labels = digits
    found = linear_accuracy(*digits, HeadTraining(), 0)
    other = LogisticRegression(max_iter=2000).fit(train, train_labels)
    assert found > 100 * other.score(test, test_labels) - 2
    assert found == linear_accuracy(*digits, HeadTraining(), 0)


def test_the_learning_rate_is_chosen_by_held_out_training_images(digits):
    settings = HeadTraining(epochs=4)
    useless = settings.model_copy(update={"learning_rates": [1e-6]})
    chosen = settings.model_copy(update={"learning_rates": [1e-6, 0.05]})
    assert linear_accuracy(*digits, useless, 0) < 40
    assert linear_accuracy(*digits, chosen, 0) > 80


@pytest.fixture(scope="module")
def task(digits):
    """Images uint8 [N, 8, 8, 3] and labels of the digits; indices to train and to test."""
    values, labels = np.concatenate([digits[0], digits[2]]), np.concatenate([digits[1], digits[3]])
    images = np.repeat((255 * values.reshape(-1, 8, 8, 1)).astype(np.uint8), 3, axis=3)
    return images, labels, np.arange(400), np.arange(1000, 1200)


def test_fine_tuning_moves_the_whole_network_and_leaves_the_backbone(task):
    images, labels, train, test = task
    backbone = Backbone.random(TINY, 0)
    before = {name: value.clone() for name, value in backbone.network.state_dict().items()}
    settings = FineTuning(epochs=5, learning_rates=[0.05])
    found = finetuned_accuracy(backbone, *task, settings, 0)
    features = backbone.features(images)
    frozen = linear_accuracy(
        features[train], labels[train], features[test], labels[test], HeadTraining(epochs=5), 0
    )
    assert found > frozen + 5
    assert all((before[n] == value).all() for n, value in backbone.network.state_dict().items())


def test_a_head_trained_on_varied_images_is_that_on_features_where_nothing_varies(task):
    images, labels, train, test = task
    backbone = Backbone.random(TINY, 0, branches_on=True)
    settings = HeadTraining(epochs=10, batch_size=16, learning_rates=[0.05])
    features = backbone.features(images)
    parts = features[train], labels[train], features[test], labels[test]
    kept = linear_accuracy(*parts, settings, 0)
    assert abs(finetuned_accuracy(backbone, *task, settings, 0, only_head=True) - kept) < 3
    cropped = settings.model_copy(update={"crop": 0.3})
    assert finetuned_accuracy(backbone, *task, cropped, 0, only_head=True) < kept - 3


def test_a_task_may_be_trained_otherwise(digits):
    own = {"digits": {"learning_rate": 1e-6, "batch_size": 32}}
    settings = HeadTraining(epochs=4, by_task=own)
    assert settings.of_task("faces") == HeadTraining(epochs=4)
    assert settings.of_task("digits").batch_size == 32
    assert linear_accuracy(*digits, settings.of_task("digits"), 0) < 40
    assert linear_accuracy(*digits, settings.of_task("faces"), 0) > 80


def test_only_the_middle_of_a_test_image_counts(task):
    images, labels, train, test = task
    assert middle(np.zeros((1, 256, 256, 3)), 0.875).shape == (1, 224, 224, 3)
    framed = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)
    framed[test] = 255  # a white frame around the images to test
    framed[test, 4:12, 4:12] = images[test]
    backbone = Backbone.random(TINY, 0, branches_on=True)
    settings = HeadTraining(epochs=10, batch_size=16, learning_rates=[0.05])

    def accuracy(centre):
        return finetuned_accuracy(
            backbone, framed, labels, train, test, settings, 0, centre=centre, only_head=True
        )

    assert accuracy(0.5) > accuracy(1.0) + 10
