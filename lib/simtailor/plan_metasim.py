"""What the trainings of Meta-Sim take, beside the study's plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from simtailor.config import Configuration, experiment_names, load_experiment
from simtailor.errors import UserError
from simtailor.metasim.cost import most_renders
from simtailor.plan import Rate, Rates

ASSUMED = (
    "Assumed: no training stops early, every match of the search is refined, a target is as hard "
    "as the shipped ones. Beside it come the target's images, figures, and task networks."
)


@dataclass(frozen=True)
class TrainingPlan:
    """The training of an experiment.

    Attributes:
        renders: scenes rendered, about the most. rate: of one, None where none is known.
    """

    experiment: str
    renderer: str
    image_size: int
    renders: int
    rate: Rate | None


def plan_trainings(
    configuration: Configuration, files: Iterable[str | Path], rates: Rates
) -> list[TrainingPlan]:
    """Return the trainings of all experiments that can be read."""
    device, files = configuration.device.partition(":")[0], list(files)
    plans = []
    for name in experiment_names(configuration):
        try:
            experiment = load_experiment(configuration, name, files)
            renders = most_renders(experiment)
        except UserError:  # told where the workflow is planned
            continue
        size = min(experiment.training.image_size, experiment.stage.image_size)
        renderer = experiment.contract.name
        try:
            rate = rates.rate(f"metasim {renderer}", device, size**2 / 1e6)
        except UserError:
            rate = None
        plans.append(TrainingPlan(name, renderer, size, renders, rate))
    return plans


def describe_trainings(plans: Iterable[TrainingPlan]) -> str:
    """Return the trainings as text; minutes of one core or one GPU."""
    lines = [
        "Meta-Sim: the training of each experiment",
        "",
        f"{'experiment':26}{'renderer':12}{'pixels':>8}{'renders, most':>16}{'minutes':>10}  rate",
    ]
    for plan in plans:
        minutes = f"{plan.renders * plan.rate.seconds / 60:,.1f}" if plan.rate else "?"
        basis = plan.rate.basis if plan.rate else "not known: add a row to config/rates.tsv"
        lines.append(
            f"{plan.experiment:26}{plan.renderer:12}{plan.image_size:8}{plan.renders:16,}"
            f"{minutes:>10}  {basis}"
        )
    return "\n".join([*lines, "", ASSUMED])
