"""A small study from end to end."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
import yaml
from conftest import Project, copied
from object_storage import s3_server
from PIL import Image
from sklearn.datasets import load_digits
from slurm_cluster import FASTER, ended_jobs, started_slurm

from simtailor.pretrain.network import timm

TASKS = {"digits": 10, "four_digits": 4, "two_digits": 2}  # classes
SETS = ["0_0_0_0_0_1_0_0_0", "1_0_0_0_0_1_0_0_0"]
JOBS = 7  # of one set and two tasks through Slurm, short ones grouped; the assets are there
pytestmark = pytest.mark.slow


def photographs(folder, classes):
    """Write a folder of images a class: some of the UCI digits."""
    pixels, labels = load_digits(n_class=classes, return_X_y=True)
    for number, (image, label) in enumerate(zip(pixels[:240], labels[:240], strict=True)):
        path = folder / f"digit_{label}" / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((15 * image).astype(np.uint8).reshape(8, 8)).resize((16, 16)).save(path)
    return {"folder": str(folder)}


def configure(project, pictures, tasks, sets=2, repeated=1):
    """Write the configuration of so many sets and these tasks."""
    study = {
        "simulation": {
            "values": {"backgr": list(range(sets))}, "images": 40, "image_size": 32, "samples": 1,
            "classes": 4,
        },
        "pretrain": {
            "epochs": 2, "image_size": 32, "batch_size": 20,
            "model_options": {"channels": [8, 16, 24, 32], "stem_width": 8},
        },
        "tasks": {
            "names": tasks,
            "extra": {task: photographs(pictures / task, TASKS[task]) for task in tasks},
        },
        "evaluate": {
            "image_size": 32, "few_labels": {"episodes": 3},
            "equal_steps": {"starts": {2: 1}}, "repeats": {"sets": repeated, "seeds": 1},
        },
    }  # fmt: skip
    project.configure({}, task2sim=study)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Where the tasks' images are, for every run the same."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def cache(tmp_path_factory, kernel_cache):
    """The compiled kernels, and random weights in place of the packaged network's."""
    folder = tmp_path_factory.mktemp("cache")
    for kept in kernel_cache.iterdir():
        if kept.name != "packages":
            (folder / kept.name).symlink_to(kept)
    weights = folder / "packages/efficientnet_lite0/efficientnet-lite0-57934424.pth"
    weights.parent.mkdir(parents=True)
    torch.save(timm().create_model("tf_efficientnet_lite0").state_dict(), weights)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory, cache, pictures):
    """A project whose small reward database is made, to look at and to copy."""
    project = Project(tmp_path_factory.mktemp("study") / "project", cache)
    configure(project, pictures, ["digits", "four_digits"])
    project.make("reward_db")
    return project


def results_of_one(project, name=SETS[0], task="digits"):
    """Return what was made of a set and measured on a task, and what stands beside it."""
    folder = project.folder / "results/task2sim"
    shards = json.loads((folder / f"sets/{name}/manifest.json").read_text())["shards"]
    weights = (folder / f"backbones/{name}/model.safetensors").read_bytes()
    files = (
        f"{name}.json",
        "baselines.json",
        f"equal_steps/{name}.json",
        "equal_steps/scratch0.json",
    )
    measured = [
        json.loads((folder / "evaluations" / file).read_text())["tasks"][task] for file in files
    ]
    return shards, weights, measured


def test_the_reward_database_is_made_with_all_that_is_promised(study):
    folder = study.folder / "results/task2sim"
    database = json.loads((folder / "reward_db.json").read_text())
    assert list(database) == ["digits", "four_digits"]
    assert all(list(rewards) == SETS for rewards in database.values())
    summary = json.loads((folder / "reward_db/summary.json").read_text())
    assert summary["complete"]
    digits = summary["tasks"]["digits"]
    assert digits["chance"] == 10
    assert digits["mean"] > 2 * digits["chance"]
    beside = ("raw_pixels", "random_on", "random_off", "imagenet", "scratch_2", "fine_tuned_2")
    assert all(0 < digits[name] < 100 for name in beside)
    assert list(summary["other_methods"]) == ["all_labels", "knn"]
    assert "fine-tuned networks are above" in summary["verdict"]
    entries = json.loads((folder / "reward_db/entries.json").read_text())["digits"]
    assert [entries[name]["seeds"] for name in SETS] == [2, 1]
    assert [entries[name]["mean"] for name in SETS] == list(database["digits"].values())
    both = [json.loads((folder / f"sets/{SETS[0]}{end}/manifest.json").read_text())["shards"]
            for end in ("", ".seed1")]  # fmt: skip
    assert both[0][0]["sha256"] != both[1][0]["sha256"]  # another seed draws other images
    for figure in ("heat_map", "comparison", "effects"):
        assert np.asarray(Image.open(folder / f"reward_db/{figure}.png").convert("RGB")).std() > 10


def test_a_task_added_later_adds_its_results_without_redoing_the_rest(study, pictures, tmp_path):
    """Made for one set and one network from scratch, and planned for all."""
    project = copied(study, tmp_path)
    evaluation = project.folder / f"results/task2sim/evaluations/{SETS[0]}.json"
    before = json.loads(evaluation.read_text())["tasks"]
    configure(project, pictures, list(TASKS))
    planned = project.snakemake("reward_db", options=("-n", "-q", "rules"))
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout + planned.stderr, re.MULTILINE))
    assert not {"prepare_assets", "simulate_set", "pretrain"} & set(jobs)
    assert jobs["evaluate_set"] == "3"
    scratch = "results/task2sim/evaluations/equal_steps/scratch0.json"
    project.make(str(evaluation.relative_to(project.folder)), scratch)
    log = (project.folder / f"logs/task2sim/evaluations/{SETS[0]}.log").read_text().splitlines()
    assert [line.endswith("(known)") for line in log] == [True, True, False]
    short = (project.folder / "logs/task2sim/equal_steps/scratch0.log").read_text().splitlines()
    assert [line.endswith("(known)") for line in short] == [True, True, False]
    after = json.loads(evaluation.read_text())["tasks"]
    assert list(after) == list(TASKS)
    assert {task: after[task] for task in before} == before


def test_what_is_there_so_far_is_assembled_and_the_rest_listed(study, tmp_path):
    project = copied(study, tmp_path)
    (project.folder / f"results/task2sim/evaluations/{SETS[1]}.json").unlink()
    project.make("reward_db_so_far")
    log = (project.folder / "logs/task2sim/reward_db_so_far.log").read_text()
    assert f"missing: {SETS[1]} on digits, four_digits" in log
    path = project.folder / "results/task2sim/reward_db_so_far/summary.json"
    summary = json.loads(path.read_text())
    assert not summary["complete"]
    assert summary["tasks"]["digits"]["chance"] == 10  # the baselines are there and stand beside


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """Four nodes on this machine, ended and removed after the tests."""
    folder = tmp_path_factory.mktemp("slurm")
    with started_slurm(folder):
        yield folder


def through_slurm(project, *targets, options=()):
    """Make targets as one does on a cluster; return what was said."""
    run = project.launch(
        "snakemake", "--profile", "slurm", *FASTER, "--configfile", "small.yaml",
        *options, "--", *targets,
    )  # fmt: skip
    output, _ = run.communicate()
    assert run.returncode == 0, output[-6000:]
    return output


def test_the_reward_database_is_the_same_through_slurm(slurm, study, pictures, tmp_path):
    """One set and two tasks, whose results are those of the study on cores.

    Partitions with and without GPUs, which some rules pretend to need; short jobs are grouped.
    """
    project = Project(tmp_path / "project", study.cache)  # the same weights of the packaged network
    configure(project, pictures, ["digits", "four_digits"], sets=1, repeated=0)
    assets = "work/task2sim/assets.safetensors"
    (project.folder / assets).parent.mkdir(parents=True)
    shutil.copy(study.folder / assets, project.folder / assets)
    partitions = {"cpu": {"max_threads": 8}, "gpu": {"max_threads": 8, "max_gpu": 1}}
    (project.folder / "partitions.yaml").write_text(yaml.safe_dump({"partitions": partitions}))
    on_gpu = ("simulate_set", "pretrain", "evaluate_set")
    options = ("--slurm-partition-config", "partitions.yaml",
               "--set-resources", *(f"{rule}:gpu=1" for rule in on_gpu))  # fmt: skip
    output = through_slurm(project, "reward_db", options=options)
    assert results_of_one(project) == results_of_one(study)
    # All but the target itself and what is fetched; the two tasks are one job, and so are the two
    # short trainings.
    assert output.count("has been submitted with SLURM jobid") == JOBS
    partitions = [job["Partition"] for job in ended_jobs(slurm)]
    assert (len(partitions), partitions.count("gpu")) == (JOBS, len(on_gpu))


def test_a_training_on_two_machines_of_slurm(slurm, study, pictures, tmp_path):
    project = copied(study, tmp_path)
    configuration = yaml.safe_load((project.folder / "small.yaml").read_text())
    configuration["task2sim"]["pretrain"] |= {"processes": 2, "nodes": 2, "threads": 2}
    (project.folder / "small.yaml").write_text(yaml.safe_dump(configuration))
    through_slurm(project, f"results/task2sim/backbones/{SETS[0]}")
    assert ended_jobs(slurm)[-1]["NodeList"] == "n[1-2]"
    folder = project.folder / f"results/task2sim/backbones/{SETS[0]}"
    assert json.loads((folder / "summary.json").read_text())["processes"] == 2


def test_results_lie_in_object_storage(study, tmp_path, monkeypatch):
    """A set is made into a bucket; what is made of it later reads it from there."""
    with s3_server(monkeypatch) as client:
        project = copied(study, tmp_path)
        shutil.rmtree(project.folder / "results")
        where = (
            "--default-storage-provider",
            "s3",
            "--default-storage-prefix",
            "s3://bucket/study",
        )
        made = project.snakemake(f"results/task2sim/sets/{SETS[0]}", options=where)
        assert made.returncode == 0, made.stderr[-4000:]
        key = f"study/results/task2sim/sets/{SETS[0]}/"
        held = {
            one["Key"]: client.get_object(Bucket="bucket", Key=one["Key"])["Body"].read()
            for one in client.list_objects_v2(Bucket="bucket", Prefix=key)["Contents"]
        }
        folder = study.folder / f"results/task2sim/sets/{SETS[0]}"
        for file in folder.glob("*.tar"):
            assert held[f"{key}{file.name}"] == file.read_bytes()
        shutil.rmtree(project.folder / ".snakemake/storage", ignore_errors=True)
        assert not list(project.folder.glob("results/task2sim/sets/*"))
        exported = project.snakemake(f"results/task2sim/coco/{SETS[0]}", options=where)
        assert exported.returncode == 0, exported.stderr[-4000:]
        assert "Make the simulated set" not in exported.stderr
        found = client.list_objects_v2(Bucket="bucket", Prefix="study/results/task2sim/coco/")
        assert found["KeyCount"] > 40  # images and annotations
