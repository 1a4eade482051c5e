"""The reward database through a real Slurm that the test starts on this machine."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

SCRIPT = Path(__file__).parent / "slurm.sh"
SWITCH = "SIMTAILOR_TEST_SLURM"
CLUSTER, NO_INSTALL = 3, 4  # exit status of the script
FASTER = ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1")


@pytest.fixture
def slurm(tmp_path):
    """Four nodes on this machine, ended and removed after the test."""
    if os.environ.get(SWITCH) == "0":
        pytest.skip(f"{SWITCH}=0")
    if os.geteuid() != 0:
        pytest.skip("starting Slurm needs root")
    if not (shutil.which("slurmctld") or shutil.which("apt-get")):
        pytest.skip("neither Slurm nor apt-get to install it is here")
    folder = tmp_path / "slurm"
    started = subprocess.run(
        ["bash", SCRIPT, "start", folder], capture_output=True, text=True, check=False
    )
    try:
        if started.returncode in (CLUSTER, NO_INSTALL):
            pytest.skip(f"no Slurm of our own here: {started.stderr.strip()[-300:]}")
        assert started.returncode == 0, started.stdout + started.stderr
        yield folder
    finally:
        subprocess.run(["bash", SCRIPT, "stop", folder], check=False)


def photographs(folder, classes):
    """Write a folder of images a class: some of the UCI digits."""
    pixels, labels = load_digits(n_class=classes, return_X_y=True)
    for number, (image, label) in enumerate(zip(pixels[:240], labels[:240], strict=True)):
        path = folder / f"digit_{label}" / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((15 * image).astype(np.uint8).reshape(8, 8)).resize((16, 16)).save(path)
    return {"folder": str(folder)}


@pytest.mark.slow
def test_the_reward_database_is_the_same_through_slurm_and_on_cores(slurm, project, tmp_path):
    extra = {name: photographs(tmp_path / name, classes) for name, classes in
             {"digits": 10, "four_digits": 4}.items()}  # fmt: skip
    study = {
        "simulation": {
            "values": {"backgr": [0, 1]}, "images": 40, "image_size": 32, "samples": 1,
            "classes": 4,
        },
        "pretrain": {
            "epochs": 2, "image_size": 32, "batch_size": 20,
            "model_options": {"channels": [8, 16, 24, 32], "stem_width": 8},
        },
        "tasks": {"names": list(extra), "extra": extra},
        "evaluate": {"repeats": {"sets": 0}},
    }  # fmt: skip
    values = {"resources": str(project.cache), "task2sim": study}
    (project.folder / "small.yaml").write_text(yaml.safe_dump(values))

    def run(results, options):
        configured = (*options, "--config", f"results={results}", f"work=work_{results}")
        finished = subprocess.run(
            ["snakemake", *configured, "--configfile", "small.yaml", "--", "reward_db"],
            cwd=project.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr[-6000:]
        folder = project.folder / results / "task2sim"
        files = [folder / "reward_db.json", *sorted((folder / "evaluations").glob("*.json"))]
        assert len(files) == 4
        return [path.read_bytes() for path in files], finished.stderr

    by_slurm, told = run("slurm_results", FASTER)
    assert told.count("has been submitted with SLURM jobid") >= 9
    by_cores, _ = run("results", ("--cores", "2"))
    assert by_slurm == by_cores
    database = json.loads(by_slurm[0])
    assert {len(rewards) for rewards in database.values()} == {2}
    assert min(database["four_digits"].values()) > 40
