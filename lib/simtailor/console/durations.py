"""What jobs are expected to take, in seconds by the clock.

A table holds for each rule the seconds of a job as the default study has it, which is a job of
size 1: the one that comes with the library, and over it the one that every run leaves in
``logs/durations.tsv``. Jobs of other settings are scaled by their size.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from simtailor.files import staged

if TYPE_CHECKING:
    from simtailor.config import Configuration
    from simtailor.metasim.settings import Experiment

SHIPPED = Path(__file__).parent / "durations.tsv"
MEASURED = Path("logs/durations.tsv")
HEAD = ("rule", "seconds")
UNKNOWN = 10.0  # seconds of a job of a rule that is in neither table
LIMIT = 2000  # images of a task where the configuration sets none; the default study's


def read_durations(*tables: str | Path) -> dict[str, float]:
    """Return seconds by rule; later tables go over earlier ones. What cannot be read is not."""
    found: dict[str, float] = {}
    for table in tables:
        try:
            rows = list(csv.DictReader(Path(table).read_text().splitlines(), delimiter="\t"))
            found |= {row["rule"]: float(row["seconds"]) for row in rows}
        except (OSError, KeyError, ValueError, TypeError):
            continue
    return found


def write_durations(path: str | Path, measured: Mapping[str, float]) -> None:
    """Write what jobs of size 1 took, by rule; rules not measured now keep what the file said."""
    rows = sorted((read_durations(path) | dict(measured)).items())
    text = "\n".join("\t".join(row) for row in [HEAD, *((r, f"{s:.3g}") for r, s in rows)])
    with staged(path) as staging:
        staging.write_text(f"{text}\n")


def mean_durations(jobs: Iterable[tuple[str, float, float]]) -> dict[str, float]:
    """Return the mean seconds of a job of size 1, by rule.

    Args:
        jobs: rule, size and seconds of each.
    """
    sizes: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for rule, size, took in jobs:
        sizes[rule] = sizes.get(rule, 0.0) + size
        seconds[rule] = seconds.get(rule, 0.0) + took
    return {rule: seconds[rule] / sizes[rule] for rule in sizes}


def sizes_of(configuration: Configuration) -> dict[str, float]:
    """Return the size of a job of each rule of Task2Sim, those of the default study being 1."""
    ours, usual = (_work(c) for c in (configuration, type(configuration)()))
    return {rule: work / usual[rule] for rule, work in ours.items()}


def size_of_experiment(experiment: Experiment) -> float:
    """Return the size of an experiment's training: its scenes, the usual training's being 1."""
    ours, usual = experiment.training, type(experiment.training)()
    return ours.epochs * ours.scenes_per_epoch / (usual.epochs * usual.scenes_per_epoch)


def size_of_start(configuration: Configuration, pair: int) -> float:
    """Return how many times longer than the usual short one a start's training is.

    Args:
        pair: number of the start; the first ones are trained for more steps as well.
    """
    ours, usual = (
        c.task2sim.evaluate.equal_steps.starts for c in (configuration, type(configuration)())
    )
    return sum(steps for steps, count in ours.items() if pair < count) / min(usual)


def _work(configuration: Configuration) -> dict[str, float]:
    """Return pixels that a job of each rule goes over."""
    study = configuration.task2sim
    made, trained, tasks = study.simulation, study.pretrain, study.tasks
    short = study.evaluate.equal_steps
    rendered = made.images * made.image_size**2 * made.samples
    shown = study.evaluate.image_size or tasks.image_size
    on_tasks = len(tasks.names) * (tasks.most_images or LIMIT) * shown**2
    return {
        "simulate_set": rendered if made.parts == 1 else rendered / 100,
        "simulate_part": rendered / made.parts,
        "pretrain": made.images * trained.epochs * trained.image_size**2,
        "evaluate_set": on_tasks,
        "evaluate_baselines": on_tasks,
        "equal_steps": len(tasks.names) * short.batch_size * shown**2,
    }
