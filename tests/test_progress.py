"""The record of a training: its files, its best epoch, when it stops, and the task's epochs."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from blobs import KilledError, assert_same, experiment, killed_at, silent, target_images, trainer
from hypothesis import given, settings
from hypothesis import strategies as st

from simtailor.metasim.progress import COLUMNS, Progress
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import render_target
from simtailor.metasim.training import Trainer
from simtailor.render.creation import create_renderer

GRAMMARS = Path(__file__).parents[1] / "config" / "grammars"
NOTES = {"tolerance": 0.01}


def progress_of(validation, rewards=(), **notes) -> Progress:
    """Return a progress with given columns; rewards are of the last epochs."""
    progress = Progress(notes=NOTES | notes)
    padded = [float("nan")] * (len(validation) - len(rewards)) + list(rewards)
    for epoch, (value, reward) in enumerate(zip(validation, padded, strict=True)):
        weights = {"shift": torch.full((2, 2), float(epoch))}
        progress.add(weights, epoch=epoch, validation=value, reward=reward)
    return progress


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-1e3, 1e3, width=16), min_size=1, max_size=5), st.booleans())
def test_progress_is_read_as_it_was_written(tmp_path_factory, losses, with_reward):
    folder, progress = tmp_path_factory.mktemp("training"), Progress(notes={"start": {"a": [1]}})
    for epoch, loss in enumerate(losses):
        more = {"reward": epoch / 4} if with_reward and epoch else {}
        weights = {"b": torch.full((2, 3), loss), "a": torch.tensor([epoch, 1.0])}
        progress.add(
            weights, epoch=epoch, mmd=loss, validation=-loss, seconds=epoch / 2, renders=10, **more
        )
    progress.write(folder)
    read = Progress.read(folder)
    assert read.notes == progress.notes
    assert (read.epoch, read.renders, read.seconds) == (len(losses) - 1, 10, (len(losses) - 1) / 2)
    for name in COLUMNS:
        np.testing.assert_allclose(read.column(name), progress.column(name), rtol=1e-5, atol=1e-6)
    for one, other in zip(read.weights, progress.weights, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_value_that_an_epoch_has_not_is_an_empty_cell(tmp_path):
    progress_of([0.5, 0.25]).write(tmp_path)
    with open(tmp_path / "progress.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["reward"] for row in rows] == ["", ""]
    assert [row["validation"] for row in rows] == ["0.5", "0.25"]
    assert json.loads((tmp_path / "notes.json").read_text()) == NOTES


@pytest.mark.parametrize(
    ("validation", "best"),
    [
        ([0.9], 0),
        ([0.9, 0.5, 0.2], 2),
        ([0.9, 0.2, 0.205, 0.209, 0.5], 3),  # the last that is as good but for chance
        ([0.9, 0.2, 0.3, 0.4], 1),
        ([0.001, 0.2, 0.3, 0.21], 3),  # epoch 0 does not set the mark
        ([0.9, -0.02, -0.012, 0.1], 2),  # an unbiased estimate may be below 0
    ],
)
def test_best_epoch_is_the_last_as_good_as_the_lowest(validation, best):
    assert progress_of(validation).best == best


@pytest.mark.parametrize(
    ("rewards", "before", "best"),
    [
        ([0.5, 0.8, 0.7], 0.4, 4),
        ([0.5, 0.8, 0.79], 0.4, 5),
        ([0.5, 0.6, 0.55], 0.9, 2),  # all are worse than what was there before the task
        ([0.5, 0.89, 0.6], 0.9, 4),
    ],
)
def test_best_epoch_of_a_task_is_the_last_as_good_as_the_highest_reward(rewards, before, best):
    notes = {"reward_before_task": before, "reward_tolerance": 0.02, "before_task": 2}
    assert progress_of([0.9, 0.5, 0.2, 0.1, 0.1, 0.1], rewards, **notes).best == best


def test_training_that_finds_nothing_better_stops_and_says_why():
    # Steps too small to change anything.
    still = {"learning_rate": 1e-30, "network_learning_rate": 1e-30}
    training = trainer(experiment(epochs=12, patience=3, **still))
    lines: list[str] = []
    progress = training.train(report=lines.append)
    assert progress.epoch < 12
    assert f"after epoch {progress.epoch}: " in progress.notes["stopped"]
    assert "has not become better for 3 epochs" in progress.notes["stopped"]
    assert any(line.startswith("stopped after epoch") for line in lines)


def test_training_that_becomes_better_goes_on_to_the_end():
    progress = trainer(experiment(epochs=6, patience=6)).train(report=silent)
    assert progress.epoch == 6
    assert "stopped" not in progress.notes


def test_generator_of_the_best_epoch_is_taken():
    training = trainer(experiment(), target_images(100))
    progress = training.train(report=silent)
    for name, value in training.generator.state_dict().items():
        assert torch.equal(value, progress.weights[progress.best][name])


@pytest.fixture(scope="module")
def task_trainer(digits_cache):
    """Return a function that makes trainers of a few moments on the drawn digits."""

    def make(**task) -> Trainer:
        short = {"image_size": 16, "epochs": 1}
        experiment = Experiment(
            grammar=str(GRAMMARS / "mnist_rot.json"),
            target={"grammar": str(GRAMMARS / "mnist_rot_target.json")},
            renderer="digits",
            training={
                "epochs": 3,
                "scenes_per_epoch": 20,
                "batch_size": 20,
                "validation_scenes": 10,
                "search": {"rounds": 0},
            },
            features={"pyramid": [8, 4]},
            task={
                "network": "digits", "epochs": 3, "groups": 2, "scenes": 20, "training": short,
            } | task,
            seed=0,
        )  # fmt: skip
        renderer = create_renderer("digits", image_size=32, cache=digits_cache)
        target = render_target(experiment.read_grammar(experiment.target.grammar), renderer, 60, 0)
        return Trainer(experiment, experiment.read_grammar(experiment.grammar), renderer, target)

    return make


def test_task_has_epochs_with_rewards_after_the_others(task_trainer):
    progress = task_trainer().train(report=silent)
    rewards = progress.column("reward")
    np.testing.assert_array_equal(np.isnan(rewards), [True] * 4 + [False] * 3)
    assert ((rewards[4:] >= 0) & (rewards[4:] <= 1)).all()
    assert progress.notes["task_begins"] == 3
    assert progress.notes["before_task"] <= 3
    assert not torch.equal(progress.weights[4]["shift"], progress.weights[6]["shift"])


@pytest.mark.parametrize(
    ("baseline", "ends"),
    [
        ("other_groups", ["epoch 2/", "epoch 3/", "accuracy of", "task epoch 1/", "task epoch 3/"]),
        ("moving_average", ["task epoch 2/"]),  # the average is part of the state
    ],
)
def test_task_killed_at_any_epoch_ends_with_the_same_bits(task_trainer, tmp_path, baseline, ends):
    whole = task_trainer(baseline=baseline).train(report=silent)
    for end in ends:
        checkpoint = tmp_path / f"{end[:-1]}.pt"
        with pytest.raises(KilledError):
            task_trainer(baseline=baseline).train(checkpoint, killed_at(end))
        assert checkpoint.exists(), end
        assert_same(task_trainer(baseline=baseline).train(checkpoint, silent), whole)


def test_renders_of_a_task_are_those_really_made(task_trainer, monkeypatch):
    training, rendered, counts = task_trainer(), [0], []
    draw = training.renderer.inner._draw
    monkeypatch.setattr(
        training.renderer.inner,
        "_draw",
        lambda g, f: rendered.append(rendered[-1] + len(g)) or draw(g, f),
    )

    def report(line: str) -> None:
        if "  mmd " in line:
            counts.append(rendered[-1])

    assert training.train(report=report).column("renders").tolist() == counts
