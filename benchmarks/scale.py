"""Measure what a study costs beside its work: planning it, and each set's job, by CPU time.

Planning rows are dry runs of ``reward_db`` in a process of its own, each beside an empty workflow
of as many jobs: what Snakemake itself takes. ``sets`` makes a few small sets by one command, once
few and once more: their difference is what a set costs, without the command's own start.

Run: ./run python benchmarks/scale.py [ROW ...]; the table is written where all rows are made.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import yaml
from machine import describe_machine
from PIL import Image

from simtailor.simulation.parameters import enumerate_parameters

ROOT = Path(__file__).parent.parent
TABLE = Path(__file__).with_name("scale.md")
BOTH = [0, 1]
PARAMETERS = ("backgr", "blur", "lighting_color", "lighting_dir", "lighting_intensity", "pose_rot",
              "pose_scale")  # fmt: skip
FOLDERS = ("results", "work", "resources")
SMALL = {"images": 100, "image_size": 64, "samples": 1, "shard_size": 50}
FEW, MORE, ALL, CORES = 2, 8, 256, 2

# Three jobs a set, as the study has them.
EMPTY = """
rule all:
    input: expand("c/{{n}}.json", n=range({chains}))
rule first:
    output: directory("a/{{n}}")
    shell: "true"
rule second:
    input: "a/{{n}}"
    output: directory("b/{{n}}")
    shell: "true"
rule third:
    input: "b/{{n}}"
    output: "c/{{n}}.json"
    shell: "true"
"""


@dataclass(frozen=True)
class Used:
    """What a command took: CPU seconds and MB of its largest process, and what it said."""

    seconds: float
    memory: float
    said: str

    @property
    def jobs(self) -> int:
        """Return the number of jobs that it planned."""
        found = re.findall(r"^total +(\d+)", self.said, re.MULTILINE)
        return int(found[-1]) if found else 0


def configuration(materials: list[int], pose_cam: list[int], seeds: int, tasks: int) -> dict:
    """Return the configuration of a study: 128 combinations, times materials, cameras and seeds."""
    values = dict.fromkeys(PARAMETERS, BOTH) | {"materials": materials, "pose_cam": pose_cam}
    sets = 128 * len(materials) * len(pose_cam)
    names = [f"task_{number}" for number in range(tasks)]
    return {
        "task2sim": {
            "simulation": {"values": values},
            "tasks": {"names": names, "extra": {n: {"folder": f"photos/{n}"} for n in names}},
            "evaluate": {"repeats": {"sets": sets if seeds > 1 else 0, "seeds": max(seeds - 1, 1)}},
        }
    }


# Sets and tasks: the configuration, and what is wanted in CPU seconds and MB.
STUDIES = {
    "256x20": (configuration([1, 3], [0], 1, 20), "3 s"),
    "4096x100": (configuration([0, 1, 2, 3], BOTH, 4, 100), "60 s, 2,000 MB"),
}


def snakemake(folder: Path, *arguments: str) -> Used:
    """Run Snakemake in a folder, and return what it and its children took."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(CORES), "--nolock", *arguments]
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        log.seek(0)
        said = log.read()
    if status:
        raise SystemExit(said[-3000:])
    return Used(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said)


def written(values: dict, folder: Path) -> list[str]:
    """Write a configuration with its tasks' images; return the options for it."""
    file = folder / "study.yaml"
    for task in values["task2sim"].get("tasks", {}).get("extra", {}).values():
        task["folder"] = str(folder / "photos" / Path(task["folder"]).name)
        for pictured in ("a", "b"):
            place = Path(task["folder"]) / pictured
            place.mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (32, 32)).save(place / f"{number}.jpg")
    file.write_text(yaml.safe_dump(values | {name: str(folder / name) for name in FOLDERS}))
    return ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(file), "--"]


def planning(name: str, folder: Path) -> list[str]:
    """Return the rows of a study: planned, with nothing to do, and Snakemake alone."""
    values, wanted = STUDIES[name]
    options = ["-n", "-q", "rules", *written(values, folder)]
    sets, tasks = name.split("x")
    study = f"{int(sets):,} sets, {tasks} tasks"
    first = snakemake(folder, *options, "reward_db")
    rows = [row(f"{study}: nothing made yet", first, first.jobs, wanted)]
    (folder / "Snakefile").write_text(EMPTY.format(chains=first.jobs // 3))
    empty = snakemake(folder, "-n", "-q", "rules")
    rows.append(row("Snakemake alone: an empty workflow of as many jobs", empty, empty.jobs, ""))
    pretend_made(options, folder)
    rest = snakemake(folder, *options, "reward_db")
    if "Nothing to be done" not in rest.said:
        raise SystemExit(rest.said[-3000:])
    rows.append(row(f"{study}: all made, nothing to do", rest, 0, wanted))
    return rows


def pretend_made(options: list[str], folder: Path) -> None:
    """Make empty files and folders in place of all that a study makes, all of one age."""
    listed = snakemake(folder, "--summary", *options[3:], "reward_db").said.splitlines()
    now = time.time()
    # Of the job that is asked for by name its benchmark file must be there, too.
    benchmark = folder / "logs/benchmarks/task2sim/reward_db.tsv"
    for path in (benchmark, *(Path(line.split("\t")[0]) for line in listed)):
        if not path.is_relative_to(folder):
            continue
        made = path if path.suffix else path / ".snakemake_timestamp"
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch()
    for path in folder.rglob("*"):
        os.utime(path, (now, now))


def row(what: str, used: Used, jobs: int, wanted: str) -> str:
    return f"| {what} | {jobs:,} | {used.seconds:.1f} | {used.memory:,.0f} | {wanted} |"


def small_sets(folder: Path) -> list[str]:
    """Return the row of small sets, made by one command."""
    options = written({"task2sim": {"simulation": SMALL}}, folder)
    names = [str(parameters) for parameters in islice(enumerate_parameters(), FEW + MORE)]
    paths = [f"{folder}/results/task2sim/sets/{name}" for name in names]
    snakemake(folder, *options, paths.pop())  # compiles, and packs the assets
    few = snakemake(folder, *options, *paths[:FEW])
    more = snakemake(folder, *options, *paths[FEW:])
    each = (more.seconds - few.seconds) / (len(paths) - 2 * FEW)
    minutes = (few.seconds + each * (ALL - FEW)) / CORES / 60
    return [
        f"A set of {SMALL['images']} images at {SMALL['image_size']} pixels, 1 sample, costs "
        f"{each:.2f} CPU seconds in all, by {len(paths) - FEW} sets against {FEW}; {ALL} of them "
        f"by one command on {CORES} cores therefore {minutes:.1f} minutes (worked out, not "
        "measured; wanted 6)."
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    choices = [*STUDIES, "sets"]
    parser.add_argument("rows", nargs="*", choices=[[], *choices], help="all, if none is named")
    chosen = parser.parse_args().rows or choices
    lines = {}
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            lines[name] = small_sets(place) if name == "sets" else planning(name, place)
        print("\n".join(lines[name]), flush=True)
    if len(chosen) == len(choices):
        rows = "\n".join(line for name in STUDIES for line in lines[name])
        TABLE.write_text(
            f"# Scale\n\nMade by `benchmarks/scale.py`, {time.strftime('%Y-%m-%d')}; "
            f"{describe_machine()}; load at the end {os.getloadavg()[0]:.0f} on "
            f"{os.cpu_count()} cores: where it is more than the cores, the same work takes more "
            "CPU seconds than on a quiet machine.\n\n"
            "| planning | jobs | CPU seconds | MB | wanted below |\n"
            f"|---|---|---|---|---|\n{rows}\n\n" + "\n".join(lines["sets"]) + "\n"
        )


if __name__ == "__main__":
    main()
