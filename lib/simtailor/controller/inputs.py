"""What the workflow needs to know of the controller while it is planned; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from simtailor.evaluate.inputs import evaluation_settings, settings_of_an_evaluation
from simtailor.files import files_state
from simtailor.pretrain.inputs import settings_of_a_backbone
from simtailor.simulation.inputs import settings_of_images, study_settings

if TYPE_CHECKING:
    from simtailor.config import Configuration
    from simtailor.controller.settings import Controller

SCREENING = "screening"  # name of the round whose sets are made of few images


def known_files(configuration: Configuration) -> tuple[str, str]:
    """Return the reward database and the task vectors to learn from."""
    settings = configuration.task2sim.controller
    return (
        settings.reward_db or f"{configuration.results}/task2sim/reward_db.json",
        settings.task_vectors or f"{configuration.results}/task2sim/task_vectors.npz",
    )


def reward_method(configuration: Configuration) -> str:
    """Return the method whose accuracy is the reward."""
    return configuration.task2sim.evaluate.reward


def settings_of_evidence(configuration: Configuration) -> dict[str, Any]:
    """Return as plain values, by key, all that the evaluation of a set on a new task depends on."""
    study = configuration.task2sim
    return {
        "method": reward_method(configuration),
        "seed": configuration.seed,
        "task2sim.evaluate": settings_of_an_evaluation(evaluation_settings(configuration)),
        "task2sim.pretrain": settings_of_a_backbone(study.pretrain),
        "task2sim.simulation": settings_of_images(study_settings(configuration)),
    }


def screened_configuration(configuration: Configuration) -> Configuration:
    """Return the configuration by which sets are screened: with a share of the images."""
    study = configuration.task2sim
    images = round(study.controller.explore.screening.share * study.simulation.images)
    fewer = study.simulation.model_copy(update={"images": max(images, 1), "parts": 1})
    return configuration.model_copy(
        update={"task2sim": study.model_copy(update={"simulation": fewer})}
    )


def rounds(settings: Controller) -> dict[str, int]:
    """Return how many sets each round of the few-shot loop proposes, in order, by its name.

    The round ``SCREENING``, if there is one, proposes sets of few images; the last proposes none.
    """
    explore = settings.explore
    screened = {SCREENING: explore.screening.sets} if explore.screening.sets else {}
    full, rest = divmod(explore.sets, explore.at_once)
    counts = [explore.at_once] * full + ([rest] if rest else [])
    return screened | {str(number): count for number, count in enumerate([*counts, 0])}


def folder_of_evaluations(*, screening: bool) -> str:
    """Return the name of the folder, of a task, with the evaluations of whole or screened sets."""
    return "screened" if screening else "evaluations"


def evidence_state(folder: str | Path) -> str:
    """Return a digest of the evaluations that are there, so that new ones are taken in."""
    return files_state(sorted(Path(folder).glob("*/*_*.json")))
