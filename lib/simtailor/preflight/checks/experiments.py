"""Grammars, target folders, renderers and weights of the experiments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from simtailor.config import experiment_names, load_experiment
from simtailor.errors import UserError, first_of
from simtailor.metasim.inputs import checked_features, checked_grammars, folder_state
from simtailor.metasim.settings import Experiment
from simtailor.preflight.asked import Asked
from simtailor.preflight.findings import Finding, check, missing, ok, unknown

NAMED = 8


@check("experiments")
def experiments(asked: Asked) -> Iterator[Finding]:
    """Read every experiment as a run would."""
    fine = []
    for name in experiment_names(asked.configuration):
        try:
            experiment = load_experiment(asked.configuration, name, asked.files)
            checked_grammars(experiment)
            checked_features(experiment)
            folder_state(experiment.target)
        except UserError as error:
            yield missing(f"{name}: {error}")
            continue
        fine.append(name)
        yield from _weights(name, experiment)
    if fine:
        yield ok(f"{len(fine)} can run: {first_of(fine, NAMED)}")


def _weights(name: str, experiment: Experiment) -> Iterator[Finding]:
    features = experiment.features
    if features.of_network and features.weights == "hub":
        yield unknown(
            f"{name}: timm downloads the weights of {features.model} when they are not there yet",
            "Where jobs have no network, fetch them before: ./run python -c "
            f"\"import timm; timm.create_model('{features.model}', pretrained=True)\"",
        )


@check("tasks")
def tasks(asked: Asked) -> Iterator[Finding]:
    """Look for the images of the study's tasks."""
    from simtailor.tasks.prepare import source_state  # noqa: PLC0415  decodes images
    from simtailor.tasks.table import find_task  # noqa: PLC0415

    settings, fine = asked.configuration.task2sim.tasks, []
    for name in asked.tasks:
        made = Path(asked.configuration.work, "task2sim/tasks", name)
        try:
            if not made.is_dir():
                source_state(find_task(settings, name), asked.configuration.resources)
        except UserError as error:
            yield missing(f"task '{name}': {error}")
            continue
        fine.append(name)
    if fine:
        yield ok(f"{len(fine)} of {len(asked.tasks)} can be made: {first_of(fine, NAMED)}")
