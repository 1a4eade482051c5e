"""Measure how fast simulated sets are made, and what the published study would take.

Rates are images rendered, compressed and written as a shard by one process, per CPU second of
all its threads, so that other work on the machine counts little. ``--study`` also makes 256
sets of 100 images at 64 pixels through the workflow, kills it on the way, resumes it and
compares the bytes with those of sets made in one go; it takes about ten minutes.

    ./run snakemake --cores 2 work/task2sim/assets.safetensors
    ./run python benchmarks/simulated_sets.py
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from machine import describe_machine

from simtailor.datasets.shards import write_shard
from simtailor.simulation.catalogue import read_catalogue
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set, make_shards
from simtailor.simulation.parameters import (
    PUBLISHED_VALUES,
    SimulationParameters,
    enumerate_parameters,
)
from simtailor.simulation.reading import SimulatedSet
from simtailor.simulation.shards import encode, set_key
from simtailor.simulation.studio import Studio

SIZES, SAMPLES = (64, 128, 256), (1, 4)
SETS = {
    "plain: all off": SimulationParameters(),
    "all on but blur": SimulationParameters(1, 0, 1, 1, 1, 3, 1, 1, 1),
    "all on": SimulationParameters(1, 1, 1, 1, 1, 3, 1, 1, 1),
}
IMAGES = {64: 256, 128: 96, 256: 32}
PUBLISHED_IMAGES, PUBLISHED_SIZE = 40_000, 256
STUDY = {"images": 100, "image_size": 64, "samples": 1, "shard_size": 50}


@dataclass(frozen=True)
class Speed:
    """One measurement.

    Attributes:
        cpu, wall: images a second of CPU time and by the clock.
        bytes_an_image: of the shard; encoding: share of the CPU time that compressing takes.
    """

    cpu: float
    wall: float
    bytes_an_image: float
    encoding: float


def measure(studio: Studio, parameters: SimulationParameters, size: int, samples: int) -> Speed:
    """Render, compress and write one shard, after a few pictures to warm up."""
    options = {"image_size": size, "samples": samples}
    studio.take(parameters, 1, np.arange(4), **options)
    indices = np.arange(IMAGES[size])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard-00000.tar"
        cpu, wall = time.process_time(), time.perf_counter()
        pictures = studio.take(parameters, 0, indices, **options)
        encoding = time.process_time()
        encoded = encode(pictures, indices, set_key(parameters, 0))
        encoding = time.process_time() - encoding
        write_shard(path, encoded)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        count = len(indices)
        return Speed(count / cpu, count / wall, path.stat().st_size / count, encoding / cpu)


def rates(studio: Studio) -> tuple[list[str], dict[tuple[str, int, int], Speed]]:
    """Return the rows of the table of rates, and the measurements."""
    rows, speeds = [], {}
    for name, parameters in SETS.items():
        for size in SIZES:
            for samples in SAMPLES:
                speed = speeds[name, size, samples] = measure(studio, parameters, size, samples)
                rows.append(
                    f"| {name} | {size} | {samples} | {speed.cpu:.0f} | {speed.wall:.0f} "
                    f"| {speed.encoding:.1%} | {speed.bytes_an_image:,.0f} |"
                )
    return rows, speeds


def make_one(job: tuple[str, str, int, int, str]) -> tuple[float, float]:
    """Make the shards of a set; return when it began and ended, by the clock."""
    assets, cache, seed, threads, device = job
    catalogue, machine = read_catalogue(assets, cache=cache), Machine(device, threads, cache)
    values = {"images": 512, "image_size": 128, "samples": 1, "shard_size": 128, "seed": seed}
    plan = SetPlan.create(str(SETS["all on but blur"]), values)
    start = time.time()
    with tempfile.TemporaryDirectory() as folder:
        make_shards(plan, catalogue, machine, folder, lambda line: None)
    return start, time.time()


def scaling(assets: str, cache: str, device: str) -> list[str]:
    """Return rows: a set a process, and one set on several threads."""
    rows, base = [], None
    for kind in ("processes", "threads"):
        for count in range(1, cores() + 1):
            processes, threads = (count, 1) if kind == "processes" else (1, count)
            jobs = [(assets, cache, n, threads, device) for n in range(processes)]
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
                times = list(pool.map(make_one, jobs))
            seconds = max(end for _, end in times) - min(start for start, _ in times)
            rate = 512 * processes / seconds
            base = base or rate
            rows.append(f"| {count} {kind} | {rate:.0f} | {rate / base:.2f} |")
    return rows


def published(speeds: dict[tuple[str, int, int], Speed]) -> list[str]:
    """Return rows: core hours and bytes of the published study."""
    sets = list(enumerate_parameters(PUBLISHED_VALUES))
    blurred = sum(p.blur for p in sets) / len(sets)
    rows = []
    for samples in SAMPLES:
        sharp, soft = (speeds[n, PUBLISHED_SIZE, samples] for n in ("all on but blur", "all on"))
        images = len(sets) * PUBLISHED_IMAGES
        seconds = images * ((1 - blurred) / sharp.cpu + blurred / soft.cpu)
        size = images * ((1 - blurred) * sharp.bytes_an_image + blurred * soft.bytes_an_image)
        hours = seconds / 3600
        rows.append(
            f"| {samples} | {hours:,.0f} | {hours / 512:.1f} | {hours / len(sets):.1f} "
            f"| {size / 1e9:,.0f} GB |"
        )
    return rows


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def study(assets: str, cache: str) -> list[str]:
    """Make 256 small sets by one command, killed on the way and resumed; return what was seen."""
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        values = {
            "resources": cache,
            "results": f"{folder}/results",
            "work": f"{folder}/work",
            "task2sim": {
                "simulation": {
                    **STUDY,
                    "values": {name: list(v) for name, v in PUBLISHED_VALUES.items()},
                }
            },
        }
        (folder / "study.yaml").write_text(yaml.safe_dump(values))
        (folder / "work/task2sim").mkdir(parents=True)
        shutil.copy(assets, folder / "work/task2sim/assets.safetensors")
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores()), "--rerun-incomplete",
                   "--configfile", str(folder / "study.yaml"), "--", "sets"]  # fmt: skip
        quiet = {"cwd": root, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started = time.perf_counter()
        run = subprocess.Popen(command, start_new_session=True, **quiet)
        sets = folder / "results/task2sim/sets"
        total = len(list(enumerate_parameters(PUBLISHED_VALUES)))
        while run.poll() is None and len(list(sets.glob("*/summary.json"))) < total / 4:
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        left_over = len(list(sets.glob("*/summary.json")))
        subprocess.run([*command[:3], "--unlock", *command[3:]], check=True, **quiet)
        before = os.times()
        subprocess.run(command, check=True, **quiet)
        after = os.times()
        minutes = (time.perf_counter() - started) / 60
        used = after.children_user + after.children_system
        used -= before.children_user + before.children_system
        made = sorted(sets.iterdir())
        compared = [SimulatedSet(made[n]) for n in range(0, len(made), 16)]
        catalogue, machine = read_catalogue(assets, cache=cache), Machine("cpu", 1, cache)
        for one in compared:
            plan = SetPlan.create(one.manifest["parameters"], {**STUDY, "seed": 0})
            alone = folder / "alone" / one.manifest["parameters"]
            make_set(plan, catalogue, machine, alone / "work", alone / "set", lambda line: None)
            assert SimulatedSet(alone / "set").manifest == one.manifest
            assert not one.damaged()
        return [
            f"- {len(made)} sets of {STUDY['images']} images at {STUDY['image_size']} pixels, "
            f"{STUDY['samples']} sample, on {cores()} cores: {minutes:.1f} minutes, with a SIGKILL "
            f"after {left_over} sets. The {len(made) - left_over} sets after it took "
            f"{used / (len(made) - left_over):.2f} CPU seconds each, most of them for the start of "
            "a job.",
            f"- Checksums of {len(compared)} of the sets, every sixteenth, equal those of sets "
            "made in one go.",
        ]


def report(options: argparse.Namespace) -> str:
    """Measure everything and return the report."""
    catalogue = read_catalogue(options.assets, cache=options.cache)
    triangles = sum(len(model.mesh.faces) for model in catalogue.models)
    with Machine(options.device, 1, options.cache).studio(catalogue) as studio:
        rows, speeds = rates(studio)
    lines = [
        "# Simulated sets benchmark",
        "",
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Machine and versions: {describe_machine('pillow')}; device {options.device}",
        f"- {len(catalogue.categories)} classes, {len(catalogue.models)} models, {triangles:,} "
        f"triangles, {len(catalogue.skies)} skies, {len(catalogue.materials)} materials.",
        f"- Load of the machine at the start: {os.getloadavg()[0]:.1f} on {cores()} cores; where "
        "that is much, rates by the clock say little.",
        "- Images behind a lens (three quarters of those with blur) get four times the samples.",
        "",
        "| set | pixels | samples | images / CPU second | images / second | compressing "
        "| bytes an image |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        "Scaling: 512 images at 128 pixels, all on but blur, a set a process, or one set on "
        "several threads. By the clock, so other work on the machine counts.",
        "",
        "| on | images / second | over one |",
        "|---|---|---|",
        *scaling(options.assets, options.cache, options.device),
        "",
        f"The published study, {len(list(enumerate_parameters()))} sets of {PUBLISHED_IMAGES:,} "
        f"images at {PUBLISHED_SIZE} pixels, from these rates:",
        "",
        "| samples | core hours | hours on 512 cores | core hours a set | size |",
        "|---|---|---|---|---|",
        *published(speeds),
        "",
    ]
    if options.study:
        lines += [
            "The study of 256 sets by one command:",
            "",
            *study(options.assets, options.cache),
        ]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write the report."""
    here = Path(__file__).parent
    root = here.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", default=str(root / "work/task2sim/assets.safetensors"))
    parser.add_argument("--cache", default=str(root / "resources"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--study", action="store_true", help="make 256 sets by the workflow, too")
    parser.add_argument("--output", type=Path, default=here / "simulated_sets.md")
    options = parser.parse_args()
    text = report(options)
    sys.stdout.write(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
