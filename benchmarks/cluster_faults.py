"""What a small study loses by faults of a cluster, and what the user reads.

    ./run python benchmarks/cluster_faults.py FOLDER [--only FAULT ...] [--present]

A tiny set and a tiny pre-training are made in projects below FOLDER, through a real Slurm of this
machine (tests/slurm.sh), which needs root, and cc. Each run is struck by one fault, and the same
command is given again. What was tried stays in FOLDER and is not tried again; ``--present`` only
writes the table from it, cluster_faults.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from cluster_trials.cluster import Cluster
from cluster_trials.project import SmallProject
from cluster_trials.trials import FAULTS, Fault, Trial
from machine import describe_machine

FILE = Path(__file__).with_suffix(".md")
NEEDED = {True: Counter(pretrain=1), False: Counter(simulate_set=1, pretrain=1)}


def undisturbed(folder: Path) -> SmallProject:
    """Return a project in which all is made on cores, to copy and to compare with."""
    project = SmallProject(folder / "undisturbed")
    if not (project.folder / "made").exists():
        project = SmallProject.create(project.folder, folder / "cache")
        run = project.launch(("--cores", "2"))
        if run.wait():
            raise SystemExit(run.text)
        (project.folder / "made").touch()
    return project


def row_of(fault: Fault, folder: Path, cluster: Cluster) -> dict[str, Any]:
    """Let a fault strike; return what came of it."""
    right = undisturbed(folder)
    project = right.copy(folder / fault.name.replace(" ", "_"), fault.with_set)
    trial = Trial(project, cluster, NEEDED[fault.with_set])
    try:
        fault.strike(trial)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return {"fault": fault.name, "failed": str(error)}
    finally:
        for run in project.runs:  # of a trial that did not come to its end
            if run.process.poll() is None:
                run.signal(signal.SIGKILL)
                cluster.cancel_all()
    return {
        "fault": fault.name,
        "lost": trial.lost,
        "note": trial.note,
        "begun": dict(trial.begun),
        "needed": dict(trial.needed),
        "same": project.checksums() == right.checksums(),
        "runs": trial.runs,
    }


def table(rows: Path) -> str:
    """Return the page of all that was struck."""
    found = {fault.name: rows / f"{fault.name}.json" for fault in FAULTS}
    kept = [json.loads(path.read_text()) for path in found.values() if path.exists()]
    first, last = min(row["date"] for row in kept), max(row["date"] for row in kept)
    lines = [
        "# Faults of a cluster",
        "",
        f"{describe_machine('snakemake', 'snakemake-executor-plugin-slurm')}; {slurm_version()}; "
        f"{first}{f' to {last}' if last != first else ''}. Remade by `python "
        "benchmarks/cluster_faults.py FOLDER`.",
        "",
        "A set of 120 images and a training of 40 epochs, each a job of a small Slurm of four "
        "nodes on this machine. Most faults strike a third into the training. *Lost* is what had "
        "been done and was done again; *jobs* how often the jobs of the two ran, and in brackets "
        "how often they do undisturbed; *seconds* those of each command, on a machine that did "
        "other work, most of them waiting: Slurm is asked for its jobs every ten seconds, and "
        "less often as time goes by. *Bytes* compares shards, manifest, sheet and weights with a "
        "run on cores that nothing disturbed.",
        "",
        "| fault | lost | jobs | seconds | bytes | what the user reads |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in kept]
    lines += ["", "What the faults are:", ""]
    lines += [f"- {fault.name}: {fault.what}" for fault in FAULTS if found[fault.name].exists()]
    absent = [name for name, path in found.items() if not path.exists()]
    lines += ["", f"Not tried: {', '.join(absent)}."] if absent else []
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    ran = sum(row["begun"].get(rule, 0) for rule in row["needed"])
    jobs = f"{ran} ({sum(row['needed'].values())})"
    seconds = " + ".join(f"{run['seconds']:.0f}" for run in row["runs"])
    said = dict.fromkeys(line.replace("|", "/") for run in row["runs"] for line in run["said"])
    cells = (row["fault"], row["lost"], jobs, seconds, "same" if row["same"] else "OTHER",
             "; ".join([*said, *([row["note"]] if row["note"] else [])]))  # fmt: skip
    return f"| {' | '.join(cells)} |"


def slurm_version() -> str:
    """Return the name and version of the Slurm at hand."""
    return subprocess.check_output(["slurmctld", "-V"], text=True).strip()


def main() -> None:
    """Let the faults strike that have not, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--only", nargs="+", metavar="FAULT", choices=names, default=names)
    parser.add_argument("--present", action="store_true", help="only write the table")
    options = parser.parse_args()
    folder = options.folder.resolve()
    rows = folder / "rows"
    rows.mkdir(parents=True, exist_ok=True)
    named = {fault.name: fault for fault in FAULTS}
    left = [named[name] for name in options.only if not (rows / f"{name}.json").exists()]
    # What is begun in a shell's background ignores Ctrl-C, and so would the runs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cluster = Cluster(folder / "slurm")
    if left and not options.present:
        undisturbed(folder)
        with cluster.running():
            for fault in left:
                row = row_of(fault, folder, cluster)
                row["date"] = datetime.date.today().isoformat()
                print(json.dumps(row), flush=True)
                if "failed" in row:
                    continue
                (rows / f"{fault.name}.json").write_text(json.dumps(row, indent=1))
    FILE.write_text(table(rows))


if __name__ == "__main__":
    main()
