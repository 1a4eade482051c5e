"""Simulated sets through the workflow: killed, resumed, damaged, repaired, exported."""

import json
import os
import signal
import time

import numpy as np
import pytest
from PIL import Image
from studio import small_catalogue

from simtailor.simulation.catalogue_file import write_catalogue
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set
from simtailor.simulation.parameters import PARAMETER_NAMES, PUBLISHED_VALUES
from simtailor.simulation.reading import SimulatedSet

SETS = "results/task2sim/sets"
VALUES = {"images": 120, "image_size": 48, "samples": 2, "shard_size": 20}
STUDY = {**VALUES, "values": {"backgr": [0, 1], "pose_rot": [0, 1]}}
NAMES = [f"{backgr}_0_0_0_0_1_0_{rotation}_0" for backgr in (0, 1) for rotation in (0, 1)]


def prepare(project, **values):
    """Configure the study and put a few assets in the place of the packs'."""
    project.configure({}, task2sim={"simulation": {**STUDY, **values}})
    write_catalogue(small_catalogue(), project.folder / "work/task2sim/assets.safetensors")


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name[0] != "."}


@pytest.mark.slow
def test_a_study_is_killed_resumed_checked_repaired_and_exported(project, tmp_path):
    prepare(project)
    records = project.folder / "work/task2sim/sets"
    run = project.launch(*project.command("sets"))
    until = time.monotonic() + 120
    while run.poll() is None and time.monotonic() < until:
        if len(list(records.glob("*/shard-*.json"))) >= 2:
            break
        time.sleep(0.005)
    assert run.poll() is None
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    unfinished = [n for n in NAMES if not (project.folder / SETS / n / "manifest.json").exists()]
    assert unfinished
    last = project.launch(*project.command("sets"))
    output, _ = last.communicate(timeout=200)
    assert last.returncode == 0, output[-4000:]
    assert "shards are there and intact" in output
    for name in NAMES:
        plan = SetPlan.create(name, {**VALUES, "seed": 0})
        machine = Machine("cpu", 1, str(project.cache))
        folder = tmp_path / "alone" / name
        make_set(plan, small_catalogue(), machine, folder / "work", folder / "set", print)
        assert contents(project.folder / SETS / name) == contents(folder / "set")

    # A damaged shard is found, and only that one is made again.
    damaged = SimulatedSet(project.folder / SETS / NAMES[2])
    before = contents(damaged.folder)
    os.truncate(damaged.shards[4], 10000)
    check = project.snakemake("check_sets")
    assert check.returncode != 0
    assert f"{NAMES[2]}: damaged or missing: shard-00004.tar" in check.stderr
    again = project.snakemake(f"{SETS}/{NAMES[2]}", options=("--force",))
    assert again.returncode == 0, again.stderr[-4000:]
    assert "5 of 6 shards are there and intact" in again.stderr
    assert contents(damaged.folder) == before
    project.make("check_sets")

    project.make(f"results/task2sim/coco/{NAMES[1]}")
    coco = json.loads(
        (project.folder / f"results/task2sim/coco/{NAMES[1]}/annotations.json").read_text()
    )
    assert len(coco["annotations"]) == 120
    pictures = project.folder / "results/task2sim/parameters"
    for name in (*PARAMETER_NAMES, "classes"):
        assert np.asarray(Image.open(pictures / f"{name}.png").convert("L")).std() > 15, name


@pytest.mark.slow
def test_parts_of_a_set_become_jobs_and_the_published_study_has_256_sets(project):
    prepare(project, images=60, parts=2, values={"backgr": [1]})
    name = NAMES[2]
    project.make(f"{SETS}/{name}")
    assert len(SimulatedSet(project.folder / SETS / name).load()[1]) == 60
    for part in range(2):
        log = project.folder / f"logs/task2sim/sets/{name}/part-{part}.log"
        assert "images rendered" in log.read_text()
    log = project.folder / f"logs/task2sim/sets/{name}/set.log"
    assert log.read_text().split("\n")[0] == "3 of 3 shards are there and intact"
    prepare(project, values=PUBLISHED_VALUES)
    plan = project.snakemake("sets", options=("-n", "--quiet")).stdout
    jobs = dict(line.split() for line in plan.splitlines() if len(line.split()) == 2)
    assert jobs["simulate_set"] == "256" or jobs["simulate_set"] == "255"
