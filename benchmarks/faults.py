"""Strike a training on a real Slurm with each fault, and say what was lost and what was redone.

Every fault strikes a job of its own study: a small pre-training that has come to a known epoch.
Then the same command is given until it ends well. Slurm runs on this machine, as in the tests.

Run, as root: ./run python benchmarks/faults.py [FAULT ...]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
TABLE = Path(__file__).with_name("faults.md")
SET = "0_0_0_0_0_1_0_0_0"
BACKBONE = f"results/task2sim/backbones/{SET}"
LOG = f"logs/task2sim/backbones/{SET}.log"
EPOCHS, STRIKE = 60, 15  # of the training; the fault comes after so many
PATIENCE = 600  # seconds, for each step
NO_LOCKS = """#include <errno.h>
int flock(int file, int operation) { errno = ENOLCK; return -1; }
"""


@dataclass(frozen=True)
class Outcome:
    """What a fault did.

    Attributes:
        commands: how often the command was given.
        jobs: of Slurm's, as they ended.
        lost, redone: epochs that were trained and not kept; trained again.
    """

    fault: str
    commands: int
    jobs: str
    lost: str
    redone: str
    same_bytes: bool
    more_jobs: int

    def row(self) -> str:
        """Return a row of the table."""
        again = "nothing" if not self.more_jobs else f"{self.more_jobs} job(s)"
        same = "yes" if self.same_bytes else "NO"
        cells = (self.fault, self.jobs, self.commands, self.lost, self.redone, same, again)
        return "| " + " | ".join(map(str, cells)) + " |"


class Study:
    """A copy of a study whose set is made and whose training is not, on a running Slurm."""

    def __init__(self, base: Path, folder: Path, slurm: Path) -> None:
        from conftest import Project

        self.project = Project(folder, base.parent / "cache")
        self.folder, self.slurm, self.commands = folder, slurm, 0
        shutil.rmtree(folder)
        shutil.copytree(base, folder, symlinks=True)
        self._before = 0
        self._before = len(self.ended())

    def launch(self, **variables: str) -> subprocess.Popen:
        """Give the command."""
        self.commands += 1
        os.environ.update(variables)
        try:
            return self.project.launch(
                "snakemake", "--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1",
                "--latency-wait", "10", "--configfile", "small.yaml", "--", BACKBONE,
            )  # fmt: skip
        finally:
            for name in variables:
                del os.environ[name]

    def finish(self, running: subprocess.Popen | None = None) -> str:
        """Let the command end; give it again until it ends well. Return what the last one said."""
        for _ in range(3):
            running = running or self.launch()
            output, _ = running.communicate(timeout=PATIENCE)
            if running.returncode == 0:
                return output
            running = None
        raise RuntimeError(f"three commands did not end well:\n{output[-3000:]}")

    def ended(self) -> list[str]:
        """Return the states in which jobs ended since the study began."""
        try:
            text = (self.slurm / "jobs.txt").read_text()
        except OSError:
            return []
        return re.findall(r"JobState=(\w+)", text)[self._before :]

    def at_work(self) -> psutil.Process:
        """Return the process that trains, stopped after the epoch of the fault."""
        wait_for(lambda: self.epoch() >= STRIKE, "the epoch of the fault")
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if ".pretrain.py" in words and process.cwd() == str(self.folder):
                    process.suspend()
                    return process
            except psutil.Error:
                continue
        raise RuntimeError("the training ended before the fault")

    def job(self) -> str:
        """Return the number of the job of Slurm that trains."""
        asked = ["squeue", "--noheader", "--states=RUNNING", "--format=%i"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]

    def epoch(self) -> int:
        """Return the last epoch that the log names."""
        return last_number(self.folder / LOG, r"^epoch (\d+)/")

    def resumed(self) -> int:
        """Return the epoch after which the training went on; 0 for none."""
        return last_number(self.folder / LOG, r"^resumed after epoch (\d+)")

    def weights(self) -> str:
        """Return a checksum of what was trained."""
        file = self.folder / BACKBONE / "model.safetensors"
        return hashlib.sha256(file.read_bytes()).hexdigest()


def last_number(path: Path, pattern: str) -> int:
    try:
        return int(([*re.findall(pattern, path.read_text(), re.MULTILINE)] or [0])[-1])
    except OSError:
        return 0


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.2)


def time_limit(study: Study) -> None:
    """Stopped at its time limit."""
    running = study.launch()
    study.at_work()  # it stands still, so that its minute passes
    subprocess.run(["scontrol", "update", f"JobId={study.job()}", "TimeLimit=1"], check=True)
    study.finish(running)


def cancelled(study: Study) -> None:
    """Cancelled by scancel."""
    running = study.launch()
    study.at_work()
    subprocess.run(["scancel", study.job()], check=True)
    study.finish(running)


def node_down(study: Study) -> None:
    """Its node goes down; Slurm puts the job back into its queue."""
    running = study.launch()
    study.at_work()
    asked = ["squeue", "--noheader", "--states=RUNNING", "--format=%N"]
    node = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]
    update = ["scontrol", "update", f"NodeName={node}"]
    subprocess.run([*update, "State=DOWN", "Reason=fault"], check=True)
    try:
        study.finish(running)
    finally:
        subprocess.run([*update, "State=RESUME"], check=False)


def out_of_memory(study: Study) -> None:
    """Killed as the kernel does for want of memory (SIGKILL)."""
    running = study.launch()
    study.at_work().kill()
    study.finish(running)


def head_killed(study: Study) -> None:
    """Snakemake itself is killed (SIGKILL); its job works on."""
    running = study.launch()
    training = study.at_work()
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    training.resume()
    study.finish()


def interrupted(study: Study) -> None:
    """Ctrl-C."""
    running = study.launch()
    study.at_work().resume()
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=PATIENCE)
    study.finish()


def full_disk(study: Study) -> None:
    """The disk of the checkpoints is full, and has room again for the second command."""
    place = study.folder / Path(BACKBONE.replace("results", "work", 1)).parent
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "full", place], check=True)
    try:
        running = study.launch()
        output, _ = running.communicate(timeout=PATIENCE)
        if "No space left on device" not in output:
            raise RuntimeError(f"the full disk was not told of:\n{output[-2000:]}")
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        study.finish()
    finally:
        subprocess.run(["umount", "-l", place], check=False)


def no_locks(study: Study) -> None:
    """A file system without flock (a library answers ENOLCK), also for the set."""
    shutil.rmtree(study.folder / "results/task2sim/sets")
    shim = study.folder / "no_locks.so"
    compiler = ["gcc", "-shared", "-fPIC", "-o", shim, "-x", "c", "-"]
    subprocess.run(compiler, input=NO_LOCKS, text=True, check=True)
    study.finish(study.launch(LD_PRELOAD=str(shim)))


def clock_skew(study: Study) -> None:
    """The clock of the machine that made the set is an hour ahead."""
    ahead = time.time() + 3600
    made = study.folder / "results/task2sim/sets" / SET
    for path in [*made.rglob("*"), made]:
        os.utime(path, (ahead, ahead))
    study.finish()


FAULTS = {
    one.__name__: one
    for one in (time_limit, cancelled, node_down, out_of_memory, head_killed, interrupted,
                full_disk, no_locks, clock_skew)
}  # fmt: skip


def strike(name: str, study: Study, expected: str) -> Outcome:
    """Let one fault come over a study; return what it did."""
    kept = Watched(study)
    FAULTS[name](study)
    commands, states = study.commands, study.ended()
    trained, resumed = kept.epoch(), study.resumed()
    study.finish()  # once more: nothing is to be done
    redone = max(trained - resumed, 0) if trained else 0
    return Outcome(
        (FAULTS[name].__doc__ or "").rstrip("."),
        commands,
        ", ".join(states).lower(),
        f"{redone} of {trained} epochs" if trained else "nothing",
        f"{redone} epochs" if redone else "nothing",
        study.weights() == expected,
        len(study.ended()) - len(states),
    )


class Watched:
    """Remembers the last epoch of a study's first attempt, whose log the next one overwrites."""

    def __init__(self, study: Study) -> None:
        self._epoch = 0
        at_work = study.at_work

        def remembered() -> psutil.Process:
            process = at_work()
            self._epoch = study.epoch()
            return process

        study.at_work = remembered

    def epoch(self) -> int:
        return self._epoch


@contextmanager
def slurm(folder: Path) -> Iterator[Path]:
    script = ["bash", str(ROOT / "tests/slurm.sh")]
    subprocess.run([*script, "start", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*script, "stop", folder], check=False)


def make_base(folder: Path) -> tuple[Path, str]:
    """Make a study without a fault; return it without its training, and the weights' checksum."""
    from conftest import Project

    project = Project(folder / "base", folder / "cache")
    study = {
        "simulation": {"images": 40, "image_size": 32, "samples": 1, "classes": 4},
        "pretrain": {
            "epochs": EPOCHS, "image_size": 32, "batch_size": 20,
            "model_options": {"channels": [8, 16, 24, 32], "stem_width": 8},
        },
    }  # fmt: skip
    project.configure({}, task2sim=study)
    project.make(BACKBONE)
    weights = (project.folder / BACKBONE / "model.safetensors").read_bytes()
    shutil.rmtree(project.folder / BACKBONE)
    shutil.rmtree(project.folder / "venv", ignore_errors=True)
    (project.folder / LOG).unlink()
    return project.folder, hashlib.sha256(weights).hexdigest()


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from machine import describe_machine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[[], *FAULTS], help="all, if none is named")
    parser.add_argument("--folder", type=Path, help="to work in, and to keep")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="faults"))
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with slurm(folder / "slurm") as cluster:
        base, expected = make_base(folder)
        for name in chosen.faults or FAULTS:
            outcome = strike(name, Study(base, folder / name, cluster), expected)
            rows.append(outcome.row())
            print(rows[-1], flush=True)
    if not chosen.faults:
        write_table(rows, describe_machine())


def write_table(rows: list[str], machine: str) -> None:
    """Write the table of all faults."""
    TABLE.write_text(
        f"""# Faults on a cluster

`{SET}`'s backbone is trained for {EPOCHS} epochs by a job of a real Slurm of four nodes on one
machine; the fault comes after at least {STRIKE}. Then the same command is given until it ends well.

- Made by `benchmarks/faults.py`, {time.strftime("%Y-%m-%d")}; {machine}

| fault | jobs of Slurm ended | commands | lost | redone | same bytes | once more makes |
|---|---|---|---|---|---|---|
"""
        + "\n".join(rows)
        + "\n"
    )


if __name__ == "__main__":
    main()
