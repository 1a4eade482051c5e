"""Recover the target's distribution for several seeds: a table of every attribute.

Runs the workflow for NAME.seed0, NAME.seed1, ... and writes benchmarks/metasim_NAME.md.
Times are the training's own; the target and the figures come on top.

    ./run python benchmarks/metasim_seeds.py tyol_1attr --seeds 5
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
from machine import describe_machine

PUBLISHED = {
    "tyol_1attr": "Published (best of its runs, 100 epochs of 1,000 scenes, 400,000 renders): "
    "generated yaw 95.1, spread 0.03, for a target of 90, spread 10.",
}


def main() -> None:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--configfile", help="a second configuration file")
    parser.add_argument("--label", default="", help="name of the variant, for the table's file")
    arguments = parser.parse_args()
    names = [f"{arguments.experiment}.seed{seed}" for seed in range(arguments.seeds)]
    targets = [f"results/metasim/{name}" for name in names]
    command = [sys.executable, "-m", "snakemake", "--cores", "all"]
    if arguments.configfile:
        command += ["--configfile", arguments.configfile]
    subprocess.run([*command, "--", *targets], check=True)
    rows = []
    for target in targets:
        summary = json.loads((Path(target) / "summary.json").read_text())
        for name, entry in summary["attributes"].items():
            if entry["target"] is None:
                sys.exit(
                    f"{target}: a folder's attributes are unknown, there is nothing to compare"
                )
            left = entry["wasserstein"] / entry["wasserstein_prior"]
            rows.append(
                {
                    "seed": summary["seed"],
                    "attribute": name,
                    **{
                        source: f"{entry[source]['mean']:.2f} ± {entry[source]['std']:.2f}"
                        for source in ("prior", "target", "generated")
                    },
                    "Wasserstein": f"{entry['wasserstein']:.2f}",
                    "left of the start": f"{left:.1%}",
                    "converged": summary["converged"],
                    "renders": summary["renders"],
                    "training s": f"{summary['seconds']:.0f}",
                }
            )
    label = f"_{arguments.label}" if arguments.label else ""
    page = Path(__file__).with_name(f"metasim_{arguments.experiment}{label}.md")
    today = datetime.date.today().isoformat()
    table = pd.DataFrame(rows).to_markdown(index=False)
    notes = PUBLISHED.get(arguments.experiment, "")
    page.write_text(f"# {page.stem}\n\n{today}, {describe_machine()}.\n{notes}\n\n{table}\n")
    print(table)


if __name__ == "__main__":
    main()
