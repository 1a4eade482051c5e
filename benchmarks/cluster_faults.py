"""What a small study loses by faults of a cluster, and what the user reads.

    ./run python benchmarks/cluster_faults.py FOLDER [--only FAULT ...] [--present]

A tiny set and a tiny pre-training are made in projects below FOLDER, most through a real Slurm of
this machine (tests/slurm.sh), which needs root. Each run is struck by one fault, and the same command
is given again. What is done already stays in FOLDER and is not done again; ``--present`` only writes
the table from it, cluster_faults.md.
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
from cluster_trials.trials import CORES, FAULTS, Fault, Trial
from machine import describe_machine

FILE = Path(__file__).with_suffix(".md")
NEEDED = {True: Counter(pretrain=1), False: Counter(simulate_set=1, pretrain=1)}


def undisturbed(folder: Path) -> SmallProject:
    """Return a project in which all is made on cores, to copy and to compare with."""
    project = SmallProject(folder / "undisturbed")
    if not (project.folder / "made").exists():
        project = SmallProject.create(project.folder, folder / "cache")
        run = project.launch(CORES)
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
        "what": (fault.strike.__doc__ or "").strip().splitlines()[0],
        "lost": trial.lost,
        "note": trial.note,
        "begun": dict(trial.begun),
        "needed": dict(trial.needed),
        "same": project.checksums() == right.checksums(),
        "runs": trial.runs,
    }


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
    left = [f for f in FAULTS if f.name in options.only and not (rows / f"{f.name}.json").exists()]
    cluster = Cluster(folder / "slurm")
    if left and not options.present:
        undisturbed(folder)
        with cluster.running():
            for fault in left:
                row = row_of(fault, folder, cluster)
                row["date"] = datetime.date.today().isoformat()
                print(json.dumps(row, indent=1), flush=True)
                if "failed" in row:
                    continue
                (rows / f"{fault.name}.json").write_text(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
