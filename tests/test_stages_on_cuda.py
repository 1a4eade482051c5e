"""Every stage on a pretended CUDA device, so that none leaves a tensor on the CPU."""

import blobs
import marbles
import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, write_task
from pretended_cuda import is_on_cuda, pretended_cuda
from sklearn.datasets import load_digits
from tiny_sets import make_set

from simtailor.classifier.network import ImageClassifier
from simtailor.classifier.origins import try_origin
from simtailor.classifier.settings import Classifier
from simtailor.config import load_configuration, load_experiment
from simtailor.detector.pictures import LabelledPicture
from simtailor.detector.settings import DetectorTraining
from simtailor.detector.training import train_detector
from simtailor.evaluate import neighbours
from simtailor.evaluate.equal_steps import train_at_equal_steps
from simtailor.evaluate.settings import Evaluate
from simtailor.evaluate.stage import evaluate_baselines, evaluate_set
from simtailor.files import read_json
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine, make_results, make_target, train
from simtailor.metasim.target import render_target
from simtailor.metasim.training import Trainer as MetaSimTrainer
from simtailor.pretrain.backbone import Backbone, describe, write_backbone
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.network import timm
from simtailor.pretrain.settings import Pretrain
from simtailor.pretrain.stage import Job, run
from simtailor.pretrain.training import Trainer
from simtailor.render.raycast import caster
from simtailor.scene.grammar import Grammar
from simtailor.scene.short_form import expanded
from simtailor.task2vec.settings import Task2Vec
from simtailor.task2vec.vectors import task_vector
from simtailor.tasks.prepared import PreparedTask

NAME = "0_0_0_0_0_1_0_0_0"
NETWORK = {"channels": [8, 8, 16, 16], "stem_width": 8, "global_pool": "catavgmax"}
PRETRAIN = {"model_options": NETWORK, "image_size": 32, "epochs": 2, "batch_size": 16}
FITTED = {
    "target": {"images": 20},
    "training": {
        "image_size": 32, "epochs": 1, "scenes_per_epoch": 6, "batch_size": 6,
        "validation_scenes": 6, "search": {"rounds": 1, "candidates": 3, "images": 4},
    },
    "evaluation": {"scenes": 20, "key_epochs": 2, "saved_images": 4, "task_images": 20},
}  # fmt: skip
TASK = {
    "network": "digits", "epochs": 1, "groups": 2, "scenes": 20,
    "training": {"image_size": 16, "epochs": 1},
}  # fmt: skip


def silent(line):
    """Report nothing."""


@pytest.fixture
def cuda(monkeypatch):
    """The pretended device; Warp, which has no other here, draws on the CPU."""
    here = caster.warp_device
    monkeypatch.setattr(caster, "warp_device", lambda name: here("cpu"))
    timm()  # its layers are made while it is imported
    with pretended_cuda():
        yield


FITS = {
    "mmd": ("tyol_1attr", {"stage": {"image_size": 32}}),
    "digits, exact gradient, task": ("mnist_rot", {"stage": {"image_size": 32}, "task": TASK}),
}


@pytest.mark.parametrize("what", FITS)
def test_an_experiment_is_fitted(what, cuda, tmp_path, kernel_cache, digits_cache, monkeypatch):
    monkeypatch.chdir(ROOT)
    name, changes = FITS[what]
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    values |= {"metasim": {"experiments": {name: {**FITTED, **changes}}}}
    experiment = load_experiment(load_configuration(values, []), name, [])
    cache = digits_cache if name.startswith("mnist") else kernel_cache
    machine = Machine("cuda", 1, str(cache))
    target, training, results, checkpoint = (str(tmp_path / f"{i}.npz") for i in range(4))
    lines = []
    make_target(experiment, machine, target, silent)
    train(experiment, machine, target, training, checkpoint, lines.append)
    make_results(name, experiment, machine, target, training, results, silent)
    assert any("epoch 1" in line for line in lines)
    assert read_json(f"{results}/summary.json")["renders"] > 0


SHORT = {
    "epochs": 1, "scenes_per_epoch": 6, "batch_size": 6, "validation_scenes": 6,
    "search": {"rounds": 0},
}  # fmt: skip
TRAINED = {
    "energy, edges": {"discrepancy": {"kind": "energy"}, "features": {"kind": "edges"}},
    "sliced Wasserstein": {"discrepancy": {"kind": "sliced_wasserstein", "directions": 8}},
    "biased, textures": {"discrepancy": {"unbiased": False}, "features": {"kind": "textures"}},
    "timm": {
        "features": {"kind": "timm", "model": "test_resnet", "weights": "random", "layers": [1]},
    },
    "of graphs": {"generator": "gcn"},
}


@pytest.mark.parametrize("what", TRAINED)
def test_a_generator_learns_and_goes_on(what, cuda, tmp_path, monkeypatch):
    monkeypatch.setattr("simtailor.metasim.preparation.PRETRAINING_SCENES", 12)
    settings = blobs.experiment(**SHORT).model_dump() | TRAINED[what]
    settings = Experiment.model_validate(settings)

    def trainer():
        drawn = blobs.BlobRenderer(), blobs.target_images(20)
        return MetaSimTrainer(settings, blobs.PRIOR, *drawn, "cuda")

    with pytest.raises(blobs.KilledError):
        trainer().train(tmp_path / "checkpoint.pt", blobs.killed_at("epoch 0"))
    again = trainer()
    assert again.train(tmp_path / "checkpoint.pt", silent).epoch == 1
    assert all(is_on_cuda(values) for values in again.generator.parameters())


OBJECTS = """
object:
  class: [red, green]
  count: 1..2
  x: normal({x}, 10) max 100
  y: normal(50, 10) max 100
"""


def test_how_often_objects_come_is_learnt(cuda, tmp_path, monkeypatch):
    monkeypatch.setattr("simtailor.metasim.settings.find_renderer", lambda name: marbles.MARBLES)
    grammars = []
    for place in (40, 60):
        tree = expanded(yaml.safe_load(OBJECTS.replace("{x}", str(place))), {}, "short")
        grammars.append(Grammar(tree, "short", marbles.MARBLES.attributes))
    settings = Experiment.model_validate({
        "grammar": "prior.yaml", "target": {"grammar": "target.yaml", "images": 40},
        "renderer": "marbles", "stage": {"image_size": 16}, "features": {"pyramid": [8, 4]},
        "training": SHORT | {"image_size": 16}, "seed": 0,
    })  # fmt: skip
    renderer = marbles.Marbles(marbles.MARBLES.settings(image_size=16), None)
    renderer.effective = marbles.MARBLES.effective
    target = render_target(grammars[1], renderer, 40, 0)
    trainer = MetaSimTrainer(settings, grammars[0], renderer, target, "cuda")
    progress = trainer.train(None, silent)
    learnt = [name for name in progress.weights[-1] if "shares" in name]
    assert learnt and all(is_on_cuda(value) for value in trainer.generator.shares.parameters())


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("sets") / NAME)


@pytest.mark.parametrize(
    "changes",
    [
        {"mixup": 0.8, "cutmix": 1.0, "precision": "bfloat16"},
        {"optimiser": "sgd", "precision": "float16"},
        {"augmentation": {"kind": "image"}},
        {"cache_mb": 0},
    ],
    ids=["mixed, bfloat16", "float16", "varied one by one", "from the shards"],
)
@pytest.mark.filterwarnings("ignore:'pin_memory'")
def test_a_network_is_trained(changes, cuda, simulated):
    settings = Pretrain(**PRETRAIN | changes)
    trainer = Trainer(SetImages(simulated, settings.image_size), 0, settings, device="cuda")
    trained = trainer.train(None, silent)
    assert len(trained.rows) == 2
    assert not any(map(is_on_cuda, [*trained.weights.values(), trained.examples]))


class StoppedError(Exception):
    """Stands for the end of a process."""


def test_a_backbone_s_job_goes_on(cuda, tmp_path, simulated):
    def stop(line):
        if line.startswith("epoch 1/"):
            raise StoppedError

    output, checkpoint = tmp_path / NAME, tmp_path / "checkpoint.pt"
    job = Job(
        name=NAME, simulated=str(simulated), output=str(output), settings=PRETRAIN, seed=0,
        device="cuda", threads=1, checkpoint=str(checkpoint),
    )  # fmt: skip
    with pytest.raises(StoppedError):
        run(job, stop)
    lines = []
    run(job, lines.append)
    assert "resumed after epoch 1" in lines and (output / "model.safetensors").exists()


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A folder with the weights of an untrained network."""
    folder = tmp_path_factory.mktemp("backbones") / NAME
    folder.mkdir()
    settings = Pretrain(**PRETRAIN)
    weights = Backbone.random(settings, 3).network.state_dict()
    contiguous = {name: value.contiguous() for name, value in weights.items()}
    write_backbone(folder, contiguous, describe(settings, ["only"], NAME, 3))
    return folder


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A folder of some handwritten digits as a prepared task."""
    pixels, labels = load_digits(n_class=4, return_X_y=True)
    images = np.repeat((15 * pixels[:60]).astype(np.uint8).reshape(-1, 8, 8, 1), 3, axis=3)
    folder = tmp_path_factory.mktemp("tasks") / "digits"
    return write_task(folder, "digits", images, labels[:60], train_share=2 / 3)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with random weights in place of the packaged network's."""
    folder = tmp_path_factory.mktemp("packages")
    weights = folder / "packages/efficientnet_lite0/efficientnet-lite0-57934424.pth"
    weights.parent.mkdir(parents=True)
    torch.save(timm().create_model("tf_efficientnet_lite0").state_dict(), weights)
    return folder


EVALUATE = {
    "methods": ["few_labels", "all_labels", "knn", "linear", "finetune"],
    "image_size": 32,
    "few_labels": {"episodes": 2},
    "linear": {"epochs": 1, "learning_rates": [0.1]},
    "finetune": {"epochs": 1, "learning_rates": [0.05]},
    "equal_steps": {"starts": {"2": 1}},
}


def test_a_backbone_is_evaluated(cuda, tmp_path, backbone, task):
    settings = Evaluate.model_validate(EVALUATE)
    parts = (settings, 0, "cuda", "now", tmp_path / "cache", tmp_path / "evaluation.json", silent)
    evaluate_set(NAME, backbone, [task], *parts)
    found = read_json(tmp_path / "evaluation.json")["tasks"]["digits"]
    assert set(found) == set(settings.methods)
    start = Backbone.read(backbone, "cuda", 32)
    parts = (settings, 0, tmp_path / "steps", tmp_path / "steps.json", silent)
    train_at_equal_steps(NAME, start, "digest", 0, [task], *parts)
    assert 0 <= read_json(tmp_path / "steps.json")["tasks"]["digits"]["2"] <= 100


def test_what_needs_no_set_is_evaluated(cuda, tmp_path, packages, task):
    settings = Evaluate.model_validate(EVALUATE | {"methods": ["few_labels", "linear"]})
    parts = (settings, Pretrain(**PRETRAIN), 0, "cuda", packages, tmp_path / "cache")
    evaluate_baselines([task], *parts, tmp_path / "baselines.json", silent)
    found = read_json(tmp_path / "baselines.json")["tasks"]["digits"]
    assert {"raw_pixels", "random_on", "random_off", "imagenet"} < set(found)


def test_neighbours_are_found_on_the_device(cuda):
    train, queries = (np.random.default_rng(i).normal(size=(60, 8)) for i in range(2))
    parts = neighbours.normalised(train), neighbours.normalised(queries), 5
    assert neighbours.search_libraries("cuda") == (neighbours.TORCH,)  # FAISS sees no GPU
    there, here = (neighbours.nearest(*parts, device)[0] for device in ("cuda", "cpu"))
    assert (there == here).all()


@pytest.mark.parametrize("method", ["monte_carlo", "variational"])
def test_a_task_has_a_vector(method, cuda, backbone, task):
    settings = Task2Vec(
        weights=str(backbone), image_size=32, batch_size=32, method=method, most_draws=64,
        variational={"steps": 2},
    )  # fmt: skip
    found, facts = task_vector(PreparedTask.read(task), settings, "cuda", "none", 0, silent)
    assert facts["length"] == len(found.values) > 0


def test_a_classifier_is_made_and_read(cuda, tmp_path, backbone, task):
    short = Classifier(steps=2, batch_size=8, learning_rates=[2e-3])
    settings = {"classifier": short.model_dump(), "image_size": 32}
    read, output = PreparedTask.read(task), tmp_path / "attempts"
    try_origin("simulated", read, backbone, settings, 0, "cuda", tmp_path, output, silent)
    made = ImageClassifier.read(output / "simulated_fine_tuned", "cuda")
    assert made.probabilities(read.test_images).shape == (20, 4)


def test_a_detector_learns_and_finds(cuda):
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:40, 20:44] = 255
    picture = LabelledPicture(image, np.float32([[20, 20, 44, 40]]), np.zeros(1, np.int64))
    settings = DetectorTraining(steps=2, batch_size=2, crop=64)
    detector = train_detector([picture], 1, settings, 0, None, silent, "cuda")
    assert all(is_on_cuda(values) for values in detector.parameters())
    found = detector.detect(image)
    assert len(found.boxes) == len(found.scores) == len(found.labels)
