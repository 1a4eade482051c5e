"""The workflow from end to end, on a small configuration, in a copy of the project."""

import csv
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from conftest import ROOT, SMALL, copied
from PIL import Image

from simtailor.calling import make
from simtailor.datasets.formats import FORMATS
from simtailor.errors import UserError
from simtailor.fitted.reading import FittedSet
from simtailor.metasim.progress import COLUMNS
from simtailor.provenance import PROVENANCE, changed_files, digest_of

sys.path.insert(0, str(ROOT / "benchmarks"))

from first_hour import EXPERIMENT, steps_of_the_page

RESULT = "results/metasim/tyol_1attr"
pytestmark = pytest.mark.slow


def stable_bytes(folder):
    """Return the bytes of all files; times of measurement are taken out."""
    contents = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name in (".snakemake_timestamp", PROVENANCE):  # sums of measured times
            continue
        data = path.read_bytes()
        if name == "summary.json":
            data = re.sub(rb'"seconds": [0-9.]+', b"", data)
        if name.endswith("mmd.csv"):
            seconds = COLUMNS.index("seconds")
            rows = [row.split(b",") for row in data.split()]
            data = b"\n".join(b",".join(row[:seconds] + row[seconds + 1 :]) for row in rows)
        contents[name] = data
    return contents


def test_results_directory_holds_all_that_is_promised(finished):
    folder = finished.folder / RESULT
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["experiment"] == "tyol_1attr"
    assert isinstance(summary["converged"], bool)
    assert summary["verdict"].startswith(("Converged", "Not converged"))
    assert 1 <= summary["best_epoch"] <= summary["epochs"] == 6
    assert summary["stopped"] == "after the last epoch"
    assert "task" not in summary
    assert summary["training"]["start"]["chosen"] in summary["training"]["start"]["discrepancies"]
    yaw = summary["attributes"]["yaw"]
    assert yaw["unit"] == "degrees"
    assert abs(yaw["prior"]["mean"] - 180) < 3
    assert abs(yaw["target"]["mean"] - 90) < 5
    assert yaw["wasserstein"] < yaw["wasserstein_prior"] / 4
    low, high = yaw["generated"]["mean_95"]
    assert low < high
    with open(folder / "progress/mmd.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["epoch"] for row in rows] == [str(e) for e in range(7)]
    assert int(rows[-1]["renders"]) == summary["renders"]
    for epoch in (0, 6):
        assert len(list((folder / f"images/epoch_{epoch:04d}").glob("*.png"))) == 4
        graphs = json.loads((folder / f"graphs/epoch_{epoch:04d}.json").read_text())
        assert len(graphs) == 4
        assert {"nodes", "links"} <= set(graphs[0])
    assert len(list((folder / "images/target").glob("*.png"))) == 4
    settings = yaml.safe_load((folder / "experiment.yaml").read_text())
    assert settings["training"]["epochs"] == 6
    for name in ("images.png", "attributes.png", "progress/mmd.png"):
        pixels = np.asarray(Image.open(folder / name).convert("RGB"))
        assert pixels.std() > 10, f"{name} is empty"
    animation = Image.open(folder / "converging.gif")
    assert animation.n_frames == 7
    assert (folder / "generator.safetensors").stat().st_size > 100


def test_images_show_what_their_graphs_say(finished):
    """Image i of an epoch belongs to graph i: the slipper's long axis follows the yaw."""
    folder = finished.folder / RESULT
    for epoch in ("epoch_0000", "epoch_0006"):
        graphs = json.loads((folder / f"graphs/{epoch}.json").read_text())
        for i, graph in enumerate(graphs):
            yaw = next(n["attr"]["yaw"] for n in graph["nodes"] if "yaw" in n["attr"])
            image = np.asarray(Image.open(folder / f"images/{epoch}/{i:06d}.png")).astype(int)
            rows, columns = np.nonzero(image[..., 1] - image[..., 2] > 40)
            covariance = np.cov(columns, -rows)
            axis = np.linalg.eigh(covariance)[1][:, 1]
            seen = np.degrees(np.arctan2(axis[0], axis[1]))  # clockwise from the top
            difference = (yaw - seen + 90) % 180 - 90
            assert abs(difference) < 12


def test_nothing_is_made_twice(finished):
    again = finished.make(RESULT)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_tracker_makes_nothing_again(finished, monkeypatch, tmp_path):
    """With a package of that name, which planning only looks for."""
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard/__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    finished.configure({"tyol_1attr": SMALL}, tracking="tensorboard")
    again = finished.snakemake(RESULT, options=("-n",))
    finished.configure({"tyol_1attr": SMALL})
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_call_from_python_runs_the_workflow_and_tells_what_is_wrong(project, tmp_path):
    lines, values = [], {"resources": str(project.cache)}
    make("plan", folder=tmp_path / "here", configuration=values, cores=1, report=lines.append)
    assert any("Done: 1 job" in line for line in lines)
    assert (tmp_path / "here/logs").is_dir()  # it ran there
    with pytest.raises(UserError, match=r"sead: unknown key\. Did you mean 'seed'"):
        make(RESULT, folder=tmp_path, configuration={"sead": 3}, report=lines.append)


def test_a_change_runs_again_what_depends_on_it_and_no_more(finished):
    def planned(**changes):
        finished.configure({"tyol_1attr": {**SMALL, **changes}})
        output = finished.snakemake(RESULT, options=("-n",)).stdout
        finished.configure({"tyol_1attr": SMALL})
        return {rule for rule in ("target", "train", "results") if f"metasim_{rule} " in output}

    assert planned(evaluation={**SMALL["evaluation"], "scenes": 300}) == {"results"}
    assert planned(evaluation={**SMALL["evaluation"], "held_out": 0.3}) == {"train", "results"}
    assert planned(features={"pyramid": [16, 8]}) == {"train", "results"}
    assert planned(stage={"image_size": 40}) == {"target", "train", "results"}


@pytest.fixture(scope="module")
def first_hour(finished, tmp_path_factory):
    """A project in which docs/first_hour.md was followed, at a small size."""
    project = copied(finished, tmp_path_factory.mktemp("first_hour"))
    own = {key: value for key, value in SMALL.items() if key != "target"} | {"generator": "gcn"}
    data = {"images": 24, "shard_size": 10, "stage": {"samples": 2}}
    project.configure({"tyol_1attr": SMALL, "mine": own}, datasets=data)
    for language, text in steps_of_the_page():
        if language == "yaml":
            (project.folder / EXPERIMENT).write_text(text)
        elif text.startswith("./run snakemake"):
            words = shlex.split(text)[2:]
            targets = [word for word in words if word.startswith("results/")]
            planned = ("-n",) if "-n" in words else ()
            run = project.snakemake(*targets, options=planned)
            assert run.returncode == 0, run.stderr[-4000:]
        else:
            subprocess.run(["bash", "-euc", text], cwd=project.folder, check=True)
    return project


def test_the_first_hour_ends_with_a_data_set_of_ones_own(first_hour):
    results = first_hour.folder / "results"
    summary = json.loads((results / "metasim/mine/summary.json").read_text())
    assert summary["verdict"].startswith(("Converged", "Not converged"))
    assert summary["generator"] == "gcn"
    assert summary["target"]["images"] == 24
    assert set(summary["attributes"]) == {"yaw", "loc_x", "loc_z"}
    assert summary["attributes"]["yaw"]["target"] is None
    assert summary["attributes"]["yaw"]["wasserstein"] is None
    assert json.loads((results / "datasets/mine/manifest.json").read_text())["images"] == 24
    assert "metasim/mine" in (results / "index.html").read_text()
    # A changed photograph is noticed.
    Image.new("RGB", (40, 40), "red").save(first_hour.folder / "photographs/new.png")
    planned = first_hour.snakemake("results/metasim/mine", options=("-n",)).stdout
    assert "metasim_target" in planned


def test_a_fit_becomes_a_data_set_with_exports(first_hour):
    targets = [f"results/exports/{name}/tyol_1attr" for name in FORMATS]
    output = first_hour.make(*targets)
    # What is there is made no more.
    assert not re.search("metasim_train|to the format 'coco'", output.stdout + output.stderr)
    folder = first_hour.folder / "results/datasets/tyol_1attr"
    summary = json.loads((folder / "summary.json").read_text())
    fit = json.loads((first_hour.folder / RESULT / "summary.json").read_text())
    assert summary["classes"] == {"slipper": 24}
    assert summary["verdict"] == fit["verdict"]
    assert fit["verdict"] in (folder / "README.md").read_text()
    coco, yolo, bop = (first_hour.folder / target for target in targets)
    assert len(json.loads((coco / "annotations.json").read_text())["annotations"]) == 24
    assert len(list((yolo / "segmentation/labels").rglob("*.txt"))) == 24
    assert len(json.loads((bop / "train_pbr/000000/scene_gt.json").read_text())) == 24
    # Where each comes from: the export from the data set, and that from the fit.
    of_set, of_coco = (json.loads((made / PROVENANCE).read_text()) for made in (folder, coco))
    assert of_set["inputs"][RESULT] == digest_of(first_hour.folder / RESULT)
    assert of_coco["inputs"]["results/datasets/tyol_1attr"] == digest_of(folder)
    assert of_set["settings"]["settings"]["images"] == 24
    assert changed_files(folder) == changed_files(first_hour.folder / RESULT) == []
    yaw = [
        sample.annotation["objects"][0]["attributes"]["yaw"]
        for sample in FittedSet(folder).samples()
    ]
    assert abs(np.mean(yaw) - fit["attributes"]["yaw"]["generated"]["mean"]) < 15


def test_an_export_without_masks_stops_while_planning(project):
    own = Path(__file__).parent / "maskless.py"
    shutil.copy(own, project.folder / "maskless.py")
    project.configure({"tyol_1attr": {**SMALL, "renderer": "maskless.py"}})
    run = project.snakemake("results/exports/coco/tyol_1attr")
    assert run.returncode != 0
    assert "the data set of 'tyol_1attr' has no masks" in run.stderr
    planned = project.snakemake("results/datasets/tyol_1attr", options=("-n",))
    assert planned.returncode == 0, planned.stderr


def test_report_shows_figures_with_captions(finished):
    report = finished.snakemake(RESULT, options=("--report", "report.html"))
    assert report.returncode == 0, report.stderr
    page = (finished.folder / "report.html").read_text()
    assert "attributes.png" in page
    assert "epoch_0000/000000.png" not in page  # images of a subfolder are no figures
    assert "distribution of every attribute" in page
    assert "Two questions are answered here" in page  # the introduction
    assert len(page) < 5e6


def test_killed_and_resumed_on_one_core_in_another_folder_ends_with_the_same_bytes(
    finished, project
):
    project.configure({"tyol_1attr": SMALL})
    checkpoint = project.folder / "work/metasim/tyol_1attr/checkpoint.pt"
    log = project.folder / "logs/metasim/tyol_1attr/train.log"
    moment, kills_in_training, resumed = random.Random(3), 0, 0
    for _ in range(2):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        run = project.launch(*project.command(RESULT))
        until = time.monotonic() + 60
        while run.poll() is None and time.monotonic() < until:  # a checkpoint later than ours
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns > before:
                break
            time.sleep(0.01)
        time.sleep(moment.uniform(0, 0.4))
        if run.poll() is None:
            kills_in_training += checkpoint.exists()
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        resumed += log.exists() and "resumed " in log.read_text()
    last = project.launch(*project.command(RESULT, cores=1))
    output, _ = last.communicate(timeout=200)
    assert last.returncode == 0, output[-4000:]
    resumed += "resumed " in log.read_text()
    assert kills_in_training >= 1
    assert resumed >= 1
    assert stable_bytes(project.folder / RESULT) == stable_bytes(finished.folder / RESULT)
    assert not checkpoint.exists()


def test_launcher_removes_a_stale_lock_and_adds_cores(project):
    (project.folder / ".snakemake/locks").mkdir(parents=True)
    (project.folder / ".snakemake/locks/0.output.lock").write_text("results/x\n")
    run = project.launch("snakemake", "-n", "plan")
    output, _ = run.communicate(timeout=100)
    assert run.returncode == 0, output
    assert "Installing" not in output
    assert "Removing the lock of a run that was killed" in output
    assert not list((project.folder / ".snakemake/locks").glob("*"))


def test_resnet_is_the_task_network_of_five_objects(project):
    training = {"image_size": 16}
    task = {"network": "resnet18", "epochs": 1, "groups": 2, "scenes": 40, "training": training}
    evaluation = SMALL["evaluation"] | {"task_images": 200}
    small = {**SMALL, "task": task, "evaluation": evaluation}
    project.configure({"tyol_multi_1attr": small})
    project.make("results/metasim/tyol_multi_1attr")
    folder = project.folder / "results/metasim/tyol_multi_1attr"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["training"]["task_begins"] == summary["epochs"] - 1
    assert len(summary["task"]["classes"]) == 5
    for source, row in summary["task"]["trained_on"].items():
        assert row["accuracy"] > 0.25, source  # by chance a fifth
    assert np.asarray(Image.open(folder / "task.png").convert("RGB")).std() > 10


def test_an_empty_folder_stops_the_run_before_any_job(project):
    (project.folder / "photos").mkdir()
    project.configure({"tyol_1attr": {**SMALL, "target": {"folder": "photos"}}})
    run = project.snakemake(RESULT)
    assert run.returncode != 0
    assert "photos: target.folder: found 0 images" in run.stderr
    assert not (project.folder / "work").exists()


@pytest.mark.parametrize(
    ("experiments", "words"),
    [
        ({"tyol_1attr": {"training": {"epoch": 3}}}, ["small.yaml:", "epoch", "'epochs'"]),
        ({"tyol_1attr": {"grammar": "absent.json"}}, ["absent.json"]),
    ],
)
def test_a_wrong_configuration_stops_the_run_before_any_job(project, experiments, words):
    project.configure(experiments)
    run = project.snakemake(RESULT)
    assert run.returncode != 0
    for word in words:
        assert word in run.stderr
    assert not (project.folder / "work").exists()


def test_a_broken_experiment_stops_no_other(project):
    (project.folder / "config/experiments/broken.yaml").write_text("gramar: x.json\n")
    project.configure({"tyol_1attr": SMALL})
    run = project.snakemake(RESULT, options=("-n",))
    assert run.returncode == 0
    output = run.stdout + run.stderr
    assert "'broken' cannot run" in output
    assert "Did you mean 'grammar'?" in output


def test_dag_is_drawn_without_graphviz(project):
    project.configure({})
    project.make("dag")
    for name, words in (("rules", ["metasim_train"]), ("jobs", ["experiment: tyol_1attr"])):
        tree = ElementTree.parse(project.folder / f"results/dag/{name}.svg")
        texts = [t.text for t in tree.iter("{http://www.w3.org/2000/svg}text")]
        for word in words:
            assert word in texts
    assert "flowchart" in (project.folder / "results/dag/rules.mmd").read_text()
