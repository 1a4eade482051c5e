"""How well are distributions recovered that nobody chose? Random truths, tables of the errors.

    ./run python benchmarks/random_truths.py                       # ten truths a setup: hours
    ./run python benchmarks/random_truths.py 3 --truths 2          # minutes
    ./run python benchmarks/random_truths.py --present             # tables of what is there

A truth draws the mean and the spread of every attribute over its whole range (yaw anywhere on the
circle, narrow and wide spreads, tilts, light, camera); three in ten attributes are bimodal,
uniform or skewed. Truths with an even number are for tuning, those with an odd number only report.
Seeds are apart from those of tests and of the other benchmarks. Results that are there already
are not made again. Rows of every attribute: random_truths.tsv beside this file.
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from machine import describe_machine

from simtailor.metasim.settings import Experiment
from simtailor.scene.attributes import mean_and_spread, wrapped
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator

ROOT = Path(__file__).parent.parent
TABLE = Path(__file__).with_suffix(".tsv")
SETUPS = {"3": "tyol_3attr", "5": "tyol_5attr", "8": "tyol_8attr", "classes": "tyol_multi_5attr"}
FIRST_SEED = 70_000
POPULATION = 200_000
# Ends of the mean and of the spread, in the grammar's units. The objects stay in the frame.
RANGES = {
    "yaw": ((0, 360), (3, 30)),
    "pitch": ((330, 390), (3, 12)),
    "roll": ((330, 390), (3, 12)),
    "loc_x": ((85, 115), (2, 7)),
    "loc_z": ((85, 115), (2, 7)),
    "intensity": ((0.35, 0.8), (0.01, 0.06)),
    "camera_pitch": ((60, 85), (2, 6)),
    "camera_roll": ((340, 380), (2, 8)),
}
SHAPES, SHARES = ("Gaussian", "bimodal", "uniform", "skewed"), (0.7, 0.1, 0.1, 0.1)
MEASURES = {
    "error": "error of the mean, in spreads",
    "log_ratio": "logarithm of the ratio of the spreads",
    "wasserstein": "Wasserstein distance, in spreads",
}


def main() -> None:
    """Make truths, run the workflow for them, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("setups", nargs="*", default=list(SETUPS), help=", ".join(SETUPS))
    parser.add_argument("--truths", type=int, default=10, help="of each setup")
    parser.add_argument("--work", type=Path, default=Path("work/random_truths"))
    parser.add_argument("--configfile", help="a second configuration, to try settings")
    parser.add_argument("--present", action="store_true", help="run nothing")
    given = parser.parse_args()
    unknown = set(given.setups) - set(SETUPS)
    if unknown:
        parser.error(f"unknown setups {', '.join(sorted(unknown))}; known: {', '.join(SETUPS)}")
    experiments = {}
    for setup in given.setups:
        for number in range(given.truths):
            name = f"truth_{setup}_{number:02d}"
            experiments[name] = write_experiment(given.work, setup, number, name)
    results = given.work / "results"
    settings = given.work / "configuration.yaml"
    settings.write_text(
        yaml.safe_dump(
            {
                "results": str(results),
                "work": str(given.work / "work"),
                "metasim": {"experiments_folder": str(given.work / "experiments")},
            }
        )
    )
    if not given.present:
        files = [str(settings), *([given.configfile] if given.configfile else [])]
        command = [sys.executable, "-m", "snakemake", "--cores", "all", "--keep-going"]
        targets = [str(results / "metasim" / name) for name in experiments]
        subprocess.run([*command, "--configfile", *files, "--", *targets], check=False, cwd=ROOT)
    rows = []
    for name, (setup, number, shapes) in experiments.items():
        summary = results / "metasim" / name / "summary.json"
        if summary.exists():
            file = given.work / "experiments" / f"{name}.yaml"
            experiment = Experiment.model_validate(yaml.safe_load(file.read_text()))
            truth = experiment.read_grammar(given.work / "grammars" / f"{name}.json")
            rows += rows_of(json.loads(summary.read_text()), truth, setup, number, shapes)
    if not rows:
        sys.exit("nothing was made; the messages above say why")
    table = pd.DataFrame(rows)
    table.to_csv(TABLE, sep="\t", index=False, float_format="%.6g")
    page = page_of(table, len(experiments))
    TABLE.with_suffix(".md").write_text(page)
    print(page)


def write_experiment(
    folder: Path, setup: str, number: int, name: str
) -> tuple[str, int, dict[str, str]]:
    """Write target grammar and experiment of a truth; return setup, number and shapes."""
    random = generator(FIRST_SEED + number, f"random truth {setup}")
    known = yaml.safe_load((ROOT / f"config/experiments/{SETUPS[setup]}.yaml").read_text())
    tree = json.loads((ROOT / known["grammar"]).read_text())
    mutable, shapes = tree["attributes"]["mutable"], {}
    for attributes in objects_of(tree):
        for key in [k for k in mutable if k in attributes]:
            shapes[key], attributes[key] = draw_truth(key, attributes[key][-1], random)
    target = folder / "grammars" / f"{name}.json"
    experiment = folder / "experiments" / f"{name}.yaml"
    for path in (target, experiment):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_if_changed(target, json.dumps(tree, indent=1))
    known |= {"target": {"grammar": str(target)}, "seed": FIRST_SEED + number}
    known["description"] = f"Truth {number} of setup {setup}."
    write_if_changed(experiment, yaml.safe_dump(known))
    return setup, number, shapes


def objects_of(node: dict) -> list[dict]:
    """Return the attributes of all nodes that may change."""
    below = [attributes for child in node["child"] for attributes in objects_of(child)]
    return below if node["attributes"].get("immutable", True) else [node["attributes"], *below]


def draw_truth(name: str, maximum: float, random: np.random.Generator) -> tuple[str, list]:
    """Draw the distribution of an attribute: its shape and the grammar's entry."""
    (low, high), spreads = RANGES[name]
    mean = random.uniform(low, high)
    spread = float(np.exp(random.uniform(*np.log(spreads))))
    shape = str(random.choice(SHAPES, p=SHARES))
    mean, spread = round(mean, 4), round(spread, 4)
    if shape == "Gaussian":
        return shape, ["Gaussian", mean, spread, maximum]
    if shape == "uniform":
        return shape, ["Uniform", mean - 3**0.5 * spread, mean + 3**0.5 * spread, maximum]
    # Of the given mean and spread: (weight, place of the part, its spread), in spreads.
    parts = {
        "bimodal": ((0.5, -0.9, 0.436), (0.5, 0.9, 0.436)),
        "skewed": ((0.7, -0.5, 0.6455), (0.3, 0.5 * 7 / 3, 0.6455)),
    }[shape]
    return shape, ["Mixture", [[w, mean + p * spread, s * spread] for w, p, s in parts], maximum]


def write_if_changed(path: Path, text: str) -> None:
    """Write a file, unless it says so already: Snakemake goes by the time of change."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def rows_of(
    summary: dict, truth: Grammar, setup: str, number: int, shapes: dict[str, str]
) -> list[dict]:
    """Return a row for each attribute of one truth.

    Intervals are of the truth, of which the target's images are a sample. Symmetric objects are
    stated in their nearest equal pose, so the truth is the stated sample's statistics, moved by
    what the sample as drawn is off.
    """
    drawn = truth.sample(summary["target"]["images"], generator(summary["seed"], "target"))
    many = truth.sample(POPULATION, generator(FIRST_SEED, "population"))
    rows = []
    for node, feature in truth.layout.entries():
        name = truth.layout.features[feature]
        entry = summary["attributes"][truth.layout.entry_name(node, feature)]
        period = float(truth.layout.period[node, feature])
        sample = mean_and_spread(drawn.values()[:, node, feature], period)
        population = mean_and_spread(many.values()[:, node, feature], period)
        target, generated = entry["target"], entry["generated"]
        row = {
            "setup": setup, "truth": number, "half": "reporting" if number % 2 else "tuning",
            "attribute": name, "shape": shapes[name], "converged": summary["converged"],
            "renders": summary["renders"], "seconds": summary["seconds"],
        }  # fmt: skip
        if target is not None and generated is not None:
            mean = target["mean"] + float(wrapped(population[0] - sample[0], period))
            spread = target["std"] * population[1] / sample[1]
            row |= {"mean": mean, "spread": spread}
            row |= {
                "found_mean": generated["mean"], "found_spread": generated["std"],
                "error": float(wrapped(generated["mean"] - mean, period)) / spread,
                "log_ratio": float(np.log(max(generated["std"], 1e-9) / spread)),
                "wasserstein": entry["wasserstein"] / spread,
                "mean_held": holds(generated.get("mean_95"), mean, period),
                "spread_held": holds(generated.get("std_95"), spread, 0.0),
            }  # fmt: skip
        rows.append(row)
    return rows


def holds(interval: list[float] | None, value: float, period: float) -> bool | None:
    """Return whether an interval holds a value; None where there is no interval."""
    if interval is None:
        return None
    middle = sum(interval) / 2
    return bool(abs(wrapped(value - middle, period)) <= (interval[1] - interval[0]) / 2)


def page_of(table: pd.DataFrame, asked: int) -> str:
    """Return the Markdown page."""
    made = table.groupby(["setup", "truth"]).ngroups
    text = [
        "# Recovery of random truths",
        f"{datetime.date.today().isoformat()}, {describe_machine()}; {made} of {asked} truths.",
        " ".join(__doc__.split("\n\n")[2].split()),
        "Coverage: of how many 95 % intervals, of those that there are, hold the truth. Missing: "
        "attributes of which the images do not tell enough for an interval.",
    ]
    for half in ("reporting", "tuning"):
        part = table[table.half == half]
        if len(part):
            text += [f"## The {half} half", overview(part).to_markdown(index=False)]
    text += ["## By shape, reporting half", by_shape(table[table.half == "reporting"])]
    return "\n\n".join(text) + "\n"


def by_shape(part: pd.DataFrame) -> str:
    """Return the table of the shapes."""
    if not len(part):
        return "No truth of this half was made."
    rows = [{"shape": shape, **errors_of(some)} for shape, some in part.groupby("shape")]
    return pd.DataFrame(rows).to_markdown(index=False)


def overview(part: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each setup and one for all."""
    rows = []
    for setup, some in [*part.groupby("setup"), ("all", part)]:
        runs = some.groupby(["setup", "truth"]).first()
        rows.append(
            {
                "setup": setup,
                "truths": len(runs),
                **errors_of(some),
                "converged": f"{int(runs.converged.sum())} of {len(runs)}",
                "renders, median": f"{runs.renders.median():,.0f}",
                "training s, median": f"{runs.seconds.median():.0f}",
            }
        )
    return pd.DataFrame(rows)


def errors_of(some: pd.DataFrame) -> dict[str, str]:
    """Return the errors of attributes in words for a table: median, nine in ten, worst."""
    cells = {"attributes": str(len(some))}
    for key, words in MEASURES.items():
        off = some[key].abs().dropna() if key in some else pd.Series(dtype=float)
        ends = (off.median(), off.quantile(0.9), off.max())
        cells[words] = ", ".join(f"{v:.3f}" for v in ends) if len(off) else "-"
    for key, words in {"mean_held": "means", "spread_held": "spreads"}.items():
        held = some[key].dropna() if key in some else pd.Series(dtype=float)
        cells[f"coverage of {words}"] = f"{held.mean():.0%} of {len(held)}" if len(held) else "-"
        cells[f"missing {words}"] = str(len(some) - len(held))
    return cells


if __name__ == "__main__":
    main()
