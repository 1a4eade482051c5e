"""Recover the target's distribution for several seeds: a table of every attribute.

Runs the workflow for NAME.seed0, NAME.seed1, ... of every experiment named and writes
benchmarks/metasim_recovery.md: one section an experiment, the published runs beside it.
Results that are there already are not made again. Times are the training's own; the target
and the figures come on top.

    ./run python benchmarks/metasim_recovery.py tyol_1attr tyol_3attr --seeds 3
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
from machine import describe_machine

SCENES, EPOCHS = 1000, 100  # of the published runs
PUBLISHED = {
    "tyol_1attr": "best run: yaw 95.1 ± 0.03; four others: 71, 0, 53, 218",
    "tyol_2attr": "no run is recorded",
    "tyol_3attr": "four runs: yaw 0, 99, 135, 259; one leaves the frame",
    "tyol_5attr": "no convergence",
    "tyol_8attr": "no convergence; light 0",
    "tyol_multi_1attr": "eight runs: the mean moves towards 90, several point masses",
    "tyol_multi_3attr": "four runs: yaw sticks near 25, at best 60",
    "tyol_multi_5attr": "five runs: location partly, yaw not",
    "tyol_multi_8attr": "four runs: light collapses to 0, the camera moves away from the target",
}


def main() -> None:
    """Run and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--configfile", help="a second configuration file")
    parser.add_argument(
        "--present", action="store_true", help="run nothing, tabulate the seeds that are there"
    )
    parser.add_argument("--note", default="", help="a sentence on how the runs were made")
    arguments = parser.parse_args()
    targets = {
        name: [f"results/metasim/{name}.seed{seed}" for seed in range(arguments.seeds)]
        for name in arguments.experiments
    }
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--keep-going"]
    if arguments.configfile:
        command += ["--configfile", arguments.configfile]
    folders = [folder for some in targets.values() for folder in some]
    if arguments.present:
        targets = {
            name: [folder for folder in some if Path(folder, "summary.json").exists()]
            for name, some in targets.items()
        }
    else:
        subprocess.run([*command, "--", *folders], check=True)
    overview, sections = [], []
    for name, folders in targets.items():
        summaries = [json.loads((Path(f) / "summary.json").read_text()) for f in folders]
        rows = [row for summary in summaries for row in attribute_rows(summary)]
        overview.append(overview_row(name, summaries))
        sections.append(f"## {name}\n\n{pd.DataFrame(rows).to_markdown(index=False)}\n")
    page = Path(__file__).with_suffix(".md")
    today = datetime.date.today().isoformat()
    head = (
        f"# Recovery of the target's distribution\n\n{today}, {describe_machine()}.\n\n"
        "Left: Wasserstein distance of the generated to the target's distribution, divided by "
        "that of the prior. Published renders: 1,000 scenes x 100 epochs x (2 + 2 an attribute). "
        "Worst class: the same of each class of objects alone, divided by the distance of the "
        "prior of all. Seconds by the clock count what else the machine did. "
        f"{arguments.note}"
    ).rstrip() + "\n"
    table = pd.DataFrame(overview).fillna("").to_markdown(index=False)
    page.write_text("\n".join([head, table, "", *sections]))
    print(table)


def attribute_rows(summary: dict) -> list[dict]:
    """Return a row for each attribute of one run."""
    rows = []
    for name, entry in summary["attributes"].items():
        if entry["target"] is None:
            sys.exit(f"{summary['experiment']}: a folder's attributes are unknown")
        rows.append(
            {
                "seed": summary["seed"],
                "attribute": name,
                **{
                    source: f"{entry[source]['mean']:.4g} ± {entry[source]['std']:.3g}"
                    for source in ("prior", "target", "generated")
                },
                "Wasserstein": f"{entry['wasserstein']:.3g}",
                "left": f"{left_of(entry):.1%}",
            }
        )
    return rows


def overview_row(name: str, summaries: list[dict]) -> dict:
    """Return what the seeds of one experiment have in common."""
    entries = [entry for s in summaries for entry in s["attributes"].values()]
    left = [left_of(entry) for entry in entries]
    by_class = [
        of_class["wasserstein"] / entry["wasserstein_prior"]
        for entry in entries
        for of_class in entry.get("classes", {}).values()
        if of_class["wasserstein"] is not None
    ]
    attributes = len(summaries[0]["attributes"])
    renders = max(s["renders"] for s in summaries)
    published = SCENES * EPOCHS * (2 + 2 * attributes)
    row = {
        "experiment": name,
        "seeds": len(summaries),
        "converged": sum(s["converged"] for s in summaries),
        "left, mean": f"{sum(left) / len(left):.1%}",
        "left, worst": f"{max(left):.1%}",
        "left, worst class": f"{max(by_class):.1%}" if by_class else None,
        "renders, most": f"{renders:,}",
        "of the published": f"{renders / published:.1%}",
        "training s, most": f"{max(s['seconds'] for s in summaries):.0f}",
        "published result": PUBLISHED.get(name, ""),
    }
    if "task" in summaries[0]:
        tables = [s["task"]["trained_on"] for s in summaries]
        row["task accuracy"] = "; ".join(
            f"{source} {100 * sum(t[source]['accuracy'] for t in tables) / len(tables):.1f}"
            for source in tables[0]
        )
    return row


def left_of(entry: dict) -> float:
    """Return the share of an attribute's starting distance that is left."""
    return entry["wasserstein"] / entry["wasserstein_prior"]


if __name__ == "__main__":
    main()
