"""A whole Meta-Sim experiment through a Unity player, by stand-ins."""

import dataclasses
import importlib.util
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, SMALL
from players import scenes, stand_in

from simtailor.config import Configuration, load_experiment
from simtailor.errors import UserError
from simtailor.metasim.inputs import check_task, checked_grammars, folder_state, needs_kernels
from simtailor.metasim.stage import Machine, make_results, make_target, train
from simtailor.metasim.target import TargetImages
from simtailor.render.creation import create_renderer, renderer_for
from simtailor.render.description import RenderMachine
from simtailor.render.players.settings import data_folder
from simtailor.reporting import reporter

GRAMMAR = str(ROOT / "config/grammars/tyol_1attr.json")
TARGET = str(ROOT / "config/grammars/tyol_1attr_target.json")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def load(renderer: str, target: dict, build: Path, **values):
    stage = {"build": str(build), "image_size": 32, "start_timeout": 120}
    own = SMALL | {"grammar": GRAMMAR, "target": target, "renderer": renderer, "stage": stage}
    Path("config/experiments").mkdir(parents=True, exist_ok=True)
    Path("config/experiments/unity.yaml").write_text(yaml.safe_dump(own | values))
    return load_experiment(Configuration(), "unity", [])


@pytest.mark.slow
def test_pictures_of_the_published_builds_become_a_result(here):
    options = ["--target", "40", "--grammar", TARGET]
    tgt = stand_in(here / "3d_scene_tgt", "unity_files", *options)
    build = stand_in(here / "3d_scene", "unity_files")
    experiment = load("unity_files", {"build": str(tgt), "images": 40}, build)
    assert set(checked_grammars(experiment)) == {"grammar"} and not needs_kernels(experiment)
    machine = Machine("cpu", 1, "resources")
    with reporter("logs/target.log", "unity") as report:
        make_target(experiment, machine, "target.npz", report)
        assert len(TargetImages.read("target.npz").images) == 40
        train(experiment, machine, "target.npz", "training", "checkpoint.pt", report)
        make_results("unity", experiment, machine, "target.npz", "training", "results", report)
    summary = json.loads(Path("results/summary.json").read_text())
    yaw = summary["attributes"]["yaw"]
    assert summary["target"]["source"] == str(tgt)
    assert yaw["prior"]["mean"] == pytest.approx(180, abs=3)
    assert abs(yaw["generated"]["mean"] - 90) < 45  # six epochs of twenty scenes
    assert Path("logs/target.player.log").exists()


def test_a_changed_target_build_draws_the_target_anew(here):
    tgt = stand_in(here / "3d_scene_tgt", "unity_files")
    experiment = load("unity_files", {"build": str(tgt)}, stand_in(here / "own", "unity_files"))
    before = folder_state(experiment.target)
    (data_folder(tgt) / "StreamingAssets/Snapshots/0.png").write_bytes(b"")
    assert folder_state(experiment.target) == before
    (data_folder(tgt) / "level0").write_bytes(b"")
    assert folder_state(experiment.target) != before
    classes = {"grammar": GRAMMAR.replace("tyol", "tyol_multi"), "task": {"network": "digits"}}
    experiment = load("unity_files", {"build": str(tgt)}, tgt, **classes)
    with pytest.raises(UserError, match="neither a build nor a large picture names classes"):
        check_task(experiment)


def test_a_player_with_ml_agents_draws_target_and_training(here):
    if importlib.util.find_spec("mlagents_envs") is None:
        pytest.skip("mlagents_envs is not installed: SIMTAILOR_EXTRAS=unity ./run pytest")
    build = stand_in(here, "unity_mlagents")
    target = {"grammar": TARGET, "images": 40}
    experiment = load("unity_mlagents", target, build)
    machine = Machine("cpu", 1, "resources")
    with reporter("logs/target.log", "unity") as report:
        make_target(experiment, machine, "target.npz", report)
        train(experiment, machine, "target.npz", "training", "checkpoint.pt", report)
    assert Path("training/progress.csv").exists()


def test_a_stand_in_draws_what_the_embedded_renderer_draws(here):
    """Graphs lose nothing on their way through files and another process."""
    build = stand_in(here, "unity_files", drawing="tabletop")
    experiment = load("unity_files", {"grammar": TARGET}, build)
    graphs = scenes(3, attributes=8)
    with create_renderer("tabletop", image_size=128) as embedded:
        # The noise of soft shadows goes by the seed, which the published files do not carry.
        seeded = dataclasses.replace(graphs, seeds=np.zeros_like(graphs.seeds))
        wanted = embedded.render(seeded).images
    settings = experiment.stage.model_copy(update={"image_size": 128})
    with renderer_for("unity_files", settings, RenderMachine()) as renderer:
        found = renderer.render(graphs).images
    away = np.abs(found.astype(int) - wanted)
    assert away.mean() < 0.05
    assert (away > 2).mean() < 0.001  # numbers go as text: an edge may fall on the other side
