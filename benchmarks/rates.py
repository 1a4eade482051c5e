"""Measure what this machine does a second in each stage, for `./run snakemake plan`.

Prints rows for config/rates.tsv and writes benchmarks/rates.md. On the CPU, items a CPU second
of one thread, so that other work on the machine counts little; with --device cuda, items a second
by the clock.

Run: ./run python benchmarks/rates.py
"""

from __future__ import annotations

import argparse
import datetime
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine

from simtailor.plan import COLUMNS, multiplications
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.settings import Pretrain
from simtailor.pretrain.stage import Job, pretrain
from simtailor.simulation.catalogue import Catalogue, merge_packs
from simtailor.simulation.inputs import settings_of_a_set
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set
from simtailor.simulation.settings import Simulation
from simtailor.tasks.prepare import TaskSize, prepare_task
from simtailor.tasks.settings import Tasks
from simtailor.tasks.table import find_task

SET = "1_1_1_1_1_3_0_1_1"  # everything varies
RENDERED = {64: (100, 600), 128: (50, 250), 256: (20, 80)}  # images of a short and a long run
SAMPLES = 4
FEATURES = 2048


class Clock:
    """Seconds that calls take: of the CPU, or by the clock where a GPU works."""

    def __init__(self, device: str) -> None:
        self._now = time.process_time if device == "cpu" else time.perf_counter

    def seconds(self, call: Callable[[], object]) -> float:
        """Return the seconds of one call."""
        started = self._now()
        call()
        return self._now() - started


def silent(line: str) -> None:
    """Report nothing."""


def render(clock: Clock, device: str, folder: Path) -> tuple[list[str], Path]:
    """Return rows of rendering and storing, and the folder of a set of 64 px."""
    simulation, cache = Simulation(), "resources"
    pack = merge_packs(simulation.packs, None, resources=cache)
    catalogue = Catalogue.create(pack, cache)
    machine = Machine(device, 1, cache)
    rows, kept = [], folder / "set64"

    def make(size: int, images: int, output: Path) -> float:
        settings = Simulation(seed=0, image_size=size, images=images, samples=SAMPLES)
        plan = SetPlan.create(SET, settings_of_a_set(settings, SET))
        work = str(folder / f"work{size}-{images}")
        return clock.seconds(lambda: make_set(plan, catalogue, machine, work, str(output), silent))

    make(64, 8, folder / "first")  # kernels compile at the first call
    for size, (short, long) in RENDERED.items():
        output = folder / f"set{size}"
        fixed = make(size, short, folder / f"short{size}")
        rate = (long - short) / (make(size, long, output) - fixed)
        megapixels = size**2 / 1e6
        conditions = f"{size} px, {SAMPLES} samples, all parameters on, rendered and written"
        rows.append(row("render", device, megapixels * SAMPLES, rate, conditions))
        megabytes = sum(path.stat().st_size for path in output.glob("*.tar")) / 1e6
        rows.append(row("stored", "-", megapixels, long / megabytes, f"{size} px, jpg and mask"))
    return rows, kept


def train(clock: Clock, device: str, folder: Path, images: Path) -> str:
    """Return the row of pre-training the default network."""
    settings = Pretrain()

    def run(epochs: int) -> float:
        job = Job(
            name=SET, simulated=str(images), output=str(folder / f"backbone{epochs}"),
            settings=settings.model_dump() | {"epochs": epochs, "warmup_epochs": 1}, seed=0,
            device=device, threads=1, checkpoint=str(folder / f"{epochs}.pt"),
        )  # fmt: skip
        return clock.seconds(lambda: pretrain(job, silent))

    run(2)
    passes = 4 * RENDERED[64][1]
    rate = passes / (run(6) - run(2))
    giga, _ = multiplications(settings.model, settings.model_options, settings.image_size)
    conditions = f"{settings.model} narrowed, {settings.image_size} px, {settings.precision}"
    return row("pretrain", device, giga, rate, conditions)


def evaluate(clock: Clock, device: str) -> str:
    """Return the row of features of the default network; the search costs little beside."""
    settings = Pretrain()
    backbone = Backbone.random(settings, 0, device)
    images = np.random.default_rng(0).integers(0, 256, (FEATURES, 64, 64, 3), dtype=np.uint8)
    backbone.features(images[:256])
    rate = FEATURES / min(clock.seconds(lambda: backbone.features(images)) for _ in range(3))
    giga, _ = multiplications(settings.model, settings.model_options, settings.image_size)
    return row("evaluate", device, giga, rate, f"features, {settings.image_size} px")


def prepare() -> str:
    """Return the row of preparing a task."""
    settings = Tasks(names=["uci_digits"])
    task = find_task(settings, "uci_digits")
    size = TaskSize.of(settings)
    seconds = Clock("cpu").seconds(lambda: prepare_task(task, size, "resources", 0, silent))
    conditions = f"{settings.image_size} px, UCI digits, near duplicates looked for"
    return row("tasks", "cpu", settings.image_size**2 / 1e6, size.most_images / seconds, conditions)


def start() -> str:
    """Return the row of starting a job: Python, torch, timm."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "import simtailor.evaluate.stage; from simtailor.pretrain.network import timm; timm()"
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return row("job", "cpu", 1, 1 / seconds, "start of Python with torch and timm")


def row(stage: str, device: str, work: float, rate: float, conditions: str) -> str:
    """Return a row of config/rates.tsv."""
    kind = device.partition(":")[0]
    cells = (stage, kind, f"{work:.4g}", f"{float(f'{rate:.3g}'):g}", "measured", conditions)
    return "\t".join((*cells, "benchmarks/rates.md"))


def main() -> None:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    clock = Clock(options.device)
    with tempfile.TemporaryDirectory() as temporary:
        rows, images = render(clock, options.device, Path(temporary))
        rows.append(train(clock, options.device, Path(temporary), images))
    rows += [evaluate(clock, options.device), prepare(), start()]
    lines = [
        "# Rates for the plan",
        "",
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Machine: {describe_machine()}",
        f"- Device: {options.device}; one thread; CPU seconds, or with CUDA seconds by the clock.",
        "- Rows for config/rates.tsv, whose head explains the columns.",
        "",
        "```",
        "\t".join(COLUMNS),
        *rows,
        "```",
        "",
    ]
    text = "\n".join(lines)
    sys.stdout.write(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
