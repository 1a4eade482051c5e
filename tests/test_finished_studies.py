"""Which study recommendations learn from, and what is said of one with other settings."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image

from simtailor.config import load_configuration
from simtailor.controller.evidence import Evidence
from simtailor.controller.recommend import write_recommendation
from simtailor.controller.settings import Controller
from simtailor.files import checksum, read_json
from simtailor.finished_studies import VERSION, study_to_learn_from
from simtailor.task2vec.fisher import FisherEstimate
from simtailor.task2vec.vectors import write_vector

SHIPPED = ROOT / "config/study"


def configured(**values):
    return load_configuration({"seed": 0, "device": "cpu", **values}, [])


def given(folder):
    keys = {"reward_db": str(folder / "reward_db.json"),
            "task_vectors": str(folder / "task_vectors.npz")}  # fmt: skip
    return {"controller": keys}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of work without results."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_shipped_study_answers_for_the_default_settings_and_is_as_it_was_made(elsewhere):
    known = study_to_learn_from(configured())
    assert known.reward_db == str(SHIPPED / "reward_db.json")
    assert not known.other_evidence
    assert "comes with the project" in known.note
    for name in ("reward_db", "task_vectors"):
        said = read_json(SHIPPED / f"{name}.provenance.json")
        assert not said["changed"]
        for file, digest in said["files"].items():
            assert checksum(SHIPPED / file) == digest


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"seed": 3}, "seed"),
        ({"task2sim": {"pretrain": {"epochs": 3}}}, "task2sim.pretrain"),
        ({"task2sim": {"tasks": {"image_size": 32}}}, "task2sim.tasks"),
        ({"task2sim": {"task2vec": {"image_size": 32}}}, "task2sim.task2vec"),
        ({"task2sim": {"tasks": {"names": ["emoji"]}}}, "task2sim.tasks.names"),
        ({"task2sim": {"simulation": {"values": {"blur": [0, 1]}}}}, "task2sim.simulation.values"),
    ],
)
def test_with_other_settings_the_study_is_made_and_the_key_named(elsewhere, values, named):
    known = study_to_learn_from(configured(**values))
    assert known.reward_db == "results/task2sim/reward_db.json"
    assert re.search(rf"other evidence, made with another .*{re.escape(named)}\b", known.note)


def test_a_study_of_ones_own_comes_before_the_shipped_one(elsewhere):
    (elsewhere / "results/task2sim").mkdir(parents=True)
    (elsewhere / "results/task2sim/reward_db.json").write_text("{}")
    known = study_to_learn_from(configured())
    assert known.reward_db == "results/task2sim/reward_db.json"
    assert not known.note


def test_a_study_that_is_named_is_used_and_its_other_settings_are_told(elsewhere):
    shutil.copytree(SHIPPED, elsewhere / "shared")
    files = given(elsewhere / "shared")
    assert not study_to_learn_from(configured(task2sim=files)).other_evidence
    other = study_to_learn_from(configured(seed=2, task2sim=files))
    assert other.reward_db == files["controller"]["reward_db"]
    assert "another seed" in other.other_evidence
    path = elsewhere / "shared/reward_db.provenance.json"
    said = read_json(path)
    said["settings"]["evidence"] = "of another evaluation"
    path.write_text(json.dumps(said))
    assert VERSION in study_to_learn_from(configured(task2sim=files)).other_evidence
    path.unlink()  # as the published files, of which nothing is known
    assert not study_to_learn_from(configured(task2sim=files)).other_evidence


def test_the_recommendation_says_what_it_learned_from(tmp_path):
    with np.load(SHIPPED / "task_vectors.npz") as vectors:
        near = 1.1 * vectors["emoji"]
    found = FisherEstimate(near, {"conv.weight": near.size}, [], 128, 0.05)
    write_vector(tmp_path / "parts.npz", found)
    files = (str(SHIPPED / "reward_db.json"), str(SHIPPED / "task_vectors.npz"))
    write_recommendation(
        *files, str(tmp_path / "parts.npz"), "parts", Evidence({}, {}), Controller(), "results",
        "made with another seed", tmp_path / "parts.yaml",
    )  # fmt: skip
    content = yaml.safe_load((tmp_path / "parts.yaml").read_text())
    assert content["nearest_tasks"][0]["task"] == "emoji"
    assert content["set"] in read_json(SHIPPED / "reward_db.json")["emoji"]
    assert content["learned_from"] == files[0]
    assert content["other_evidence"] == "made with another seed"


@pytest.mark.slow
def test_a_labelled_folder_is_answered_without_making_a_study(project):
    folder = project.folder / "parts"
    random = np.random.default_rng(0)
    for number in range(12):
        path = folder / ("bolt" if number % 2 else "nut") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    tasks = {"tasks": {"extra": {"parts": {"folder": "parts"}}}}
    project.configure({}, task2sim=tasks)
    target = "results/task2sim/recommend/parts.yaml"
    planned = project.snakemake(target, options=("-n",))
    assert planned.returncode == 0, planned.stderr[-3000:]
    jobs = re.findall(r"^(\w+) +(\d+)$", planned.stdout, re.M)
    assert dict(jobs) == {"fetch_package": "1", "prepare_task": "1", "task_vector": "1",
                          "recommend": "1", "total": "4"}  # fmt: skip
    assert "Learns from the study that comes with the project" in planned.stderr + planned.stdout
