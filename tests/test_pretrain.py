"""Pre-training: same weights whatever happens on the way, outputs that others can read."""

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file
from tiny_sets import CLASSES, draw, make_set

from simtailor.errors import UserError
from simtailor.pretrain.augmentation import (
    MEAN,
    STD,
    draw_variations,
    global_randomness,
    image_transform,
    vary_batch,
)
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.inputs import memory_mb
from simtailor.pretrain.network import timm
from simtailor.pretrain.settings import Augmentation, Pretrain
from simtailor.pretrain.stage import Job, run
from simtailor.pretrain.training import COLUMNS, Trainer
from simtailor.simulation.names import seed_of, set_of
from simtailor.simulation.settings import Simulation

NAMES = ["0_0_0_0_0_1_0_0_0", "1_0_0_0_0_1_0_0_0", "1_0_0_0_0_3_0_0_0"]
NETWORK = {"channels": [8, 8, 16, 16], "stem_width": 8, "global_pool": "catavgmax"}
SETTINGS = {"model_options": NETWORK, "image_size": 32, "epochs": 3, "batch_size": 16}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Three tiny sets."""
    folder = tmp_path_factory.mktemp("sets")
    return [make_set(folder / n, seed=i, parameters=n) for i, n in enumerate(NAMES)]


def silent(line):
    """Report nothing."""


def trained(folder, seed=0, *, checkpoint=None, report=silent, **changes):
    """Train and return the network."""
    settings = Pretrain(**SETTINGS | changes)
    images = SetImages(folder, settings.image_size)
    return Trainer(images, seed, settings).train(checkpoint, report)


def assert_same_bits(first, second):
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(v, second.weights[k]) for k, v in first.weights.items())
    assert [row[:3] for row in first.rows] == [row[:3] for row in second.rows]


def job(folder, simulated, **changes):
    """Return a job for a set."""
    return Job(
        name=NAMES[0],
        simulated=str(simulated),
        output=str(folder / "backbones" / NAMES[0]),
        settings=SETTINGS | changes,
        seed=0,
        device="cpu",
        threads=1,
        checkpoint=str(folder / "checkpoint.pt"),
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, sets):
    """A folder with one finished backbone."""
    folder = tmp_path_factory.mktemp("finished")
    run(job(folder, sets[0]), silent)
    assert not (folder / "checkpoint.pt").exists()
    return folder / "backbones" / NAMES[0]


@pytest.mark.slow
def test_killed_training_ends_with_the_same_bytes(tmp_path, sets, finished):
    described = tmp_path / "job.json"
    described.write_text(json.dumps(asdict(job(tmp_path, sets[0]))))
    process = subprocess.Popen(
        [sys.executable, "-m", "simtailor.pretrain", str(described)],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "backbones").exists()
    lines = []
    run(job(tmp_path, sets[0]), lines.append)
    assert "resumed after epoch 1" in lines
    for name in ("model.safetensors", "backbone.json"):
        made = tmp_path / "backbones" / NAMES[0] / name
        assert made.read_bytes() == (finished / name).read_bytes()


@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_resumed_from_any_epoch_to_the_same_bits(tmp_path, sets, drop):
    options = NETWORK | {"drop_path_rate": drop}
    arguments = {"model_options": options, "mixup": 0.8, "cutmix": 1.0}
    whole = trained(sets[0], **arguments)

    def killed(line):
        if line.startswith("epoch 1/"):
            raise InterruptedError

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(InterruptedError):
        trained(sets[0], checkpoint=checkpoint, report=killed, **arguments)
    assert_same_bits(trained(sets[0], checkpoint=checkpoint, **arguments), whole)


def test_damaged_checkpoint_is_refused_and_that_of_other_settings_ignored(tmp_path, sets):
    checkpoint = tmp_path / "checkpoint.pt"
    trained(sets[0], checkpoint=checkpoint, epochs=2)
    lines = []
    trained(sets[0], checkpoint=checkpoint, epochs=2, weight_decay=0.1, report=lines.append)
    assert "belongs to other settings" in lines[0]
    lines.clear()
    trained(sets[0], checkpoint=checkpoint, epochs=2, weight_decay=0.1, report=lines.append,
            cache_mb=0)  # fmt: skip
    assert lines == ["resumed after epoch 2"]
    checkpoint.write_bytes(checkpoint.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"checkpoint\.pt: .* cannot be read .* delete it"):
        trained(sets[0], checkpoint=checkpoint, epochs=2, weight_decay=0.1)


@pytest.mark.parametrize("kind", ["batch", "image"])
def test_memory_and_workers_do_not_change_the_weights(sets, kind):
    options = NETWORK | {"drop_path_rate": 0.3}
    common = {"augmentation": {"kind": kind}, "epochs": 2, "model_options": options}
    kept = trained(sets[0], **common)
    assert_same_bits(trained(sets[0], cache_mb=0, workers=2, **common), kept)


def test_seed_and_set_change_the_weights(sets):
    first, seed, other = (
        trained(folder, seed, epochs=2).weights["conv1.0.weight"]
        for folder, seed in ((sets[0], 0), (sets[0], 1), (sets[1], 0))
    )
    assert not torch.equal(first, seed)
    assert not torch.equal(first, other)


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path, sets):
    # Normalised by group: batch statistics are those of a process's part.
    options = NETWORK | {"norm_layer": "groupnorm1"}
    one, two = (job(tmp_path / str(n), sets[0], model_options=options, processes=n) for n in (1, 2))
    lines = []
    run(one, silent)
    run(two, lines.append)
    assert sum(line.startswith("epoch ") for line in lines) == 3  # one of them reports
    weights = [load_file(f"{j.output}/model.safetensors") for j in (one, two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=2e-3)
    with open(f"{one.output}/progress.csv") as a, open(f"{two.output}/progress.csv") as b:
        losses = [[float(row["loss"]) for row in csv.DictReader(file)] for file in (a, b)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_folder_holds_what_timm_and_others_read(finished):
    description = json.loads((finished / "backbone.json").read_text())
    network = timm().create_model(
        description["model"],
        num_classes=len(description["classes"]),
        **description["model_options"],
    )
    network.load_state_dict(load_file(finished / "model.safetensors"))
    images = torch.rand(2, 3, 32, 32)
    loaded = timm().create_model(f"local-dir:{finished}", pretrained=True)
    torch.testing.assert_close(loaded.eval()(images), network.eval()(images))
    assert tuple(loaded.pretrained_cfg["mean"]) == tuple(MEAN)
    card = (finished / "README.md").read_text()
    assert f"on 48 images of the simulated set `{NAMES[0]}`" in card
    assert "license: other" in card
    assert description["classes"] == CLASSES
    assert (description["parameters"], description["seed"]) == (NAMES[0], 0)
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["steps"] == 9
    assert summary["chance"] == 0.25
    with open(finished / "progress.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert float(rows[-1]["loss"]) == pytest.approx(summary["loss"], abs=1e-5)
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[0] > rates[1] > rates[2]  # the warm-up is within the first epoch
    pixels = np.asarray(Image.open(finished / "training.png").convert("RGB"))
    assert pixels.std() > 20


def test_features_are_those_before_the_classifier(finished):
    backbone = Backbone.read(finished)
    random = np.random.default_rng(0)
    images = np.stack([draw(i % 4, 32, random) for i in range(6)])
    features = backbone.features(images)
    assert features.shape == (6, 32)
    assert features.dtype == np.float32
    pixels = (torch.from_numpy(images) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        scores = backbone.network(pixels.permute(0, 3, 1, 2))
        again = backbone.network.get_classifier()(torch.from_numpy(features))
    torch.testing.assert_close(again, scores, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(backbone.features(images[:1])[0], features[0], atol=1e-5)
    large = np.kron(images, np.ones((1, 3, 3, 1), np.uint8))
    resized = backbone.features(large)
    assert np.corrcoef(resized.ravel(), features.ravel())[0, 1] > 0.95
    assert backbone.features(images[:0]).shape == (0, 32)


def test_training_beats_chance_and_random_weights(sets, tmp_path):
    changes = {"epochs": 16, "augmentation": {"crop": 0.7}, "learning_rate": 5e-3}
    large = make_set(tmp_path / "large", images=96, seed=5)
    result = job(tmp_path, large, **changes)
    run(result, silent)
    assert json.loads((tmp_path / "backbones" / NAMES[0] / "summary.json").read_text())[
        "accuracy"
    ] > 0.6  # fmt: skip
    test = SetImages(make_set(tmp_path / "test", images=80, seed=9), 32)
    first, second = slice(0, 40), slice(40, 80)

    def accuracy(backbone):
        features = backbone.features(test.decoded())
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        nearest = (features[second] @ features[first].T).argmax(1)
        return (test.labels[first][nearest] == test.labels[second]).mean()

    settings = Pretrain(**SETTINGS)
    start = np.mean([accuracy(Backbone.random(settings, seed)) for seed in range(3)])
    assert accuracy(Backbone.read(result.output)) > start + 0.1


def test_damaged_backbone_is_named(tmp_path, finished):
    (tmp_path / "backbone.json").write_text((finished / "backbone.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"1234567890")
    with pytest.raises(UserError, match=f"{tmp_path}: no backbone that can be read"):
        Backbone.read(tmp_path)
    (tmp_path / "backbone.json").write_text("[]")
    with pytest.raises(UserError, match=f"{tmp_path}: no backbone that can be read"):
        Backbone.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": "resnet10"}, r"pretrain\.model: timm has no model .* Did you mean 'resnet"),
        ({"model_options": {"chanels": 3}}, r"pretrain\.model_options: 'resnet10t' does not take"),
        ({"learning_rate": 1e30, "warmup_epochs": 0}, r"diverged: at step.*learning_rate"),
    ],
)
def test_settings_that_cannot_work_are_named(sets, changes, expected):
    with pytest.raises(UserError, match=expected):
        trained(sets[0], **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"warmup_epochs": 3},
        {"batch_size": 15, "mixup": 0.2},
        {"batch_size": 16, "processes": 3},
        {"model_options": {"num_classes": 3}},
        {"augmentation": {"randaugment": "strong"}},
    ],
)
def test_settings_that_contradict_are_refused_before_any_job(changes):
    with pytest.raises(ValidationError):
        Pretrain(**SETTINGS | changes)


def test_sets_that_are_not_whole_are_named(tmp_path):
    folder = make_set(tmp_path / "set")
    shard = folder / "shard-00001.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"set.*make"):
        trained(folder)
    shard.write_bytes(whole)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["classes"] = CLASSES[:2]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"labels 0 to 3, but 2 classes"):
        trained(folder)
    with pytest.raises(UserError, match="too few"):
        trained(make_set(tmp_path / "one", images=1, shards=1))


def test_images_are_read_in_any_order_and_averaged_down(tmp_path):
    folder = make_set(tmp_path / "set", images=7, size=96)
    kept, read = SetImages(folder, 32), SetImages(folder, 32)
    assert kept.decoded(2).shape == (7, 64, 64, 3)
    for index in (5, 0, 6):
        np.testing.assert_array_equal(read[index], kept[index])
    assert kept.labels.tolist() == [0, 1, 2, 3, 0, 1, 2]
    full = SetImages(folder, 96)
    assert full[5].shape == (96, 96, 3)
    assert abs(full[5].mean() - kept[5].mean()) < 1


def test_batch_is_cropped_mirrored_and_coloured():
    random = np.random.default_rng(0)
    images = torch.from_numpy(np.stack([draw(i % 4, 32, random) for i in range(8)]))
    plain = {"crop": 1.0, "flip": 0.0, "colour": 0.0, "grey": 0.0}

    def varied(**changes):
        variations = draw_variations(Augmentation(**plain | changes), 8, np.random.default_rng(1))
        made = vary_batch(images, variations, 32).permute(0, 2, 3, 1)
        return made * torch.tensor(STD) + torch.tensor(MEAN), variations

    pixels = images.float() / 255
    torch.testing.assert_close(varied()[0], pixels, atol=1e-5, rtol=0)
    torch.testing.assert_close(varied(flip=1.0)[0], pixels.flip(2), atol=1e-5, rtol=0)
    grey = varied(grey=1.0)[0]
    torch.testing.assert_close(grey[..., 0], grey[..., 2], atol=1e-5, rtol=0)
    assert varied(colour=0.8)[0].mean((1, 2, 3)).std() > pixels.mean((1, 2, 3)).std()
    _, variations = varied(crop=0.2)
    width, height, x, y = variations.unbind(1)[:4]
    assert ((width * height > 0.199) & (width * height <= 1)).all()
    assert ((x.abs() + width <= 1 + 1e-6) & (y.abs() + height <= 1 + 1e-6)).all()


def test_strongest_randaugment_works_with_this_pillow():
    augmentation = {"kind": "image", "randaugment": "rand-m10-n4-inc1"}
    transform = image_transform(Pretrain(image_size=16, augmentation=augmentation))
    image = draw(0, 24, np.random.default_rng(0))
    made = torch.stack([transform(image, seed) for seed in range(60)])
    assert made.shape == (60, 3, 16, 16)
    torch.testing.assert_close(transform(image, 7), made[7])
    assert made.flatten(1).std(0).min() > 0.01


def test_an_image_that_timm_does_not_vary_is_what_the_evaluation_sees():
    plain = {"kind": "image", "crop": 1, "flip": 0, "colour": 0, "grey": 0}
    settings = Pretrain(image_size=32, augmentation={**plain, "randaugment": "rand-n0"})
    image = np.random.default_rng(0).integers(0, 256, (81, 81, 3), dtype=np.uint8)
    seen = Backbone.random(settings, 0).prepared(image[None])[0]
    difference = image_transform(settings)(image, 0) - seen
    assert difference.abs().max() < 1.1 / 255 / min(STD)  # Pillow rounds to whole grey levels


def test_transforms_on_the_cpu_leave_the_generators_of_cuda_alone(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.get_rng_state()
    with global_randomness(3):
        first = torch.rand(2)
    assert torch.equal(torch.get_rng_state(), before)
    with global_randomness(3):
        assert torch.equal(torch.rand(2), first)
    assert not seeded


def test_a_loss_that_is_not_finite_is_no_result_of_a_second_run_either(tmp_path, sets):
    for _ in range(2):
        with pytest.raises(UserError, match="diverged: at step"):
            trained(
                sets[0], checkpoint=tmp_path / "c.pt", epochs=1, warmup_epochs=0,
                learning_rate=1e30,
            )  # fmt: skip


def test_memory_is_reserved_for_images_at_the_size_that_is_kept(tmp_path):
    simulation = Simulation(images=40000, image_size=256)
    small = Pretrain(image_size=48)  # 96 px are kept: 1,106 MB, below cache_mb
    images = SetImages(make_set(tmp_path / "set", size=128), small.image_size)
    needed = int(40000 * images.megabytes / len(images))
    assert memory_mb(small, simulation) == memory_mb(small, Simulation(images=1)) + needed


def test_names_give_set_and_seed():
    assert set_of(f"{NAMES[0]}.seed3") == NAMES[0]
    assert seed_of(f"{NAMES[0]}.seed3", 0) == 3
    assert seed_of(NAMES[0], 7) == 7


@pytest.mark.slow
def test_workflow_trains_backbones_and_their_repeats(project):
    def configure(**changes):
        values = {"backgr": [0, 1], "materials": [1]}
        pretrain = SETTINGS | {"epochs": 2} | changes
        simulation = {"values": values, "images": 48}
        project.configure({}, task2sim={"simulation": simulation, "pretrain": pretrain})

    configure()
    folder = project.folder / "results/task2sim/sets"
    for name in NAMES[:2]:
        make_set(folder / name, parameters=name)
        # A repeat has images of its own.
        make_set(folder / f"{name}.seed5", seed=5, parameters=name)
    ours = ("--allowed-rules", "backbones", "pretrain")
    finished = project.snakemake("backbones", f"results/task2sim/backbones/{NAMES[1]}.seed5",
                                 options=ours)  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-4000:]
    backbones = project.folder / "results/task2sim/backbones"
    seeds = {p.name: json.loads((p / "backbone.json").read_text())["seed"] for p in
             backbones.iterdir()}  # fmt: skip
    assert seeds == {NAMES[0]: 0, NAMES[1]: 0, f"{NAMES[1]}.seed5": 5}
    assert Backbone.read(backbones / NAMES[1]).features(np.zeros((1, 9, 9, 3), "u1")).any()
    configure(workers=2)  # changes nothing in what comes out
    assert "Nothing to be done" in project.snakemake("backbones", options=(*ours, "-n")).stdout
    configure(weight_decay=0.1)
    planned = project.snakemake("backbones", options=(*ours, "-n")).stdout
    assert "Pre-train the backbone" in planned
