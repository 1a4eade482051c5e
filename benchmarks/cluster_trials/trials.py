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
from cluster_trials.project import EPOCHS, SLURM, Run, SmallProject, wait_for

MIDDLE = EPOCHS // 3  # the epoch at which most strike
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
    _struck_in_the_middle(trial, run, trial.cluster.hold)


def cancelled(trial: Trial) -> None:
    """The job is cancelled by scancel."""
    _struck_in_the_middle(trial, trial.launch(), trial.cluster.cancel)


def _struck_in_the_middle(trial: Trial, run: Run, strike: Callable[[str], None]) -> None:
    """Strike the job of the training, and let the run end."""
    strike(trial.in_the_middle(run))
    reached = trial.project.epoch()
    trial.end(run)
    trial.training_went_on(reached)


def node_down(trial: Trial) -> None:
    """All processes of the job's node are killed; Slurm notices after 30 s (SlurmdTimeout)."""
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


def head_killed(trial: Trial, **environment: str) -> None:
    """The launcher and Snakemake are killed by SIGKILL; the job is at work when they come back."""
    run = trial.launch(**environment)
    job = trial.in_the_middle(run)
    run.signal(signal.SIGKILL)
    # It would end before they are back. Slurm lets it go on to cancel it.
    trial.cluster.hold(job)
    reached = trial.project.epoch()
    trial.end(run)
    trial.end(trial.launch(**environment))
    trial.training_went_on(reached)


def head_killed_for_long(trial: Trial) -> None:
    """The launcher and Snakemake are killed by SIGKILL; the job ends before they come back."""
    run = trial.launch()
    job = trial.in_the_middle(run)
    run.signal(signal.SIGKILL)
    trial.end(run)
    while trial.cluster.node_of(job):
        time.sleep(1)
    again = trial.launch()
    trial.end(again)
    trial.lost = f"{EPOCHS} of {EPOCHS} epochs" if again.submitted() else "nothing"


def interrupted(trial: Trial) -> None:
    """Ctrl-C."""
    run = trial.launch()
    job = trial.in_the_middle(run)
    run.signal(signal.SIGINT)
    reached = trial.project.epoch()
    trial.end(run)
    time.sleep(3)  # KillWait
    if trial.cluster.node_of(job):
        trial.note = "its job was left at work"
    trial.end(trial.launch())
    trial.training_went_on(reached)


def full_disk(trial: Trial) -> None:
    """A small disk, on which all of the project lies, fills up; then it has space again."""
    where = trial.project.folder
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
        run = trial.launch()
        trial.in_the_middle(run)
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        reached = trial.project.epoch()
        trial.end(run)
        ballast.unlink()
        trial.end(trial.launch())
        trial.training_went_on(reached)
        shutil.rmtree(kept)
        shutil.copytree(where, kept, symlinks=True)
    finally:
        subprocess.run(["umount", "--lazy", where], check=False)
    where.rmdir()
    kept.rename(where)


def _shims(trial: Trial) -> str:
    library = trial.project.folder / "shims.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, SHIMS, "-ldl"]
    subprocess.run(command, check=True)
    return str(library)


def no_locks(trial: Trial) -> None:
    """No file can be locked, by flock or fcntl: ENOLCK, for Snakemake, its jobs and the launcher.

    In the middle the launcher and Snakemake are killed, which a lock would tell of.
    """
    head_killed(trial, LD_PRELOAD=_shims(trial), FAULT_LOCKS=str(errno.ENOLCK))


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
    """A fault of the table: its name, what it is, and what does it."""

    name: str
    what: str
    strike: Callable[[Trial], None]
    with_set: bool = True


FAULTS = (
    Fault("none", "nothing happens.", nothing, with_set=False),
    Fault(
        "time limit",
        "the training is stopped (SIGSTOP) until the minute that it had is over; Slurm ends it.",
        time_limit,
    ),
    Fault("scancel", "the training is cancelled.", cancelled),
    Fault(
        "node down",
        "all processes of the training's node are killed by SIGKILL. Slurm finds it down and puts "
        "the job back into its queue, as it does unless told otherwise.",
        node_down,
    ),
    Fault(
        "out of memory",
        "the training has 150 MB and the kernel ends it by its cgroup; the next attempt has 1,200.",
        out_of_memory,
    ),
    Fault(
        "Snakemake killed",
        "`./run` and Snakemake are killed by SIGKILL; the training is at work when the same "
        "command is given (held by SIGSTOP till then, for it is short).",
        head_killed,
    ),
    Fault(
        "Snakemake killed for long",
        "likewise, but the training has ended before the same command is given.",
        head_killed_for_long,
    ),
    Fault("Ctrl-C", "SIGINT to `./run` and Snakemake.", interrupted),
    Fault(
        "full disk",
        f"a file system of {DISK_MB} MB that holds all of the project is filled, so the training "
        "cannot write its checkpoint, nor anybody a log; then there is room again.",
        full_disk,
    ),
    Fault(
        "no locks",
        "flock and fcntl fail with ENOLCK in all processes (by a library loaded first); in the "
        "middle `./run` and Snakemake are killed by SIGKILL.",
        no_locks,
    ),
    Fault(
        "clock behind",
        "on the training's node the clock is ten minutes behind, and so are the times of files "
        "written there.",
        lambda trial: clock(trial, -600, "pretrain", "simulate_set"),
        with_set=False,
    ),
    Fault(
        "clock ahead",
        "on the set's node the clock is ten minutes ahead, likewise.",
        lambda trial: clock(trial, 600, "simulate_set", "pretrain"),
        with_set=False,
    ),
)
