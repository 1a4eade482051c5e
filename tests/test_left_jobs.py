"""The launcher ends the jobs of Slurm that a killed Snakemake left at work, and no others."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

OURS = "71597174-aaaa-4bbb-8ccc-0123456789ab"
STUBS = {
    "python": "exit 0",
    "snakemake": "exit 0",
    "squeue": """case "$*" in
*--jobs=*) ;;
*) printf '%s\\n' "12 {ours} {home}" "13 wrap {home}" "14 {ours} /elsewhere" ;;
esac""",
    "scancel": 'echo "$*" >>{home}/cancelled',
}


@pytest.fixture
def home(tmp_path):
    """What the launcher reads of the project, with commands that only take notes."""
    home = tmp_path / "project"
    (home / ".venv/bin").mkdir(parents=True)
    for name in ("run", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, home / name)
    (home / "lib").symlink_to(ROOT / "lib")
    for name, text in STUBS.items():
        file = home / ".venv/bin" / name
        file.write_text("#!/bin/bash\n" + text.replace("{ours}", OURS).replace("{home}", str(home)))
        file.chmod(0o755)
    return home


@pytest.mark.parametrize(
    ("killed", "options", "cancelled", "locks"),
    [(True, [], "12\n", True), (True, ["-n"], "", True), (False, [], "", True),
     (True, [], "12\n", False)],
    ids=["killed", "dry run", "ended", "no file locks"],
)  # fmt: skip
def test_only_jobs_of_a_killed_run_in_this_folder_are_cancelled(
    home, killed, options, cancelled, locks
):
    if not locks:
        flock = home / ".venv/bin/flock"
        flock.write_text("#!/bin/sh\nexit 71\n")
        flock.chmod(0o755)
    if killed:
        lock = home / ".snakemake/locks/0.input.lock"
        lock.parent.mkdir(parents=True)
        lock.touch()
    finished = subprocess.run(
        ["bash", "./run", "snakemake", "--profile", "slurm", *options, "reward_db"],
        cwd=home, capture_output=True, text=True, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("SIMTAILOR_")}
        | {"SIMTAILOR_PYTHON": sys.executable},
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    notes = home / "cancelled"
    assert (notes.read_text() if notes.exists() else "") == cancelled
    assert ("Cancelling 1 job(s) of Slurm" in finished.stderr) == bool(cancelled)
    assert not (home / ".snakemake/locks").exists() or not killed
