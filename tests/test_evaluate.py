"""Evaluation of a backbone on tasks: results, baselines, and what is not done twice."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import write_task
from sklearn.datasets import load_digits

from simtailor.evaluate import stage
from simtailor.evaluate.equal_steps import train_at_equal_steps
from simtailor.evaluate.settings import EqualSteps, Evaluate
from simtailor.files import read_json
from simtailor.pretrain.augmentation import draw_variations
from simtailor.pretrain.backbone import Backbone, describe, write_backbone
from simtailor.pretrain.settings import Augmentation, Pretrain
from simtailor.tasks.prepared import PreparedTask

TINY = Pretrain(model_options={"channels": [8, 16, 24, 32], "stem_width": 8}, image_size=32)
NAME = "1_0_0_0_0_3_0_1_1"
FAST = Evaluate.model_validate(
    {
        "methods": ["few_labels", "all_labels", "knn", "linear", "finetune"],
        "image_size": 32,
        "few_labels": {"episodes": 3},
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
        NAME, backbone, tasks, settings, 0, "cpu", "now", tmp_path / "cache", output, lines.append
    )
    return read_json(output), lines


def test_a_set_is_evaluated_by_every_method_and_the_same_again(tmp_path, backbone):
    tasks = [digits_task(tmp_path), digits_task(tmp_path, "zero_or_one", classes=2)]
    found, lines = evaluate(tmp_path, backbone, tasks)
    assert found["parameters"] == NAME
    assert list(found["tasks"]) == ["digits", "zero_or_one"]
    for result, at_least in zip(found["tasks"].values(), (20, 80), strict=True):
        assert list(result) == list(FAST.methods)
        assert min(result["knn"], result["few_labels"], result["all_labels"]) > at_least
    episodes = found["episodes"]["digits"]
    assert {method: len(percents) for method, percents in episodes.items()} == {
        "few_labels": 3, "all_labels": 1, "knn": 1, "linear": 1, "finetune": 1,
    }  # fmt: skip
    assert found["tasks"]["digits"]["few_labels"] == pytest.approx(np.mean(episodes["few_labels"]))
    assert found["tasks"]["digits"]["all_labels"] > found["tasks"]["digits"]["few_labels"]
    assert found["images"] == {"digits": 100, "zero_or_one": 100}
    assert lines[0].startswith("digits: few_labels ")
    (tmp_path / "again").mkdir()
    assert evaluate(tmp_path / "again", backbone, tasks)[0] == found


def test_a_task_added_later_is_the_only_one_computed(tmp_path, backbone, monkeypatch):
    knn = Evaluate(methods=["knn"], reward="knn", image_size=32)
    first = digits_task(tmp_path)
    before, _ = evaluate(tmp_path, backbone, [first], knn)
    computed = []
    original = stage._judge_network
    monkeypatch.setattr(
        stage, "_judge_network", lambda *a: computed.append((a[3].name, a[4])) or original(*a)
    )
    both, lines = evaluate(tmp_path, backbone, [first, digits_task(tmp_path, "more")], knn)
    assert computed == [("more", ["knn"])]
    assert both["tasks"]["digits"] == before["tasks"]["digits"]
    assert lines[0].endswith("(known)")
    # What a result depends on starts it again, and only it.
    computed.clear()
    evaluate(tmp_path, backbone, [first], FAST)
    assert computed == [("digits", ["few_labels", "all_labels", "linear", "finetune"])]
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


def test_baselines_stand_where_they_must(tmp_path, monkeypatch):
    packaged = Backbone.random(TINY, 9, image_size=32)
    monkeypatch.setattr(stage, "imagenet_backbone", lambda *_: packaged)
    output = tmp_path / "baselines.json"
    settings = FAST.model_copy(update={"methods": ["few_labels", "all_labels", "knn"]})
    stage.evaluate_baselines(
        [digits_task(tmp_path, count=900)], settings, TINY, 0, "cpu", tmp_path, tmp_path / "cache",
        output, print,
    )  # fmt: skip
    found = json.loads(output.read_text())["tasks"]["digits"]
    assert found["chance"] == 10
    assert 5 < found["majority"] < 20
    assert found["raw_pixels"][0]["knn"][0] > 93  # known of these digits
    assert found["raw_pixels"][0]["all_labels"][0] > 93
    assert len(found["raw_pixels"][0]["few_labels"]) == 3
    assert len(found["imagenet"]) == 1
    for name in ("random_on", "random_off"):
        assert len({start["all_labels"][0] for start in found[name]}) == 3
    mean = {name: np.mean([s["all_labels"] for s in found[name]]) for name in found
            if name.startswith("random")}  # fmt: skip
    assert mean["random_on"] > mean["random_off"] > 50  # branches that add nothing cost much


def test_raw_pixels_keep_the_brightness_where_it_tells_classes_apart(tmp_path):
    random = np.random.default_rng(0)
    labels = np.tile([0, 1], 60)
    images = (random.integers(0, 60, (120, 8, 8, 3)) + 120 * labels[:, None, None, None]).astype(
        np.uint8
    )
    folder = write_task(tmp_path / "light", "light", images, labels, train_share=0.5)
    task = PreparedTask.read(folder)
    methods = ["few_labels", "all_labels"]
    settings = FAST.model_copy(update={"methods": methods})
    found = stage._judge_pixels(settings, 0, task, methods)
    assert min(found["few_labels"]) > 95
    assert found["all_labels"] == [100]


def test_at_equal_steps_pairs_differ_in_their_first_weights_only(tmp_path):
    task = digits_task(tmp_path, count=300)
    settings = FAST.model_copy(
        update={"equal_steps": EqualSteps(starts={3: 2, 40: 1}, learning_rate=0.01)}
    )

    def trained(name, seed, pair, folder="cache"):
        lines, output = [], tmp_path / f"{name}.json"
        train_at_equal_steps(
            name, Backbone.random(TINY, seed, image_size=32), f"of seed {seed}", pair, [task],
            settings, 0, tmp_path / folder, output, lines.append,
        )  # fmt: skip
        return read_json(output), lines

    first, lines = trained("scratch0", 0, 0)
    assert list(first["tasks"]["digits"]) == ["3", "40"]
    assert first["tasks"]["digits"]["40"] > first["tasks"]["digits"]["3"] + 10
    # The same weights under another name: the same labelled images, batches and variations.
    assert trained(NAME, 0, 0, "elsewhere")[0]["tasks"] == first["tasks"]
    assert not lines[0].endswith("(known)")
    assert trained("scratch0", 0, 0)[1][0].endswith("(known)")
    other, lines = trained("scratch1", 1, 1)
    assert not lines[0].endswith("(known)")
    assert list(other["tasks"]["digits"]) == ["3"]  # the larger budget has one pair


def test_a_network_trains_on_images_as_it_is_asked_about_them():
    """With its own mean and deviation of the channels, which are not those of every network."""
    held = Backbone.random(Pretrain(image_size=32), 0)
    description = held.description | {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    own = Backbone(held.network, description)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    nothing = Augmentation(crop=1.0, flip=0.0, colour=0.0, grey=0.0)
    variations = draw_variations(nothing, len(images), np.random.default_rng(0))
    for backbone in (held, own):
        varied = backbone.varied(torch.from_numpy(images), variations)
        torch.testing.assert_close(varied, backbone.prepared(images), atol=1e-3, rtol=0)
