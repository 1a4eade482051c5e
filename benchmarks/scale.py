"""Measure what planning a study costs, by CPU time and memory.

Each row is a dry run of ``reward_db`` in a process of its own, with nothing made yet.

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
from pathlib import Path

import yaml
from machine import describe_machine

ROOT = Path(__file__).parent.parent
TABLE = Path(__file__).with_name("scale.md")
BOTH = [0, 1]
PARAMETERS = ("backgr", "blur", "lighting_color", "lighting_dir", "lighting_intensity", "pose_rot",
              "pose_scale")  # fmt: skip


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
ROWS = {
    "256x20": (configuration([1, 3], [0], 1, 20), 3, None),
    "4096x100": (configuration([0, 1, 2, 3], BOTH, 4, 100), 60, 2000),
}


def planned(values: dict, folder: Path) -> tuple[int, float, float]:
    """Return jobs, CPU seconds and MB of a dry run."""
    file = folder / "study.yaml"
    places = {name: str(folder / name) for name in ("results", "work", "resources")}
    file.write_text(yaml.safe_dump(values | places))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "-n", "-q", "rules", "--nolock"]
    log = folder / "log"
    with open(log, "w") as written:
        child = subprocess.Popen(
            [*command, "--configfile", str(file), "--", "reward_db"],
            cwd=ROOT, stdout=written, stderr=subprocess.STDOUT,
        )  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
    said = log.read_text()
    if status:
        raise SystemExit(said[-3000:])
    jobs = int(re.findall(r"^total +(\d+)", said, re.MULTILINE)[-1])
    return jobs, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], help="all, if none is named")
    chosen = parser.parse_args().rows or list(ROWS)
    lines = []
    for name in chosen:
        values, seconds, memory = ROWS[name]
        with tempfile.TemporaryDirectory() as folder:
            jobs, took, most = planned(values, Path(folder))
        sets, tasks = name.split("x")
        wanted = f"{seconds} s" + (f", {memory:,} MB" if memory else "")
        lines.append(
            f"| {int(sets):,} | {tasks} | {jobs:,} | {took:.1f} | {most:,.0f} | {wanted} |"
        )
        print(lines[-1], flush=True)
    if len(chosen) == len(ROWS):
        TABLE.write_text(
            f"# Planning\n\nMade by `benchmarks/scale.py`, {time.strftime('%Y-%m-%d')}; "
            f"{describe_machine()}; load at the end {os.getloadavg()[0]:.0f}\n\n"
            "| sets | tasks | jobs | CPU seconds | MB | wanted below |\n"
            "|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
        )


if __name__ == "__main__":
    main()
