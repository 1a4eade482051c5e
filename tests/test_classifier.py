"""A labelled folder becomes a classifier that timm loads, with honest company, and predicts."""

import csv
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from pictures import draw_folder
from PIL import Image

from simtailor.classifier.__main__ import main
from simtailor.classifier.attempts import Attempt, read_attempts
from simtailor.classifier.comparison import accuracy, paired
from simtailor.classifier.fitting import temperature
from simtailor.classifier.inputs import ORIGINS
from simtailor.classifier.network import ImageClassifier, of_fine_tuned, with_head
from simtailor.classifier.origins import try_origin
from simtailor.classifier.predict import files_of, predict
from simtailor.classifier.settings import Classifier
from simtailor.classifier.stage import write_classifier
from simtailor.classifier.verdict import sentences
from simtailor.config import load_configuration
from simtailor.errors import UserError
from simtailor.evaluate.heads import FineTuned
from simtailor.pretrain.backbone import Backbone, describe, write_backbone
from simtailor.pretrain.network import timm
from simtailor.pretrain.settings import Pretrain
from simtailor.tasks.prepare import TaskSize, prepare_task
from simtailor.tasks.prepared import PreparedTask
from simtailor.tasks.table import TaskRow

PRETRAIN = Pretrain(
    image_size=32,
    model_options={"channels": [8, 16, 24, 32], "stem_width": 8, "global_pool": "catavgmax"},
)
SETTINGS = {
    "classifier": Classifier(steps=2, batch_size=8, learning_rates=[2e-3]).model_dump(),
    "image_size": 32,
    "knn": {},
    "pretrain": PRETRAIN.model_dump(include={"model", "model_options", "image_size"}),
}


def packaged(folder):
    """Write random weights in place of the packaged network's."""
    weights = folder / "packages/efficientnet_lite0/efficientnet-lite0-57934424.pth"
    weights.parent.mkdir(parents=True)
    torch.save(timm().create_model("tf_efficientnet_lite0").state_dict(), weights)


def write_random_backbone(folder, name="1_0_0_0_0_3_0_0_0", seed=7):
    held = Backbone.random(PRETRAIN, seed)
    weights = {key: value.contiguous() for key, value in held.network.state_dict().items()}
    write_backbone(folder, weights, describe(PRETRAIN, ["a"], name, seed))
    return folder


def prepared(folder, size=16, name="mine", **more):
    row = TaskRow(name=name, title="Mine", study="extra", kind="folder", source=str(folder),
                  **more)  # fmt: skip
    return prepare_task(row, TaskSize(size, None, 1 / 3), "none", 0, lambda line: None)[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folders that the jobs of a small task make, by origin, and the classifier's."""
    folder = tmp_path_factory.mktemp("classifier")
    packaged(folder)
    backbone = write_random_backbone(folder / "backbone")
    prepared(draw_folder(folder / "photos")).write(folder / "task")
    task = PreparedTask.read(folder / "task")
    for origin in ORIGINS:
        try_origin(
            origin, task, backbone, SETTINGS, 0, "cpu", folder, folder / origin, lambda line: None
        )
    origins = {origin: folder / origin for origin in ORIGINS}
    simulated = {"set": "1_0_0_0_0_3_0_0_0", "why": None}
    write_classifier(task, origins, simulated, 0, folder / "mine")
    return folder


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def run(capsys):
    """Return a function that runs the predict command: its status, output and messages."""

    def command(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return command


def test_the_folder_holds_what_is_promised(made):
    folder = made / "mine"
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary["ways"]) == {
        "raw_pixels", "random_head", "scratch", "simulated_head", "simulated_fine_tuned",
        "imagenet_head", "imagenet_fine_tuned",
    }  # fmt: skip
    best = max(
        (name for name in summary["ways"] if name.startswith("simulated")),
        key=lambda name: summary["ways"][name]["validation"],
    )
    assert summary["classifier"] == best
    own = summary["ways"][best]
    assert own["gain"] == 0
    assert summary["test"] == own["test"]
    rows = table((folder / "predictions.csv").read_text())
    assert len(rows) == summary["images"]["test"] == 12
    right = np.mean([row["true"] == row["class"] for row in rows])
    assert 100 * right == pytest.approx(summary["right"])
    assert all(row["file"].endswith(".png") for row in rows)
    for picture in ("confusion.png", "wrong.png", "comparison.png"):
        assert np.asarray(Image.open(folder / picture).convert("RGB")).std() > 5
    assert "not recommended" in summary["verdict"]


def test_raw_pixels_and_random_weights_are_judged_by_the_better_way(made):
    (raw,) = read_attempts(made / "raw_pixels")
    assert raw.test.shape == (1, 12)
    head, scratch = read_attempts(made / "random")
    assert head.test.shape == (3, 12)  # three seeds
    assert scratch.way == "2 steps at a rate of 0.002"


@pytest.mark.parametrize("name", [".", "imagenet"])
def test_timm_loads_the_weights_and_answers_the_same(made, name):
    folder = made / "mine" / name
    content = json.loads((folder / "config.json").read_text())
    classes = content["label_names"]
    assert classes == ["blue", "green", "red"]
    by_weights = timm().create_model(
        content["architecture"], checkpoint_path=str(folder / "model.safetensors"),
        num_classes=len(classes), **content["model_args"],
    )  # fmt: skip
    by_folder = timm().create_model(f"local-dir:{folder}", pretrained=True)
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    shown = content["pretrained_cfg"]
    mean, std = (np.array(shown[key], np.float32) for key in ("mean", "std"))
    pixels = ((images / np.float32(255) - mean) / std).astype(np.float32).transpose(0, 3, 1, 2)
    expected = ImageClassifier.read(folder).scores(images)
    for network in (by_weights, by_folder):
        with torch.no_grad():
            scores = network.eval()(torch.from_numpy(np.ascontiguousarray(pixels)))
        assert np.allclose(scores.numpy(), expected, atol=1e-4)
    size = timm().data.resolve_data_config({}, model=by_folder)["input_size"]
    assert tuple(size) == (3, 32, 32)


def test_a_head_and_a_fine_tuned_network_are_exported_as_they_are():
    start = Backbone.random(PRETRAIN, 0, image_size=32)
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    random = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(4, 64, generator=random), torch.randn(4, generator=random)
    headed = with_head(start, list("abcd"), weight, bias, {})
    expected = start.features(images) @ weight.numpy().T + bias.numpy()
    assert np.allclose(headed.scores(images), expected, atol=1e-4)
    model = FineTuned(start.network, 4, 0.0).train()
    pixels = start.prepared(images)
    for _ in range(3):
        model(pixels)  # the statistics of the head's batch normalisation move
    model.eval()
    exported = of_fine_tuned(model, start, list("abcd"), {})
    with torch.no_grad():
        assert np.allclose(exported.scores(images), model(pixels).numpy(), atol=1e-4)


def test_a_network_whose_head_is_no_linear_layer_is_refused():
    settings = Pretrain(model="vgg11", model_options={}, image_size=32)
    start = Backbone.random(settings, 0, image_size=32)
    start.network.head_hidden_size = 10
    with pytest.raises(UserError, match=r"pretrain\.model: .* 'vgg11'.*take another model"):
        with_head(start, ["a", "b"], torch.zeros(2, 10), torch.zeros(2), {})


def test_probabilities_are_made_to_tell_the_truth():
    random = np.random.default_rng(0)
    scores = random.normal(0, 2, (4000, 3))
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    labels = np.array([random.choice(3, p=row) for row in chances])
    assert temperature(5 * scores, labels) == pytest.approx(5, rel=0.1)
    assert temperature(scores / 7, labels) == pytest.approx(1 / 7, rel=0.1)
    certain = 9.0 * np.eye(3)
    assert np.isfinite(temperature(certain, np.arange(3)))


def test_the_intervals_of_paired_differences_hold_and_none_is_empty():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        labels = np.repeat(np.arange(4), random.integers(15, 40, 4))
        easy = random.uniform(size=len(labels)) < 0.6  # images that both get right
        one, other = (
            np.where(easy | (random.uniform(size=len(labels)) < share), labels, 9)[None]
            for share in (0.7, 0.5)
        )
        found = paired(one, other, labels)
        truth = 100 * 0.4 * 0.2
        held += found.low < truth < 2 * found.mean - found.low
    assert 0.9 < held / 400 < 0.98
    alike = paired(labels[None], labels[None], labels)
    assert alike.mean == 0
    assert alike.low < 0
    percent, error = accuracy(labels[None], labels)
    assert percent == 100
    assert 0 < error < 5


def row(test, gain, low, high):
    return {"test": test, "gain": gain, "gain_interval_95": [low, high]}


def test_the_verdict_says_plainly_which_way_is_better():
    ways = {
        "raw_pixels": row(80.0, 10.0, 7.0, 13.0),
        "random_head": row(89.0, 1.0, -1.0, 3.0),
        "scratch": row(70.0, 20.0, 17.0, 23.0),
        "simulated_head": row(90.0, 0.0, -0.1, 0.1),
        "imagenet_head": row(95.0, -5.0, -7.0, -3.0),
    }
    summary = {
        "classifier": "simulated_head", "imagenet": "imagenet_head", "ways": ways, "test": 90.0,
        "standard_error": 1.0, "chance": 10.0, "even": False,
        "images": {"train": 100, "test": 50, "in_source": 900},
        "simulated_set": {"set": "1_0_0_0_0_3_0_0_0", "why": "because"},
    }  # fmt: skip
    text = " ".join(sentences(summary))
    assert (
        "It is better than raw pixels (+10.0 points, 95 % interval +7.0 to +13.0), the same" in text
    )
    assert "not surely different from a head on random weights" in text
    assert "It is worse than a head on the packaged ImageNet network (95.0 %" in text
    assert "the mean over the classes" in text
    assert "is the recommended one: because." in text
    assert "Only 150 of the 900 images" in text
    ways["imagenet_head"] = row(85.0, 5.0, 3.0, 7.0)
    assert "worse" not in " ".join(sentences(summary))


def test_predictions_are_those_of_the_test_part_whatever_else_is_asked(made, run):
    rows = table((made / "mine/predictions.csv").read_text())
    status, output, _ = run(made / "mine", *(row["file"] for row in rows))
    assert status == 0
    for column in ("file", "class", "probability"):
        assert [row[column] for row in table(output)] == [row[column] for row in rows]
    _, output, said = run(made / "mine", made / "photos")
    assert "36 images taken" in said
    found = {row["file"]: row["class"] for row in table(output)}
    assert len(found) == 36
    assert all(found[row["file"]] == row["class"] for row in rows)


def test_files_that_cannot_be_read_are_named_and_the_others_told(made, tmp_path):
    """By the command as it is typed."""
    good = next((made / "photos/red").iterdir())
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "cut.png").write_bytes(good.read_bytes()[:60])
    (bad / "text, with a comma.png").write_text("no image")
    Image.fromarray(np.full((9, 9), 3000, np.uint16)).save(bad / "deep.png")
    shutil.copy(good, bad / "good.png")
    found = subprocess.run(
        [sys.executable, "-m", "simtailor.classifier", made / "mine", bad, good],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    assert "3 of 5 images cannot be read" in found.stderr
    rows = table(found.stdout)
    assert [bool(row["class"]) for row in rows] == [False, False, True, False, True]
    assert "no range is known for them; save it with 8 bits" in rows[1]["problem"]
    assert rows[2]["class"] == rows[4]["class"]
    assert all(name in found.stderr for name in ("cut.png", "deep.png", "text, with a comma.png"))


@pytest.mark.parametrize("case", ["no file", "no classifier", "damaged", "empty folder"])
def test_what_cannot_be_done_is_said_in_one_paragraph(made, tmp_path, run, case):
    classifier, images, words = made / "mine", made / "photos", ""
    if case == "no file":
        images, words = tmp_path / "absent.png", "absent.png: no such file or folder"
    elif case == "no classifier":
        classifier, words = made / "photos", "no classifier: it has no config.json"
    elif case == "damaged":
        classifier = tmp_path / "copy"
        shutil.copytree(made / "mine", classifier)
        (classifier / "model.safetensors").write_bytes(b"x" * 100)
        words = "no classifier that can be read"
    else:
        images, words = tmp_path, "no images"
    status, output, said = run(classifier, images)
    assert status == 2
    assert output == ""
    assert words in said
    assert len(said.strip().splitlines()) == 1


def test_images_of_16_bits_are_read_over_the_range_that_trained(tmp_path):
    folder, random = tmp_path / "deep", np.random.default_rng(0)
    for name, level in (("dark", 800), ("light", 3000)):
        (folder / name).mkdir(parents=True)
        for i in range(8):
            values = level + random.integers(0, 300, (16, 16))
            Image.fromarray(values.astype(np.uint16)).save(folder / name / f"{i}.png")
    task = prepared(folder)
    about = {"image_size": 16, "fit": "crop", "ranges": task.facts["ranges"]}
    assert [kind for kind, *_ in about["ranges"]] == [False]
    start = Backbone.random(PRETRAIN, 0, image_size=32)
    classifier = with_head(start, task.classes, torch.randn(2, 64), torch.zeros(2), about)
    for index in (0, 9):
        path = task.names[index]
        (alone,) = predict(classifier, files_of([path], print), 1, print)
        expected = classifier.probabilities(np.array(task.images[index : index + 1]))[0]
        assert alone.probability == pytest.approx(float(expected.max()), abs=1e-6)


def test_the_set_is_checked_with_the_configuration():
    given = {"task2sim": {"classifier": {"set": "1_0_0_0_0_3_0_0"}}}
    with pytest.raises(UserError, match=r"classifier\.set: .*names no simulated set"):
        load_configuration(given, [])


def test_attempts_of_several_seeds_count_their_mean():
    labels = np.array([0, 0, 1, 1])
    attempt = Attempt("x", "y", np.array([[0, 0, 1, 1], [1, 1, 0, 0]]), labels[None])
    assert attempt.on_validation(labels) == 50
