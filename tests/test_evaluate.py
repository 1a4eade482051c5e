"""Evaluation of a backbone on tasks: results, baselines, and what is not done twice."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import write_task
from sklearn.datasets import load_digits

from simtailor.evaluate import stage
from simtailor.evaluate.settings import Evaluate
from simtailor.files import read_json
from simtailor.pretrain.backbone import Backbone, describe, write_backbone
from simtailor.pretrain.settings import Pretrain
from simtailor.tasks.prepared import PreparedTask

TINY = Pretrain(model_options={"channels": [8, 16, 24, 32], "stem_width": 8}, image_size=32)
NAME = "1_0_0_0_0_3_0_1_1"
FAST = Evaluate.model_validate(
    {
        "methods": ["knn", "linear", "finetune"],
        "linear": {"epochs": 3, "learning_rates": [0.1]},
        "finetune": {"epochs": 1, "learning_rates": [0.05]},
    }
)


def digits_task(folder, name="digits", classes=10, count=300, seed=0):
    """Write some of the UCI digits as a prepared task."""
    pixels, labels = load_digits(n_class=classes, return_X_y=True)
    chosen = np.random.default_rng(seed).permutation(len(labels))[:count]
    images = np.repeat((15 * pixels[chosen]).astype(np.uint8).reshape(-1, 8, 8, 1), 3, axis=3)
    return write_task(folder / name, name, images, labels[chosen], train_share=2 / 3)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A folder with the weights of an untrained network."""
    folder = tmp_path_factory.mktemp("backbones") / NAME
    folder.mkdir()
    network = Backbone.random(TINY, 3).network
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_backbone(folder, weights, describe(TINY, ["only"], NAME, 3))
    return folder


def evaluate(tmp_path, backbone, tasks, settings=FAST):
    """Evaluate and return the results and the lines of the report."""
    output, lines = tmp_path / "evaluation.json", []
    stage.evaluate_set(
        NAME, backbone, tasks, settings, 0, "cpu", tmp_path / "cache", output, lines.append
    )
    return read_json(output), lines


def test_a_set_is_evaluated_by_every_method_and_the_same_again(tmp_path, backbone):
    tasks = [digits_task(tmp_path), digits_task(tmp_path, "zero_or_one", classes=2)]
    found, lines = evaluate(tmp_path, backbone, tasks)
    assert found["parameters"] == NAME
    assert list(found["tasks"]) == ["digits", "zero_or_one"]
    for result, at_least in zip(found["tasks"].values(), (20, 80), strict=True):
        assert list(result) == ["knn", "linear", "finetune"]
        assert result["knn"] > at_least
    assert lines[0].startswith("digits: knn ")
    (tmp_path / "again").mkdir()
    assert evaluate(tmp_path / "again", backbone, tasks)[0] == found


def test_a_task_added_later_is_the_only_one_computed(tmp_path, backbone, monkeypatch):
    knn = Evaluate(methods=["knn"])
    first = digits_task(tmp_path)
    before, _ = evaluate(tmp_path, backbone, [first], knn)
    computed = []
    original = stage._accuracies
    monkeypatch.setattr(
        stage, "_accuracies", lambda *a: computed.append((a[1].name, a[2])) or original(*a)
    )
    both, lines = evaluate(tmp_path, backbone, [first, digits_task(tmp_path, "more")], knn)
    assert computed == [("more", ["knn"])]
    assert both["tasks"]["digits"] == before["tasks"]["digits"]
    assert lines[0].endswith("(known)")
    # What a result depends on starts it again, and only it.
    computed.clear()
    evaluate(tmp_path, backbone, [first], FAST)
    assert computed == [("digits", ["linear", "finetune"])]
    computed.clear()
    shutil.rmtree(first)
    evaluate(tmp_path, backbone, [digits_task(tmp_path, seed=1)], knn)
    assert computed == [("digits", ["knn"])]
    computed.clear()
    task = PreparedTask.read(first)
    images = np.array(task.images)
    images[1] = 0  # one image only
    replace(task, images=images).write(first)
    evaluate(tmp_path, backbone, [first], knn)
    assert computed == [("digits", ["knn"])]
    computed.clear()
    other = knn.model_copy(update={"knn": knn.knn.model_copy(update={"neighbours": 1})})
    evaluate(tmp_path, backbone, [first], other)
    assert computed == [("digits", ["knn"])]


def test_baselines_stand_where_they_must(tmp_path):
    output = tmp_path / "baselines.json"
    tasks = [digits_task(tmp_path, count=900)]
    stage.evaluate_baselines(
        tasks, FAST.model_copy(update={"methods": ["knn", "linear"]}), TINY, [0, 1], "cpu",
        tmp_path / "cache", output, print,
    )  # fmt: skip
    found = json.loads(output.read_text())["tasks"]["digits"]
    assert found["chance"] == 10
    assert 5 < found["majority"] < 20
    assert found["raw_pixels"]["knn"] > 93  # known of these digits
    assert len(found["random_backbone"]["knn"]) == 2
    assert len(set(found["random_backbone"]["knn"])) == 2
