"""The faults: each strikes a run of a small project once."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster_trials.cluster import Cluster
from cluster_trials.project import EPOCHS, SHARDS, SLURM, Run, SmallProject, wait_for

MIDDLE = EPOCHS // 3  # the epoch at which most strike
AFTER = 2  # shards, likewise
CORES = ("--cores", "2")
SHIMS = Path(__file__).with_name("shims.c")
DISK_MB = 90  # holds the project, its results, and the first few things to be written


@dataclass
class Trial:
    """A fault at work.

    Attributes:
        project: begins with a set that is made, or with none.
        needed: how often a job of each rule must run where nothing goes wrong.
        lost: what of the work that was done had to be done again.
        runs: the commands, the same each time.
    """

    project: SmallProject
    cluster: Cluster
    needed: Counter[str]
    lost: str = ""
    note: str = ""
    begun: Counter[str] = field(default_factory=Counter)
    runs: list[dict[str, Any]] = field(default_factory=list)

    def launch(self, *options: str, **environment: str) -> Run:
        """Give the command, through Slurm where nothing else is said."""
        return self.project.launch(options or SLURM, **environment)

    def end(self, run: Run) -> int:
        """Wait for the end of a command and note it."""
        status = run.wait()
        self.begun += run.submitted()
        self.runs.append(
            {"status": status, "seconds": run.seconds, "said": run.said(),
             "submitted": dict(run.submitted())}
        )  # fmt: skip
        return status

    def in_the_middle(self, run: Run) -> str:
        """Wait until a third of the training is done; return the number of its job."""
        wait_for(lambda: self.project.epoch() >= MIDDLE, run)
        return run.job_id() or ""

    def training_went_on(self, reached: int) -> None:
        """Note how much of the training was done twice."""
        again = max(reached - self.project.resumed(), 0)
        self.lost = f"{again} of {reached} epochs"


def nothing(trial: Trial) -> None:
    """No fault, through Slurm."""
    trial.end(trial.launch())
    trial.lost = "nothing"


def time_limit(trial: Trial) -> None:
    """A job is stopped in the middle, until its limit of one minute is over."""
    # Of the first attempt; the next has 29.
    run = trial.launch(*SLURM, "--set-resources", "pretrain:runtime=4*attempt*attempt*attempt-3")
    job = trial.in_the_middle(run)
    trial.cluster.hold(job)
    reached = trial.project.epoch()
    trial.end(run)
    trial.training_went_on(reached)


def cancelled(trial: Trial) -> None:
    """The job is cancelled by scancel."""
    run = trial.launch()
    job = trial.in_the_middle(run)
    trial.cluster.cancel(job)
    reached = trial.project.epoch()
    trial.end(run)
    trial.training_went_on(reached)


def node_down(trial: Trial) -> None:
    """All processes of the job's node are killed; Slurm notices after 10 s (SlurmdTimeout)."""
    run = trial.launch()
    job = trial.in_the_middle(run)
    node = trial.cluster.node_of(job)
    trial.cluster.crash(node, job)
    reached = trial.project.epoch()
    try:
        trial.end(run)
    finally:
        trial.cluster.mend(node)
    trial.training_went_on(reached)


def out_of_memory(trial: Trial) -> None:
    """The job has 150 MB, and the kernel ends it by its cgroup; the next attempt has 1,200."""
    run = trial.launch(*SLURM, "--set-resources", "pretrain:mem_mb=150*attempt*attempt*attempt")
    trial.end(run)
    trial.training_went_on(0)


def job_killed(trial: Trial) -> None:
    """The job's processes are killed by SIGKILL."""
    run = trial.launch()
    job = trial.in_the_middle(run)
    trial.cluster.kill(job)
    reached = trial.project.epoch()
    trial.end(run)
    trial.training_went_on(reached)


def head_killed(trial: Trial) -> None:
    """The launcher and Snakemake are killed by SIGKILL; the job goes on alone."""
    run = trial.launch()
    trial.in_the_middle(run)
    run.signal(signal.SIGKILL)
    trial.end(run)
    time.sleep(3)
    reached = trial.project.epoch()
    trial.end(trial.launch())
    trial.training_went_on(reached)


def interrupted(trial: Trial) -> None:
    """Ctrl-C."""
    run = trial.launch()
    trial.in_the_middle(run)
    run.signal(signal.SIGINT)
    reached = trial.project.epoch()
    trial.end(run)
    left = subprocess.check_output(["squeue", "--noheader", "--states=R,PD"], text=True)
    trial.note = "jobs were left at work" if left.strip() else ""
    trial.end(trial.launch())
    trial.training_went_on(reached)


def full_disk(trial: Trial, options: tuple[str, ...] = CORES) -> None:
    """The disk of the project is full, and then has space again."""
    where = trial.project.folder
    with suppress(FileNotFoundError):
        subprocess.run(["umount", where], check=False, capture_output=True)
    kept = where.with_name(f"{where.name}.kept")
    shutil.rmtree(kept, ignore_errors=True)
    where.rename(kept)
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", where]
    if subprocess.run(mount, check=False).returncode:
        raise RuntimeError("no file system can be mounted here")
    try:
        shutil.copytree(kept, where, symlinks=True, dirs_exist_ok=True)
        ballast = where / "ballast"
        run = trial.launch(*options)
        wait_for(lambda: trial.project.shards() >= AFTER, run)
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        done = trial.project.shards()
        trial.end(run)
        ballast.unlink()
        trial.end(trial.launch(*options))
        log = (where / "logs/task2sim").rglob("set.log")
        kept_shards = next((p.read_text() for p in log), "")
        trial.lost = f"{done} of {SHARDS} shards were there; then: {kept_shards.splitlines()[:1]}"
        trial.end(trial.launch(*options))
        shutil.rmtree(kept)
        shutil.copytree(where, kept, symlinks=True)
    finally:
        subprocess.run(["umount", where], check=False)
    where.rmdir()
    kept.rename(where)


def _shims(trial: Trial) -> str:
    library = trial.project.folder / "shims.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, SHIMS, "-ldl"]
    subprocess.run(command, check=True)
    return str(library)


def no_locks(trial: Trial) -> None:
    """No file can be locked, by flock or fcntl: ENOLCK, for Snakemake and all jobs."""
    shims = {"LD_PRELOAD": _shims(trial), "FAULT_LOCKS": str(errno.ENOLCK)}
    trial.end(trial.launch(**shims))
    trial.lost = "nothing"
    trial.end(trial.launch(**shims))


def clock(trial: Trial, seconds: int, on_it: str, elsewhere: str) -> None:
    """The clock of one node is off, and so are the times of files written there.

    Args:
        on_it, elsewhere: the rule whose job runs on that node, and the one whose job does not.
    """
    shims = {"LD_PRELOAD": _shims(trial), "FAULT_CLOCK": str(seconds), "FAULT_NODE": "n1"}
    nodes = (f"{on_it}:slurm_extra='--nodelist=n1'", f"{elsewhere}:slurm_extra='--nodelist=n2'")
    options = (*SLURM, "--set-resources", *nodes)
    trial.end(trial.launch(*options, **shims))
    trial.lost = "nothing"
    trial.end(trial.launch(*options, **shims))


@dataclass(frozen=True)
class Fault:
    """A fault of the table."""

    name: str
    strike: Callable[[Trial], None]
    with_set: bool = True


FAULTS = (
    Fault("none", nothing, with_set=False),
    Fault("time limit", time_limit),
    Fault("scancel", cancelled),
    Fault("node down", node_down),
    Fault("out of memory", out_of_memory),
    Fault("job killed", job_killed),
    Fault("Snakemake killed", head_killed),
    Fault("Ctrl-C", interrupted),
    Fault("full disk", full_disk, with_set=False),
    Fault("no locks", no_locks, with_set=False),
    Fault("clock behind", lambda t: clock(t, -240, "pretrain", "simulate_set"), with_set=False),
    Fault("clock ahead", lambda t: clock(t, 240, "simulate_set", "pretrain"), with_set=False),
)
