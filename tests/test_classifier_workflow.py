"""The target of a classifier: from a folder that the study does not know, with its own options."""

import json

import pytest
import yaml
from conftest import Project
from pictures import draw_folder
from test_classifier import PRETRAIN, packaged, prepared, table, write_random_backbone
from test_controller_explore import SETS, write_known

# Sets, backbones, the prepared task and its vector are there.
LIGHT = ("recommend", "classifier_origin", "classifier")


@pytest.mark.slow
def test_a_folder_becomes_a_classifier_on_the_recommended_or_the_given_set(tmp_path):
    cache = tmp_path / "resources"
    packaged(cache)
    project = Project(tmp_path / "project", cache)
    study, work = (project.folder / part / "task2sim" for part in ("results", "work"))
    photos = draw_folder(project.folder / "photos")
    options = {"flip": True, "test_share": 0.25}
    prepared(photos, size=32, name="new", **options).write(work / "tasks/new")
    write_known(project.folder)  # after the task, or its vector would be out of date
    (work / "task_vectors").mkdir()
    (project.folder / "new.npz").rename(work / "task_vectors/new.npz")
    for seed, name in enumerate(SETS):
        write_random_backbone(study / f"backbones/{name}", name, seed)
    keys = {
        "pretrain": PRETRAIN.model_dump(include={"model", "model_options", "image_size"}),
        "tasks": {"image_size": 32, "extra": {"new": {"folder": str(photos), **options}}},
        "controller": {"reward_db": "db.json", "task_vectors": "known.npz"},
        "classifier": {"steps": 2, "batch_size": 8},
    }
    target = "results/task2sim/classifier/new"

    def make():
        project.configure({}, task2sim=keys)
        run = project.snakemake(target, options=("--allowed-rules", *LIGHT))
        assert run.returncode == 0, run.stderr[-4000:]
        return run.stderr, json.loads((project.folder / target / "summary.json").read_text())

    said, summary = make()
    recommended = yaml.safe_load((study / "recommend/new.yaml").read_text())
    assert summary["simulated_set"]["set"] == recommended["set"]
    assert recommended["why"] in summary["verdict"]
    assert summary["verdict"].split(". ")[0] in said
    assert (summary["images"]["train"], summary["images"]["test"]) == (27, 9)
    about = json.loads((project.folder / target / "config.json").read_text())["simtailor"]
    assert about["parameters"] == recommended["set"]
    assert len(table((project.folder / target / "predictions.csv").read_text())) == 9
    pixels = project.folder / "work/task2sim/classifiers/new/raw_pixels/attempts.json"
    before = pixels.stat().st_mtime_ns

    keys["classifier"]["set"] = next(name for name in SETS if name != recommended["set"])
    _, summary = make()
    assert summary["simulated_set"] == {"set": keys["classifier"]["set"], "why": None}
    assert "was given, not recommended" in summary["verdict"]
    assert pixels.stat().st_mtime_ns == before  # only what the set decides is made again
