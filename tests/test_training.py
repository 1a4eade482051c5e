"""Training with an analytic renderer: recovery, resumption, and the count of renders."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from simtailor.config import Discrepancy, Experiment, Features
from simtailor.metasim.training import (
    PROGRESS_COLUMNS,
    Progress,
    Trainer,
    effective_layout,
    make_generator,
    read_history,
    split_target,
)
from simtailor.render.rendering import Rendering
from simtailor.scene import Grammar, SceneGraphBatch, SceneGraphLayout
from simtailor.scene.attributes import mean_and_spread, wasserstein_distance
from simtailor.seeds import generator as random_generator

SIZE = 16


def grammar(yaw: tuple[float, float], loc_x: tuple[float, float]) -> Grammar:
    thing = {
        "class": ["Deterministic", "Thing"],
        "attributes": {
            "immutable": False,
            "yaw": ["Gaussian", *yaw, 360],
            "loc_x": ["Gaussian", *loc_x, 100],
            "loc_z": ["Gaussian", 50, 5, 100],
        },
        "num_child": ["Deterministic", 0],
        "child": [],
    }
    return Grammar(
        {
            "class": ["Deterministic", "Image"],
            "attributes": {
                "features": ["class", "yaw", "loc_x", "loc_z"],
                "mutable": ["yaw", "loc_x", "loc_z"],
                "immutable": True,
            },
            "num_child": ["Deterministic", 1],
            "child": [thing],
        }
    )


PRIOR = grammar((180, 10), (30, 4))
TARGET = grammar((20, 20), (60, 8))  # the angle lies across the seam


class BlobRenderer:
    """Draws a red blob on a circle at ``yaw`` and a green one at ``loc_x``; ignores ``loc_z``."""

    def __init__(self) -> None:
        self.rendered = 0

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        self.rendered += len(graphs)
        angle = np.deg2rad(graphs.find("Thing", "yaw"))[:, None, None]
        column = graphs.find("Thing", "loc_x")[:, None, None] / 100 * SIZE
        y, x = np.mgrid[:SIZE, :SIZE]
        red = (x - 7.5 - 5 * np.cos(angle)) ** 2 + (y - 7.5 - 5 * np.sin(angle)) ** 2
        green = (x - column) ** 2 + (y - 7.5) ** 2
        images = np.zeros((len(graphs), SIZE, SIZE, 3))
        images[..., 0], images[..., 1] = np.exp(-red / 8), np.exp(-green / 8)
        noise = (graphs.seeds % 5)[:, None, None]  # each scene's own, the same at every call
        images[..., 2] = noise / 50
        return Rendering((images * 255).round().astype(np.uint8))

    def effective(self, layout: SceneGraphLayout) -> np.ndarray:
        seen = np.array([name in ("yaw", "loc_x") for name in layout.features])
        return (layout.maximum > 0) & seen

    def __enter__(self) -> "BlobRenderer":
        return self

    def __exit__(self, *arguments: object) -> None:
        pass


def experiment(kind: str = "transport", seed: int = 0, **training) -> Experiment:
    training = {
        "epochs": 5,
        "scenes_per_epoch": 20,
        "batch_size": 10,
        "average_from": 0.3,
        "search": {"candidates": 4, "scenes": 5},
        **training,
    }
    return Experiment(
        grammar="prior.json",
        target={"grammar": "target.json"},
        generator=kind,
        training=training,
        features={"pyramid": [16, 8, 4]},
        seed=seed,
    )


def target_images(count: int = 60, source: Grammar = TARGET) -> np.ndarray:
    graphs = source.sample(count, random_generator(0, "target"))
    return BlobRenderer().render(graphs).images


def silent(line: str) -> None:
    pass


def trainer(settings: Experiment, images: np.ndarray | None = None) -> Trainer:
    images = target_images() if images is None else images
    return Trainer(settings, PRIOR, BlobRenderer(), images)


class KilledError(Exception):
    pass


def killed_at(start: str):
    """Return a report that stops the training at the first line that starts so."""

    def report(line: str) -> None:
        if line.startswith(start):
            raise KilledError

    return report


def assert_same(first: Progress, second: Progress) -> None:
    """All but the seconds are equal, weights bit for bit."""
    assert len(first.weights) == len(second.weights)
    for one, other in zip(first.weights, second.weights, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    for one, other in zip(first.rows, second.rows, strict=True):
        assert (one[:2], one[3]) == (other[:2], other[3])


@pytest.mark.parametrize("kind", ["mmd", "sliced_wasserstein", "energy"])
def test_recovers_mean_and_spread_of_the_target(kind):
    settings = experiment(
        epochs=50,
        scenes_per_epoch=60,
        batch_size=60,
        average_from=0.7,
        search={"candidates": 12, "scenes": 24},
    )
    settings = settings.model_copy(update={"discrepancy": Discrepancy(kind=kind)})
    training = trainer(settings, target_images(300))
    progress = training.train(report=silent)
    prior = PRIOR.sample(1000, np.random.default_rng(5))
    with torch.no_grad():
        generated = prior.with_features(training.generator(prior).numpy()).values()[:, 1]
    target = TARGET.sample(1000, np.random.default_rng(6)).values()[:, 1]
    assert progress.rows[-1][1] < 0.05 * progress.rows[0][1]
    for feature, (name, period, tolerance) in enumerate([("yaw", 360, 5), ("loc_x", 0, 2)]):
        column, wanted = generated[:, feature], target[:, feature]
        spread = mean_and_spread(wanted, period)[1]
        assert wasserstein_distance(column, wanted, period) < tolerance, name
        assert mean_and_spread(column, period)[1] == pytest.approx(spread, rel=0.3), name
    # What the renderer does not look at stays as it was.
    np.testing.assert_array_equal(generated[:, 2], prior.values()[:, 1, 2])


@pytest.mark.parametrize("epoch", [0, 1, 3, 5])
@pytest.mark.parametrize("kind", ["transport", "gcn"])
def test_killed_training_ends_with_the_same_bits(tmp_path, kind, epoch):
    settings, checkpoint = experiment(kind), tmp_path / "checkpoint.pt"
    whole = trainer(settings).train(report=silent)
    with pytest.raises(KilledError):
        trainer(settings).train(checkpoint, killed_at(f"epoch {epoch}"))
    assert checkpoint.exists() == (epoch > 0)
    lines: list[str] = []
    again = trainer(settings)
    assert_same(again.train(checkpoint, lines.append), whole)
    assert (lines[0] == f"resumed after epoch {epoch}") == (epoch > 0)
    assert sum(line.startswith("epoch ") for line in lines) == 5 - epoch + (epoch == 0)
    for name, value in again.generator.state_dict().items():
        assert torch.equal(value, whole.weights[-1][name])


def test_training_killed_twice_ends_with_the_same_bits(tmp_path):
    settings, checkpoint = experiment(), tmp_path / "checkpoint.pt"
    for epoch in (2, 4):
        with pytest.raises(KilledError):
            trainer(settings).train(checkpoint, killed_at(f"epoch {epoch}"))
    assert_same(trainer(settings).train(checkpoint, silent), trainer(settings).train(report=silent))


@pytest.mark.parametrize("change", ["learning rate", "seed", "generator", "target"])
def test_checkpoint_of_other_settings_is_ignored(tmp_path, change):
    checkpoint = tmp_path / "checkpoint.pt"
    trainer(experiment()).train(checkpoint, silent)
    settings, images = experiment(), None
    if change == "learning rate":
        settings = experiment(learning_rate=0.01)
    elif change == "seed":
        settings = experiment(seed=1)
    elif change == "generator":
        settings = experiment("gcn")
    else:
        images = target_images(60, PRIOR)
    lines: list[str] = []
    progress = trainer(settings, images).train(checkpoint, lines.append)
    assert lines[0] == f"{checkpoint} belongs to other settings; starting anew"
    assert_same(progress, trainer(settings, images).train(report=silent))
    # From now on the checkpoint is that of the new settings.
    lines.clear()
    trainer(settings, images).train(checkpoint, lines.append)
    assert lines == ["resumed after epoch 5"]


def test_checkpoint_depends_on_the_content_of_the_weights(tmp_path):
    file, contents = tmp_path / "weights.pth", (b"one", b"other", b"one")
    features = Features(kind="inception", weights=str(file))
    settings = experiment().model_copy(update={"features": features})
    fingerprints = []
    for content in contents:
        file.write_bytes(content)
        fingerprints.append(trainer(settings).fingerprint)
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]


@pytest.mark.parametrize("candidates", [0, 4])
@pytest.mark.parametrize("kind", ["transport", "gcn"])
def test_reported_renders_are_those_really_made(kind, candidates):
    training = trainer(experiment(kind, search={"candidates": candidates, "scenes": 5}))
    counts: list[int] = []

    def report(line: str) -> None:
        if line.startswith("epoch "):
            counts.append(training.renderer.rendered)

    progress = training.train(report=report)
    assert [row[3] for row in progress.rows] == counts
    assert progress.renders == training.renderer.rendered


def test_seed_decides_everything():
    first, again, other = (
        trainer(experiment(seed=seed, epochs=2)).train(report=silent) for seed in (3, 3, 4)
    )
    assert_same(first, again)
    assert first.rows[1][1] != other.rows[1][1]


def test_random_state_of_the_process_has_no_influence():
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        states.append(make_generator(experiment("gcn"), PRIOR, BlobRenderer()).state_dict())
        assert torch.equal(torch.get_rng_state(), state)
    other = make_generator(experiment("gcn", seed=1), PRIOR, BlobRenderer()).state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in other)
    assert not torch.equal(states[0]["encoder.0.own.weight"], other["encoder.0.own.weight"])


def test_search_finds_an_angle_on_the_other_side():
    settings = experiment(epochs=1, search={"candidates": 12, "scenes": 10})
    lines: list[str] = []
    trainer(settings).train(report=lines.append)
    (yaw,) = [line for line in lines if line.startswith("search: yaw")]
    moved = float(yaw.split("starts ")[1].split()[0])
    assert abs((180 + moved - 20 + 180) % 360 - 180) <= 30
    assert -180 <= moved <= 180
    assert not any(line.startswith("search: loc_z") for line in lines)
    assert any("loc_z" in line and "does not look at it" in line for line in lines)


def test_epoch_zero_is_the_prior():
    progress = trainer(experiment()).train(report=silent)
    assert progress.rows[0][0] == 0
    assert not any(progress.weights[0][name].any() for name in ("shift", "log_scale"))
    assert progress.weights[1]["shift"].any()


def test_layout_is_mutable_only_where_the_renderer_looks():
    layout = effective_layout(PRIOR, BlobRenderer())
    assert {layout.features[f] for _, f in layout.entries()} == {"yaw", "loc_x"}


def test_progress_is_written_as_it_was(tmp_path: Path):
    progress = trainer(experiment("gcn")).train(report=silent)
    progress.write(tmp_path)
    history = read_history(tmp_path / "history.safetensors")
    assert_same(Progress(progress.rows, history), progress)
    with open(tmp_path / "progress.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == PROGRESS_COLUMNS
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3, 4, 5]
    for row, (_, loss, _, renders) in zip(rows, progress.rows, strict=True):
        assert math.isclose(float(row["mmd"]), loss, rel_tol=1e-5)
        assert int(row["renders"]) == renders


def test_target_is_split_without_overlap():
    images = np.zeros((50, 2, 2, 3), np.uint8)
    training, held_out = split_target(images, 0.2, 0)
    assert sorted([*training, *held_out]) == list(range(50))
    assert len(held_out) == 10
    np.testing.assert_array_equal(split_target(images, 0.2, 0)[1], held_out)
    assert not np.array_equal(split_target(images, 0.2, 1)[1], held_out)
