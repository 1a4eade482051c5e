"""Meta-Sim's experiments, from the target to the summary."""

from __future__ import annotations

from typing import Any

import yaml

from gpu_checks.bench import Bench, silent
from simtailor.config import load_configuration, load_experiment
from simtailor.files import read_json
from simtailor.metasim.stage import Machine, make_results, make_target, train

TINY = {
    "target": {"images": 40},
    "stage": {"image_size": 32},
    "training": {
        "image_size": 32,
        "epochs": 3,
        "scenes_per_epoch": 10,
        "batch_size": 10,
        "validation_scenes": 10,
        "search": {"rounds": 1, "candidates": 4, "images": 10},
    },
    "evaluation": {"scenes": 60, "key_epochs": 2, "saved_images": 4},
}
MOST_LEFT = 0.1  # of the distance to the target's distribution; a CPU leaves 0.004


def one_attribute(bench: Bench) -> dict[str, Any]:
    """Fit tyol_1attr."""
    return _fitted(bench, "tyol_1attr")


def three_attributes(bench: Bench) -> dict[str, Any]:
    """Fit tyol_3attr."""
    return _fitted(bench, "tyol_3attr")


def _fitted(bench: Bench, name: str) -> dict[str, Any]:
    with open("config/config.yaml") as file:
        values = yaml.safe_load(file) or {}
    if bench.tiny:
        values |= {"metasim": {"experiments": {name: TINY}}}
    experiment = load_experiment(load_configuration(values, []), name, [])
    machine = Machine(bench.device, bench.threads, bench.cache)
    folder = bench.folder / name
    folder.mkdir()
    target, training, results = (
        str(folder / part) for part in ("target.npz", "training", "results")
    )
    checkpoint = str(folder / "checkpoint.pt")
    seconds = {
        "target": bench.seconds(lambda: make_target(experiment, machine, target, silent)),
        "training": bench.seconds(
            lambda: train(experiment, machine, target, training, checkpoint, silent)
        ),
        "results": bench.seconds(
            lambda: make_results(name, experiment, machine, target, training, results, silent)
        ),
    }
    summary = read_json(folder / "results/summary.json")
    left = {
        attribute: values["wasserstein"] / values["wasserstein_prior"]
        for attribute, values in summary["attributes"].items()
    }
    bench.expect(
        bench.tiny or max(left.values()) <= MOST_LEFT, "an attribute was not recovered as on a CPU"
    )
    return {
        "seconds": seconds,
        "left": left,
        "renders": summary["renders"],
        "converged": summary["converged"],
    }
