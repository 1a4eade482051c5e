"""What each part of the Meta-Sim stage buys: one part changed at a time, on one experiment.

Runs the workflow for every variant and writes benchmarks/metasim_ablation.md.

    ./run python benchmarks/metasim_ablation.py --experiment tyol_2attr
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from functools import reduce
from pathlib import Path

import pandas as pd
import yaml
from machine import describe_machine
from metasim_recovery import left_of

from simtailor.layers import merged

FASTER = {"stage": {"image_size": 64}}  # for all variants
# A gradient from afar takes longer, so what does without the search gets more steps.
LONGER = {"epochs": 40, "patience": 40}
GCN = {
    "generator": "gcn",
    "training": {
        "epochs": 100,
        "patience": 100,
        "scenes_per_epoch": 200,
        "network_learning_rate": 0.01,
    },
}
AS_PUBLISHED = {"discrepancy": {"unbiased": False}, "training": {"hypercube": 1}}
VARIANTS = {
    "default": [],
    "search alone, no gradient": [
        {"training": {"epochs": 1, "learning_rate": 1e-9, "network_learning_rate": 1e-9}}
    ],
    "gradient alone, no search": [
        {"training": LONGER | {"learning_rate": 0.2, "search": {"rounds": 0}}}
    ],
    "generator gcn": [GCN],
    "generator gcn, biased MMD, independent scenes (as published)": [GCN, AS_PUBLISHED],
    "independent scenes in a batch": [{"training": {"hypercube": 1}}],
    "biased MMD": [{"discrepancy": {"unbiased": False}}],
    "biased MMD, independent scenes": [AS_PUBLISHED],
    "MMD with one bandwidth": [{"discrepancy": {"bandwidth_factors": [1.0]}}],
    "sliced Wasserstein": [{"discrepancy": {"kind": "sliced_wasserstein"}}],
    "energy distance": [{"discrepancy": {"kind": "energy"}}],
    "features of EfficientNet-Lite0": [
        {"features": {"kind": "timm", "model": "tf_efficientnet_lite0", "weights": "package"}}
    ],
    "one coarse level (4 px)": [{"features": {"pyramid": [4]}}],
    "one fine level (32 px)": [{"features": {"pyramid": [32]}}],
    "steps start a tenth as wide": [{"training": {"angle_step": 0.2, "range_step": 0.001}}],
    "steps start five times as wide": [{"training": {"angle_step": 10.0, "range_step": 0.05}}],
}
OF_A_NETWORK = ("features of EfficientNet-Lite0",)


def main() -> None:
    """Run all variants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", default="tyol_2attr")
    parser.add_argument(
        "--networks", action="store_true", help="features of a network too, slow on a CPU"
    )
    arguments = parser.parse_args()
    name = arguments.experiment
    variants = [v for v in VARIANTS if arguments.networks or v not in OF_A_NETWORK]
    own = yaml.safe_load(Path(f"config/experiments/{name}.yaml").read_text())
    experiments = {
        f"ablation_{name}_{list(VARIANTS).index(variant)}": reduce(
            merged, [FASTER, *VARIANTS[variant]], own
        )
        for variant in variants
    }
    with tempfile.TemporaryDirectory() as folder:
        configfile = Path(folder) / "ablation.yaml"
        configfile.write_text(yaml.safe_dump({"metasim": {"experiments": experiments}}))
        targets = [f"results/metasim/{experiment}" for experiment in experiments]
        command = [sys.executable, "-m", "snakemake", "--cores", "all", "--keep-going"]
        command += ["--configfile", str(configfile), "--", *targets]
        if subprocess.run(command, check=False).returncode:
            sys.exit("some variants failed, see above; run again: the others are kept")
    rows = []
    for variant, target in zip(variants, targets, strict=True):
        summary = json.loads((Path(target) / "summary.json").read_text())
        row = {"variant": variant}
        for attribute, entry in summary["attributes"].items():
            got = entry["generated"]
            row[attribute] = f"{got['mean']:.4g} ± {got['std']:.3g} ({left_of(entry):.1%})"
        row |= {
            "renders": f"{summary['renders']:,}",
            "training s": round(summary["seconds"]),
            "converged": summary["converged"],
        }
        rows.append(row)
    target = {
        attribute: f"{entry['target']['mean']:.4g} ± {entry['target']['std']:.3g}"
        for attribute, entry in summary["attributes"].items()
    }
    table = pd.DataFrame([{"variant": "target", **target}, *rows]).fillna("")
    page = Path(__file__).with_suffix(".md")
    today = datetime.date.today().isoformat()
    page.write_text(
        f"# What each part buys: {name}\n\n{today}, {describe_machine()}. One seed; all "
        "images are 64 x 64, and compared by their pyramid unless a row says otherwise. In "
        "brackets, the share of the starting distance that is left.\n\n"
        f"{table.to_markdown(index=False)}\n"
    )
    print(table.to_markdown(index=False))


if __name__ == "__main__":
    main()
