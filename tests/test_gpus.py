"""Jobs side by side on a machine with several GPUs."""

import errno
import subprocess
import sys

import pytest

from simtailor import gpus

HOLD = """
import sys, tempfile
from simtailor import gpus
tempfile.tempdir = sys.argv[1]
gpus.visible_gpus = lambda: ["GPU-a", "GPU-b", "GPU-c"]
print(*gpus.hold_gpus(int(sys.argv[2]), sys.argv[3]), flush=True)
import os
print(os.environ.get("CUDA_VISIBLE_DEVICES", "all"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Start a job and return what it holds and sees; all end with the test."""
    jobs = []

    def started(count=1, device="cuda"):
        job = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), str(count), device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        jobs.append(job)
        return job, job.stdout.readline().split(), job.stdout.readline().strip()

    yield started
    for job in jobs:
        job.kill()
        job.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="locks of Linux")
def test_jobs_spread_over_the_gpus_and_a_killed_one_gives_its_own_back(start, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    first, of_first, seen = start()
    assert len(of_first) == 1
    assert seen == of_first[0]
    _, of_two, seen = start(2)  # a pre-training by two processes
    assert {*of_first, *of_two} == {"GPU-a", "GPU-b", "GPU-c"}
    assert seen == ",".join(of_two)
    first.kill()
    first.wait()
    assert start()[1] == of_first
    _, shared, _ = start(2)  # all are in use: nobody waits
    assert len(set(shared)) == 2
    assert len({*shared, *start()[1]}) == 3  # the one that fewer use


def test_without_locks_jobs_are_spread_by_chance(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(gpus.fcntl, "flock", refuse)
    found = []
    for process in range(3):
        monkeypatch.setattr(gpus.os, "getpid", lambda process=process: process)
        found += gpus._lock(["GPU-a", "GPU-b", "GPU-c"], 1, tmp_path)
    assert set(found) == {"GPU-a", "GPU-b", "GPU-c"}


@pytest.mark.parametrize(("count", "device"), [(0, "cuda"), (1, "cuda:1"), (3, "cuda")])
def test_what_needs_no_choice_changes_nothing(start, count, device):
    _, held, seen = start(count, device)
    assert (held, seen) == ([], "all")


def test_a_machine_without_a_driver_shows_none(monkeypatch):
    if gpus._driver_names():
        pytest.skip("this machine has a GPU")
    assert gpus.visible_gpus() == []
    assert gpus.hold_gpus(1, "cuda") == []
