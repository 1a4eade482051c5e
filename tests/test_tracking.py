"""Curves in a tracker, which is beside the results and never in their way."""

import math

import pytest
from test_pretrain import NAMES, SETTINGS, silent
from tiny_sets import make_set

from simtailor.checks import check_configuration
from simtailor.config import load_configuration
from simtailor.errors import UserError
from simtailor.metasim.progress import Progress
from simtailor.pretrain.stage import Job, run
from simtailor.tracking import registry, track
from simtailor.tracking.current import tracked, tracked_by_parent
from simtailor.tracking.registry import RegisteredTracker, Tracker, find_tracker


class Notebook(Tracker):
    """Keeps what it is given."""

    runs = {}  # noqa: RUF012

    def __init__(self, folder, run, settings):
        self.rows = Notebook.runs.setdefault(run, [])
        self.settings, self.closed = settings, False

    def log(self, step, values):
        if "broken" in values:
            raise OSError("no space left")
        self.rows.append((step, dict(values)))

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def notebook(monkeypatch, tmp_path):
    """A tracker of the tests, in an empty working folder."""
    registry.tracker_names()
    monkeypatch.setitem(registry._TRACKERS, "notebook", RegisteredTracker(Notebook, True))
    monkeypatch.setattr(Notebook, "runs", {})
    monkeypatch.chdir(tmp_path)
    return Notebook.runs


def test_without_a_tracker_nothing_happens(notebook):
    with tracked("none", "a", {}, silent):
        track(1, {"loss": 2.0})
    track(1, {"loss": 2.0})
    assert notebook == {}


def test_values_arrive_and_those_that_an_epoch_has_not_are_left_out(notebook):
    with tracked("notebook", "metasim/mine", {"seed": 3}, silent):
        Progress().add({}, epoch=0, mmd=1.5, validation=0.5, seconds=1, renders=8)
    assert notebook["metasim/mine"] == [
        (0, {"epoch": 0, "mmd": 1.5, "validation": 0.5, "seconds": 1, "renders": 8})
    ]


def test_a_tracker_that_fails_ends_no_training(notebook):
    lines = []
    with tracked("notebook", "a", {}, lines.append):
        for step in range(3):
            track(step, {"broken": 1.0} if step == 1 else {"loss": 1.0})
    assert notebook["a"] == [(0, {"loss": 1.0})]
    assert lines == ["warning: nothing more is tracked: notebook: OSError: no space left"]


def test_a_process_that_a_job_starts_tracks_the_same_run(notebook):
    with tracked("notebook", "a", {}, silent):
        with tracked_by_parent(silent):
            track(0, {"loss": 1.0})
        with tracked_by_parent(silent):
            track(1, {"loss": 1.0})
    with tracked_by_parent(silent):
        track(2, {"loss": 1.0})
    assert [step for step, _ in notebook["a"]] == [0, 1]


def test_a_backbone_has_the_same_bytes_with_a_tracker_and_without(notebook, tmp_path):
    made = make_set(tmp_path / "sets" / NAMES[0])
    weights, rows = [], []
    for name in ("none", "notebook"):
        output, state = tmp_path / name, str(tmp_path / f"{name}.pt")
        job = Job(NAMES[0], str(made), str(output), SETTINGS, 0, "cpu", 1, state)
        with tracked(name, "backbone", {}, silent):
            run(job, silent)
        weights.append((output / "model.safetensors").read_bytes())
        rows = (output / "progress.csv").read_text().splitlines()[1:]
    assert weights[0] == weights[1]
    epochs = [(step, values["loss"]) for step, values in notebook["backbone"]]
    assert [step for step, _ in epochs] == [1, 2, 3]
    assert all(
        math.isclose(loss, float(row.split(",")[1]), rel_tol=1e-5)
        for (_, loss), row in zip(epochs, rows, strict=True)
    )


def configuration(name):
    values = {"tracking": name}
    return load_configuration(values, []), values


def test_a_wrong_name_or_an_absent_package_is_told_while_planning(monkeypatch):
    with pytest.raises(UserError, match=r"no tracker 'tensorbord'.*Did you mean 'tensorboard'"):
        configuration("tensorbord")
    monkeypatch.setitem(registry._TRACKERS, "mlflow", RegisteredTracker(Notebook, False))
    found, values = configuration("mlflow")
    with pytest.raises(UserError, match=r"tracking: 'mlflow' needs.*SIMTAILOR_EXTRAS=mlflow"):
        check_configuration(found, values, [], True)
    assert find_tracker("none") is None


def test_every_tracker_has_an_extra():
    from test_dependencies import EXTRAS  # noqa: PLC0415

    assert set(registry.tracker_names()) - {"none", "notebook"} <= EXTRAS


def test_tensorboard_reads_what_is_written_and_a_run_goes_on(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for step in range(2):  # as a run that was killed and started again
        with tracked("tensorboard", "metasim/mine", {"seed": 3}, silent):
            track(step, {"mmd": 2.0 - step})
    read = accumulator.EventAccumulator(str(tmp_path / "logs/tracking/tensorboard/metasim/mine"))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("mmd")] == [(0, 2.0), (1, 1.0)]


def test_mlflow_reads_what_is_written_and_a_run_goes_on(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for step in range(2):
        with tracked("mlflow", "metasim/mine", {"seed": 3}, silent):
            track(step, {"mmd": 2.0 - step})
    client = mlflow.MlflowClient((tmp_path / "logs/tracking/mlflow").as_uri())
    experiment = client.get_experiment_by_name("simtailor").experiment_id
    (found,) = client.search_runs([experiment])
    history = client.get_metric_history(found.info.run_id, "mmd")
    assert [(entry.step, entry.value) for entry in history] == [(0, 2.0), (1, 1.0)]
    assert found.data.params == {"seed": "3"}
