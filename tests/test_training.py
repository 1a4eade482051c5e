"""Training with an analytic renderer: recovery, resumption, and the count of renders."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from blobs import (
    LOC_X,
    PRIOR,
    TARGET,
    THING,
    BlobRenderer,
    KilledError,
    assert_same,
    experiment,
    generated,
    grammar,
    killed_at,
    silent,
    target_images,
    thorough,
    trainer,
)
from scipy.stats import norm

from simtailor.metasim.distances import at_most_half
from simtailor.metasim.fingerprint import fingerprint_of
from simtailor.metasim.generators import effective_layout, make_generator
from simtailor.metasim.settings import Discrepancy, Evaluation, Features
from simtailor.scene.attributes import mean_and_spread, wasserstein_distance


@pytest.mark.parametrize("kind", ["mmd", "sliced_wasserstein", "energy"])
def test_recovers_mean_and_spread_of_the_target(kind):
    settings = thorough().model_copy(update={"discrepancy": Discrepancy(kind=kind)})
    training = trainer(settings, target_images(300))
    progress = training.train(report=silent)
    made = generated(training)
    target = TARGET.sample(1000, np.random.default_rng(6)).values()[:, 1]
    validation = progress.column("validation")
    assert validation[progress.best] < 0.1 * validation[0]
    for feature, (name, period, tolerance) in enumerate([("yaw", 360, 5), ("loc_x", 0, 2)]):
        column, wanted = made[:, feature], target[:, feature]
        spread = mean_and_spread(wanted, period)[1]
        assert wasserstein_distance(column, wanted, period) < tolerance, name
        assert mean_and_spread(column, period)[1] == pytest.approx(spread, rel=0.3), name
    # What the renderer does not look at stays as it was.
    prior = PRIOR.sample(1000, np.random.default_rng(5))
    np.testing.assert_array_equal(made[:, 2], prior.values()[:, 1, 2])


@pytest.mark.parametrize(("hypercube", "size"), [(1, 1), (5, 5), (80, 5)])
def test_batches_are_hypercubes_whose_pairs_the_discrepancy_leaves_out(hypercube, size):
    """Of a batch of ten at most five."""
    training = trainer(experiment(hypercube=hypercube, epochs=1))
    batches, loss = [], training.objective.loss

    def recorded(graphs, features, *changed):
        if changed:  # a step of the training
            batches.append(graphs.values()[:, THING, LOC_X])
        return loss(graphs, features, *changed)

    training.objective.loss = recorded
    training.train(report=silent)
    assert at_most_half(training.objective.discrepancy.cube, 10) == size
    assert len(batches) >= 2
    ranges = np.floor(norm(30, 4).cdf(np.concatenate(batches)) * 5).reshape(-1, 5)  # of PRIOR
    assert (np.sort(ranges, 1) == np.arange(5)).all() == (size == 5)


@pytest.mark.parametrize("epoch", [0, 1, 3, 5])
@pytest.mark.parametrize("kind", ["transport", "gcn"])
def test_killed_training_ends_with_the_same_bits(tmp_path, kind, epoch):
    settings, checkpoint = experiment(kind), tmp_path / "checkpoint.pt"
    whole = trainer(settings).train(report=silent)
    with pytest.raises(KilledError):
        trainer(settings).train(checkpoint, killed_at(f"epoch {epoch}"))
    assert checkpoint.exists() == (epoch > 0 or kind == "transport")  # that one has a search
    lines: list[str] = []
    again = trainer(settings)
    assert_same(again.train(checkpoint, lines.append), whole)
    assert (lines[0] == f"resumed after epoch {epoch}") == (epoch > 0)
    assert sum("  mmd " in line for line in lines) == 5 - epoch + (epoch == 0)
    for name, value in again.generator.state_dict().items():
        assert torch.equal(value, whole.weights[whole.best][name])


SEARCHING = {"rounds": 4, "candidates": 20, "images": 20}


@pytest.mark.parametrize(
    "end", ["search round 2", "search round 4", "start 'fitted': ", "start 'fitted' after 3"]
)
def test_training_killed_in_its_search_loses_one_step_of_it(tmp_path, monkeypatch, end):
    monkeypatch.setattr("simtailor.metasim.starts.contest.starts_on_trial", lambda *_: ["fitted"])
    monkeypatch.setattr("simtailor.metasim.starts.contest.still_on_trial", lambda n, *_: n)
    settings, checkpoint = experiment(epochs=1, search=SEARCHING), tmp_path / "checkpoint.pt"
    first, again = trainer(settings), trainer(settings)
    whole = first.train(report=silent)
    with pytest.raises(KilledError):
        trainer(settings).train(checkpoint, killed_at(end))
    assert_same(again.train(checkpoint, silent), whole)
    assert again.renderer.rendered < first.renderer.rendered - 40  # scenes of a round


def test_training_killed_twice_ends_with_the_same_bits(tmp_path):
    settings, checkpoint = experiment(), tmp_path / "checkpoint.pt"
    for epoch in (2, 4):
        with pytest.raises(KilledError):
            trainer(settings).train(checkpoint, killed_at(f"epoch {epoch}"))
    assert_same(trainer(settings).train(checkpoint, silent), trainer(settings).train(report=silent))


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The checkpoint of a training, to copy."""
    checkpoint = tmp_path_factory.mktemp("left") / "checkpoint.pt"
    trainer(experiment()).train(checkpoint, silent)
    return checkpoint


@pytest.mark.parametrize(
    "change", ["learning rate", "seed", "generator", "target", "split", "renderer", "code"]
)
def test_checkpoint_of_other_settings_is_ignored(left, tmp_path, change, monkeypatch):
    checkpoint = Path(shutil.copy(left, tmp_path))
    settings, target = experiment(), None
    if change == "learning rate":
        settings = experiment(learning_rate=0.01)
    elif change == "seed":
        settings = experiment(seed=1)
    elif change == "generator":
        settings = experiment("gcn")
    elif change == "split":
        settings = settings.model_copy(update={"evaluation": Evaluation(validation=0.2)})
    elif change == "renderer":
        monkeypatch.setattr(BlobRenderer, "identity", "edited", raising=False)
    elif change == "code":
        monkeypatch.setattr("simtailor.metasim.fingerprint.checksum", lambda _: "edited")
    else:
        target = target_images(60, PRIOR)
    lines: list[str] = []
    progress = trainer(settings, target).train(checkpoint, lines.append)
    assert lines[0] == f"{checkpoint} belongs to other settings; starting anew"
    assert_same(progress, trainer(settings, target).train(report=silent))
    # From now on the checkpoint is that of the new settings.
    lines.clear()
    trainer(settings, target).train(checkpoint, lines.append)
    assert lines[0] == "resumed after epoch 5"
    assert not any(line.startswith("epoch 5/") for line in lines)


def test_checkpoint_depends_on_what_the_renderer_says_of_itself():
    """On the package that traces its rays, for example, which may be installed or not."""
    fingerprints = set()
    for identity in (None, "embreex 4", "warp-lang 1"):
        renderer = BlobRenderer()
        if identity is not None:
            renderer.identity = identity
        settings, target = experiment(), target_images(60, PRIOR)
        grammar = trainer(settings).grammar
        fingerprints.add(fingerprint_of(settings, grammar, renderer, target, "cpu", ""))
    assert len(fingerprints) == 3


def test_checkpoint_depends_on_the_content_of_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("simtailor.metasim.training.make_features", lambda *_: None)
    file, contents = tmp_path / "weights.pth", (b"one", b"other", b"one")
    features = Features(kind="inception", weights=str(file))
    settings = experiment().model_copy(update={"features": features})
    fingerprints = []
    for content in contents:
        file.write_bytes(content)
        fingerprints.append(trainer(settings).fingerprint)
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]


@pytest.mark.parametrize("rounds", [0, 2])
@pytest.mark.parametrize("kind", ["transport", "gcn"])
def test_reported_renders_are_those_really_made(kind, rounds):
    search = {"rounds": rounds, "candidates": 5, "images": 10}
    training = trainer(experiment(kind, search=search))
    counts: list[int] = []

    def report(line: str) -> None:
        if "  mmd " in line:
            counts.append(training.renderer.rendered)

    progress = training.train(report=report)
    assert progress.column("renders").tolist() == counts
    assert progress.renders == training.renderer.rendered


@pytest.mark.parametrize("epochs", [1, 3])
def test_shortest_patience_and_training_come_to_an_end(epochs):
    progress = trainer(experiment(epochs=epochs, patience=1, average_from=0)).train(report=silent)
    assert 1 <= progress.epoch <= epochs


def test_seed_decides_everything():
    first, again, other = (
        trainer(experiment(seed=seed, epochs=2)).train(report=silent) for seed in (3, 3, 4)
    )
    assert_same(first, again)
    assert first.column("mmd")[1] != other.column("mmd")[1]


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


def test_mutable_attribute_that_the_renderer_ignores_is_reported():
    lines: list[str] = []
    trainer(experiment(epochs=1)).train(report=lines.append)
    assert any("loc_z" in line and "does not look at it" in line for line in lines)


def test_mutable_attribute_without_a_spread_is_reported():
    lines: list[str] = []
    trainer(experiment(epochs=1), prior=grammar((180, 10), (30, 0))).train(report=lines.append)
    assert "loc_x has no spread in the grammar: its mean is fitted, and no spread" in lines
    assert not any("yaw has no spread" in line for line in lines)


def test_steps_that_change_no_picture_are_reported():
    """The renderer looks at the place, but the object is too far from the frame to be seen."""
    lines: list[str] = []
    settings = experiment(epochs=1, search={"rounds": 0})
    training = trainer(settings, prior=grammar((180, 10), (900, 5), maximum=1000))
    progress = training.train(report=lines.append)
    assert any(line.startswith("loc_x is blind: a step of ") for line in lines)
    assert not any(line.startswith("yaw is blind") for line in lines)
    assert progress.notes["steps"]["loc_x"]["response"] == 0
    assert progress.notes["steps"]["yaw"]["response"] > 0
    assert 0.4 < progress.column("blind")[1] < 0.6


def test_epoch_zero_is_the_prior():
    progress = trainer(experiment()).train(report=silent)
    assert progress.column("epoch").tolist() == [0, 1, 2, 3, 4, 5]
    assert not any(progress.weights[0][name].any() for name in ("shift", "log_scale"))
    assert progress.weights[1]["shift"].any()


def test_layout_is_mutable_only_where_the_renderer_looks():
    layout = effective_layout(PRIOR, BlobRenderer())
    assert {layout.features[f] for _, f in layout.entries()} == {"yaw", "loc_x"}
