"""A real Slurm on this machine for the tests."""

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "slurm.sh"
SWITCH = "SIMTAILOR_TEST_SLURM"
CLUSTER, NO_INSTALL = 3, 4  # exit status of the script
FASTER = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10")


@contextmanager
def started_slurm(folder: Path):
    """Start Slurm with its files in a folder, and end it; skip the test where that cannot be."""
    if os.environ.get(SWITCH) == "0":
        pytest.skip(f"{SWITCH}=0")
    if os.geteuid() != 0:
        pytest.skip("starting Slurm needs root")
    if not (shutil.which("slurmctld") or shutil.which("apt-get")):
        pytest.skip("neither Slurm nor apt-get to install it is here")
    started = subprocess.run(
        ["bash", SCRIPT, "start", folder], capture_output=True, text=True, check=False
    )
    try:
        if started.returncode in (CLUSTER, NO_INSTALL):
            pytest.skip(f"no Slurm of our own here: {started.stderr.strip()[-300:]}")
        assert started.returncode == 0, started.stdout + started.stderr
        yield
    finally:
        subprocess.run(["bash", SCRIPT, "stop", folder], check=False)


def ended_jobs(folder: Path) -> list[dict[str, str]]:
    """Return what Slurm noted of each job that ended: JobState, Partition, NodeList and more."""
    lines = (folder / "jobs.txt").read_text().splitlines()
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]
