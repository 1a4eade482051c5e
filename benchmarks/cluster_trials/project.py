"""A copy of the project with one tiny set and one tiny pre-training, and its runs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "rules", "workflow_scripts", "config", "profiles", "envs", "docs/captions",
         "run", "slurm", "pyproject.toml", "constraints.txt")  # fmt: skip
EPOCHS, SHARDS, SHARD_SIZE = 40, 6, 20
NAME = "0_0_0_0_0_1_0_0_0"
SETTINGS = {
    "metasim": {"experiments": {}},
    "task2sim": {
        "simulation": {
            "values": {"backgr": [0]}, "images": SHARDS * SHARD_SIZE, "shard_size": SHARD_SIZE,
            "image_size": 32, "samples": 1, "classes": 4,
        },
        "pretrain": {
            "epochs": EPOCHS, "image_size": 32, "batch_size": 20,
            "model_options": {"channels": [8, 16, 24, 32], "stem_width": 8},
        },
    },
}  # fmt: skip
SET, BACKBONE = f"results/task2sim/sets/{NAME}", f"results/task2sim/backbones/{NAME}"
SET_LOG, LOG = f"logs/task2sim/sets/{NAME}/set.log", f"logs/task2sim/backbones/{NAME}.log"
WORK = f"work/task2sim/sets/{NAME}"
# What a run says of its progress, not of a fault.
PROGRESS = re.compile(
    r"^\[\d+/\d+ |^\d+ jobs?, about |^Done|^  |^Job \d+ has been submitted|^SLURM run ID"
    r"|^Using profile|^No SLURM account|^No account was given|^Unable to guess SLURM"
    r"|^Cleaning up SLURM"
)
SLURM = ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1",
         "--latency-wait", "10")  # fmt: skip


@dataclass
class Run:
    """A command of the project: ``./run snakemake ... backbones``.

    Attributes:
        output: what it said, a file.
    """

    process: subprocess.Popen
    output: Path
    began: float = field(default_factory=time.monotonic)

    def wait(self, seconds: float = 1500) -> int:
        """Wait for its end; return its status."""
        return self.process.wait(seconds)

    def signal(self, number: int) -> None:
        """Send a signal to the launcher and Snakemake, as a terminal would; not to Slurm's jobs."""
        os.killpg(self.process.pid, number)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def submitted(self) -> Counter[str]:
        """Return how often a job of each rule was given to Slurm."""
        return Counter(
            re.findall(
                r"submitted with SLURM jobid \d+ \(log: \S*/(?:rule|group)_(\w+?)/", self.text
            )
        )

    def job_id(self) -> str | None:
        """Return the number of Slurm's job that was submitted last."""
        found = re.findall(r"submitted with SLURM jobid (\d+)", self.text)
        return found[-1] if found else None

    def said(self) -> list[str]:
        """Return the lines that are no progress."""
        text = self.text.replace(f"{self.output.parent}/", "")
        return [line for line in text.splitlines() if line and not PROGRESS.match(line)]


class SmallProject:
    """A folder in which the small study is made."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, list[Run]()

    @classmethod
    def create(cls, folder: Path, cache: Path) -> SmallProject:
        """Copy the project and write its configuration."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _copy_parts(folder)
        (folder / "small.yaml").write_text(yaml.safe_dump(SETTINGS | {"resources": str(cache)}))
        return cls(folder)

    def copy(self, folder: Path, with_set: bool) -> SmallProject:
        """Return a copy without a backbone, or without a set either."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, symlinks=True)
        _copy_parts(folder)  # as they are today
        made = SmallProject(folder)
        for path in [BACKBONE, *([] if with_set else [SET, WORK])]:
            shutil.rmtree(folder / path, ignore_errors=True)
        for log in (LOG, *([] if with_set else [SET_LOG])):
            (folder / log).unlink(missing_ok=True)
        return made

    def launch(self, options: tuple[str, ...], **environment: str) -> Run:
        """Start the command."""
        output = self.folder / f"output-{len(self.runs) + 1}.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                ["bash", "./run", "snakemake", *options, "--configfile", "small.yaml",
                 "--", "backbones"],
                cwd=self.folder, start_new_session=True, stdout=file, stderr=subprocess.STDOUT,
                env={"SIMTAILOR_VENV": sys.prefix, **os.environ, **environment},
            )  # fmt: skip
        self.runs.append(Run(process, output))
        return self.runs[-1]

    def epoch(self) -> int:
        """Return the last epoch that the training's log tells of."""
        path = self.folder / LOG
        found = re.findall(r"^epoch (\d+)/", path.read_text() if path.exists() else "", re.M)
        return int(found[-1]) if found else 0

    def resumed(self) -> int:
        """Return the epoch after which the training went on; 0 if it began anew."""
        path = self.folder / LOG
        text = path.read_text() if path.exists() else ""
        found = re.findall(r"^resumed after epoch (\d+)", text, re.M)
        return int(found[-1]) if found else 0

    def shards(self) -> int:
        """Return how many shards of the set are there with their records."""
        return len(list((self.folder / WORK).glob("shard-*.json")))

    def checksums(self) -> dict[str, str]:
        """Return a digest of each file that holds no time, place or version."""
        names = [*sorted((self.folder / SET).glob("shard-*.tar")),
                 self.folder / SET / "manifest.json", self.folder / SET / "sheet.png",
                 self.folder / BACKBONE / "model.safetensors"]  # fmt: skip
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            if path.exists() else "absent"
            for path in names
        }  # fmt: skip


def _copy_parts(folder: Path) -> None:
    """Copy the project as it is today."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        if source.is_symlink():
            target.unlink(missing_ok=True)
            target.symlink_to(source.readlink())
        elif source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)


def wait_for(condition: Callable[[], object], run: Run, seconds: float = 900) -> None:
    """Wait until something is so.

    Raises:
        RuntimeError: the run ended before, or it took too long.
    """
    until = time.monotonic() + seconds
    while not condition():
        if run.process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"it did not come to that:\n{run.text[-3000:]}")
        time.sleep(0.02)
