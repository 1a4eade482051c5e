"""Linear probing and fine-tuning on real digits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

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


def test_fine_tuning_moves_the_whole_network_and_leaves_the_backbone(digits):
    values, labels = np.concatenate([digits[0], digits[2]]), np.concatenate([digits[1], digits[3]])
    images = np.repeat((255 * values.reshape(-1, 8, 8, 1)).astype(np.uint8), 3, axis=3)
    train, test = np.arange(400), np.arange(1000, 1200)
    backbone = Backbone.random(TINY, 0)
    before = {name: value.clone() for name, value in backbone.network.state_dict().items()}
    settings = FineTuning(epochs=5, learning_rates=[0.05])
    found = finetuned_accuracy(backbone, images, labels, train, test, settings, 0)
    features = backbone.features(images)
    frozen = linear_accuracy(
        features[train], labels[train], features[test], labels[test], HeadTraining(epochs=5), 0
    )
    assert found > frozen + 5
    assert all((before[n] == value).all() for n, value in backbone.network.state_dict().items())
