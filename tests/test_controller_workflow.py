"""The controller in the workflow, on a small reward database with gaps."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from simtailor.simulation.parameters import enumerate_parameters
from simtailor.task2vec.fisher import FisherEstimate
from simtailor.task2vec.vectors import write_vector

ROOT = Path(__file__).parent.parent
TASKS = ("digits", "mnist", "fashion", "faces", "clipart")
VALUES = {"backgr": (0, 1), "materials": (1, 3), "pose_scale": (0, 1)}
SETS = [str(p) for p in enumerate_parameters(VALUES)]


def accuracy(name, kind):
    """A task of kind 1 likes a fixed background, one of kind 0 a varied one."""
    parts = [int(p) for p in name.split("_")]
    return 40.0 + 20.0 * (parts[0] ^ kind) + 3.0 * parts[8] - 2.0 * (parts[5] == 3)


def write_study(folder, gap=True):
    """Write a reward database of 8 sets x 5 tasks, and vectors of these and of two new tasks."""
    rng = np.random.default_rng(0)
    base = rng.gamma(1.0, size=(2, 300))
    kinds = {task: number % 2 for number, task in enumerate((*TASKS, "new", "far"))}
    rewards = {task: {s: accuracy(s, kinds[task]) for s in SETS} for task in TASKS}
    if gap:
        del rewards["faces"][SETS[3]]
    vectors = {t: base[kind] * rng.uniform(0.9, 1.1, 300) for t, kind in kinds.items()}
    vectors["far"] = rng.gamma(0.1, size=300)
    (folder / "results/task2sim").mkdir(parents=True)
    (folder / "work/task2sim/task_vectors").mkdir(parents=True)
    (folder / "results/task2sim/reward_db.json").write_text(json.dumps(rewards))
    vectors = {task: v.astype(np.float32) for task, v in vectors.items()}
    np.savez(folder / "results/task2sim/task_vectors.npz", **{t: vectors[t] for t in TASKS})
    for task in ("new", "far"):
        found = FisherEstimate(vectors[task], {"conv.weight": 100, "fc.weight": 200}, [], 128, 0.05)
        write_vector(folder / f"work/task2sim/task_vectors/{task}.npz", found)
    return kinds


@pytest.fixture
def own_database(project, monkeypatch):
    """A project with a small reward database, given as files of the user's."""
    write_study(project.folder)
    keys = {
        "reward_db": "results/task2sim/reward_db.json",
        "task_vectors": "results/task2sim/task_vectors.npz",
        "unseen": ["clipart"],
        "seeds": 2,
        "evaluations": [1, 4],
        "reinforce": {"epochs": 30, "hidden": 20},
    }
    project.configure({}, task2sim={"controller": keys})
    return project


@pytest.mark.slow
def test_one_command_compares_the_policies_on_an_own_database(own_database):
    project = own_database
    # The task vectors and the database are the user's files here, not made by rules.
    for name in ("reward_db.json", "task_vectors.npz"):
        (project.folder / "results/task2sim" / name).rename(project.folder / name)
    keys = yaml.safe_load((project.folder / "small.yaml").read_text())
    keys["task2sim"]["controller"] |= {
        "reward_db": "reward_db.json",
        "task_vectors": "task_vectors.npz",
    }
    (project.folder / "small.yaml").write_text(yaml.safe_dump(keys))
    project.make("controller")
    folder = project.folder / "results/task2sim/controller"
    result = json.loads((folder / "evaluation.json").read_text())
    policies = result["policies"]
    assert set(policies) >= {"best_fixed", "reinforce", "reinforce_ensemble", "transfer", "oracle"}
    for row in policies.values():
        assert {"seen", "unseen", "leave_one_out", "std"} <= set(row)
    # The vectors tell the two kinds of tasks apart, so looking at them must help.
    assert policies["transfer"]["leave_one_out"] > policies["best_fixed"]["leave_one_out"] + 1
    assert policies["transfer"]["leave_one_out"] <= policies["oracle"]["leave_one_out"] + 1e-9
    assert result["missing"] == {"faces": 1}
    assert (
        "faces: 1 of 8 sets missing"
        in (project.folder / "logs/task2sim/controller.log").read_text()
    )
    for name in ("policies.png", "few_shot.png", "parameters.png", "training.png", "table.md"):
        assert (folder / name).stat().st_size > 500
    report = project.snakemake("controller", options=("--report", "report.html"))
    assert report.returncode == 0, report.stderr[-4000:]
    page = (project.folder / "report.html").read_text()
    for word in ("policies.png", "few_shot.png", "parameters.png", "training.png", "tasks.csv"):
        assert word in page
    assert "the oracle knows the best set" in page
    before = (folder / "evaluation.json").read_bytes()
    (project.folder / "results/task2sim/controller/evaluation.json").unlink()
    for path in sorted((project.folder / "work/task2sim/controller").rglob("*.json"))[::2]:
        path.unlink()  # as if the run had been killed half-way
    project.snakemake("controller", options=("--forcerun", "train_controller"))
    assert (folder / "evaluation.json").read_bytes() == before


@pytest.mark.slow
def test_recommendation_from_a_task_vector(own_database):
    project = own_database
    targets = [f"results/task2sim/recommend/{task}.yaml" for task in ("new", "far")]
    project.make(*targets)
    new, far = (yaml.safe_load((project.folder / t).read_text()) for t in targets)
    assert new["parameters"]["backgr"] == 0
    assert not new["abstained"]
    assert accuracy(new["set"], 1) == max(accuracy(s, 1) for s in SETS)
    assert {n["task"] for n in new["nearest_tasks"][:2]} == {"mnist", "faces"}
    assert new["set"] in new["commands"]["set"]
    low, high = new["expected_gain"]["interval_95"]
    assert low < new["expected_gain"]["points"] < high
    assert far["set"] == far["best_fixed_set"]
