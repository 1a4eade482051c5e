"""Networks whose features are no numbers, or all the same, give no accuracy and no vector."""

import numpy as np
import pytest
import torch
from test_evaluate import NAME, TINY, digits_task, evaluate

from simtailor.errors import UserError
from simtailor.evaluate.heads import linear_accuracy
from simtailor.evaluate.settings import Evaluate, HeadTraining
from simtailor.pretrain.backbone import Backbone, describe, write_backbone
from simtailor.task2vec.settings import Task2Vec
from simtailor.task2vec.vectors import task_vector
from simtailor.tasks.features import check_features
from simtailor.tasks.prepared import PreparedTask

VALUES = {"nan": np.nan, "infinity": np.inf, "zero": 0.0}
WORDS = {"nan": "not finite", "infinity": "not finite", "zero": "the same features for all"}


def spoilt_backbone(folder, value):
    """Write an untrained network whose last convolutions hold one value."""
    folder.mkdir()
    network = Backbone.random(TINY, 3).network
    weights = {
        name: torch.full(tensor.shape, value)
        if name.startswith("layer4") and tensor.is_floating_point() and "running" not in name
        else tensor.contiguous()
        for name, tensor in network.state_dict().items()
    }
    write_backbone(folder, weights, describe(TINY, ["only"], NAME, 3))
    return folder


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("method", ["knn", "linear"])
def test_an_evaluation_names_backbone_and_task(tmp_path, kind, method):
    backbone = spoilt_backbone(tmp_path / "spoilt", VALUES[kind])
    settings = Evaluate(methods=[method], reward=method)
    expected = rf"backbone of set {NAME} \(seed 3\).*{WORDS[kind]}.*task 'digits'"
    with pytest.raises(UserError, match=expected):
        evaluate(tmp_path, backbone, [digits_task(tmp_path, count=60)], settings)
    assert not (tmp_path / "evaluation.json").exists()
    assert not list(tmp_path.glob("cache/*.json"))


@pytest.mark.parametrize("kind", VALUES)
def test_task2vec_names_probe_and_task(tmp_path, kind):
    backbone = spoilt_backbone(tmp_path / "spoilt", VALUES[kind])
    task = PreparedTask.read(digits_task(tmp_path, count=60))
    settings = Task2Vec(weights=str(backbone), image_size=32)
    expected = f"probe network .*spoilt.*{WORDS[kind]}.*task 'digits'"
    with pytest.raises(UserError, match=expected):
        task_vector(task, settings, "cpu", tmp_path, 0, lambda line: None)


def test_one_bad_image_of_many_is_enough():
    features = np.random.default_rng(0).normal(size=(50, 4))
    check_features(features, "mine", "digits")
    features[7, 2] = np.inf
    with pytest.raises(UserError, match="1 of 50 images of the task 'digits'"):
        check_features(features, "mine", "digits")


@pytest.mark.parametrize("method", ["linear", "finetune"])
def test_a_head_that_diverges_is_no_answer_of_class_0(tmp_path, method):
    folder = tmp_path / "random"
    folder.mkdir()
    weights = {n: v.contiguous() for n, v in Backbone.random(TINY, 3).network.state_dict().items()}
    write_backbone(folder, weights, describe(TINY, ["only"], NAME, 3))
    settings = Evaluate.model_validate(
        {
            "methods": [method],
            "reward": method,
            method: {"epochs": 4, "batch_size": 16, "learning_rates": [1e38], "weight_decay": 1.0},
        }
    )
    expected = rf"head trained on the task 'digits' diverged.*evaluate\.{method}\.learning_rates"
    with pytest.raises(UserError, match=expected):
        evaluate(tmp_path, folder, [digits_task(tmp_path, count=60)], settings)


def test_a_learning_rate_that_diverges_is_not_chosen():
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2
    features = (random.normal(size=(200, 4)) + 3 * labels[:, None]).astype(np.float32)
    settings = HeadTraining(epochs=12, batch_size=16, learning_rates=[3e38])
    assert np.isnan(linear_accuracy(features, labels, features, labels, settings, 0))
    settings = settings.model_copy(update={"learning_rates": [3e38, 0.05]})
    assert linear_accuracy(features, labels, features, labels, settings, 0) > 90
