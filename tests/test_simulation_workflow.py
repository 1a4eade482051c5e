"""Simulated sets through the workflow: killed, resumed, damaged, repaired, exported."""

import json
import os
import re
import signal
import time

import numpy as np
import pytest
from PIL import Image
from studio import small_catalogue, small_pack

from simtailor.assets.arrays import write_pack
from simtailor.provenance import PROVENANCE
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set
from simtailor.simulation.parameters import PARAMETER_NAMES, PUBLISHED_VALUES
from simtailor.simulation.reading import SimulatedSet

SETS = "results/task2sim/sets"
NAMES = ["0_0_0_0_0_1_0_0_0", "1_0_0_0_0_1_0_0_0"]
TARGETS = [f"{SETS}/{name}" for name in NAMES]
VALUES = {"images": 80, "image_size": 48, "samples": 2, "shard_size": 20}
STUDY = {**VALUES, "values": {"backgr": [0, 1]}, "parts": 2}


def prepare(project, **values):
    """Configure the study and put a few assets in the place of the packs'."""
    project.configure({}, task2sim={"simulation": {**STUDY, **values}})
    write_pack(small_pack(), project.folder / "work/task2sim/assets.safetensors")


def contents(folder):
    """Return the files of a set but its provenance, which only the workflow writes."""
    files = (p for p in folder.iterdir() if p.name[0] != "." and p.name != PROVENANCE)
    return {p.name: p.read_bytes() for p in files}


@pytest.mark.slow
def test_a_study_is_killed_resumed_checked_repaired_and_exported(project, tmp_path):
    prepare(project)
    records = project.folder / "work/task2sim/sets"
    run = project.launch(*project.command(*TARGETS))
    until = time.monotonic() + 120
    while run.poll() is None and time.monotonic() < until:
        if len(list(records.glob("*/shard-*.json"))) >= 2:
            break
        time.sleep(0.005)
    assert run.poll() is None
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert not all((project.folder / target / "manifest.json").exists() for target in TARGETS)
    last = project.launch(*project.command(*TARGETS))
    output, _ = last.communicate(timeout=200)
    assert last.returncode == 0, output[-4000:]
    assert "shards are there and intact" in output
    # Rendered by the jobs of the parts, which share a set's shards.
    log = project.folder / f"logs/task2sim/sets/{NAMES[1]}/set.log"
    assert log.read_text().split("\n")[0] == "4 of 4 shards are there and intact"
    plan = SetPlan.create(NAMES[1], {**VALUES, "seed": 0})
    machine = Machine("cpu", 1, str(project.cache))
    make_set(plan, small_catalogue(), machine, tmp_path / "work", tmp_path / "set", print)
    assert contents(project.folder / TARGETS[1]) == contents(tmp_path / "set")

    # A damaged shard is found, and only that one is made again.
    damaged = SimulatedSet(project.folder / TARGETS[1])
    before = contents(damaged.folder)
    os.truncate(damaged.shards[3], 10000)
    check = project.snakemake("check_sets")
    assert check.returncode != 0
    assert f"{NAMES[1]}: damaged or missing: shard-00003.tar" in check.stderr
    exports = [f"results/task2sim/{name}/{NAMES[1]}" for name in ("coco", "yolo")]
    targets = (TARGETS[1], "check_sets", "sets", *exports)
    again = project.snakemake(*targets, options=("--forcerun", TARGETS[1]))
    assert again.returncode == 0, again.stderr[-4000:]
    assert "3 of 4 shards are there and intact" in log.read_text()
    assert contents(damaged.folder) == before
    labels = project.folder / exports[1] / "detection/labels"
    assert len(list(labels.rglob("*.txt"))) == 80

    coco = json.loads(
        (project.folder / f"results/task2sim/coco/{NAMES[1]}/annotations.json").read_text()
    )
    assert len(coco["annotations"]) == 80
    pictures = project.folder / "results/task2sim/parameters"
    for name in (*PARAMETER_NAMES, "classes"):
        assert np.asarray(Image.open(pictures / f"{name}.png").convert("L")).std() > 15, name


@pytest.mark.slow
def test_a_changed_folder_of_models_makes_the_assets_anew(project):
    model = project.folder / "models/brick/brick.obj"
    model.parent.mkdir(parents=True)
    model.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    prepare(project, packs=["builtin", "folder:models"])
    assets = "work/task2sim/assets.safetensors"
    touched = project.snakemake(assets, options=("--touch", "--forcerun", "prepare_assets"))
    assert touched.returncode == 0, touched.stderr
    for change, words in ((False, "Nothing to be done"), (True, "prepare_assets")):
        if change:
            (model.parent / "other.obj").write_text(model.read_text())
        plan = project.snakemake(assets, options=("-n",))
        assert words in plan.stdout + plan.stderr


@pytest.mark.slow
def test_the_published_study_has_256_sets_and_a_job_each(project):
    prepare(project, values=PUBLISHED_VALUES, parts=1)
    plan = project.snakemake("sets", options=("-n",))
    jobs = re.search(r"^simulate_set +(\d+)$", plan.stdout + plan.stderr, re.MULTILINE)
    assert jobs[1] == "256"
