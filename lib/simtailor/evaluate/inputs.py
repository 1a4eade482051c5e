"""What the workflow needs to know of the evaluation while it is planned; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simtailor.errors import UserError, nearest_name
from simtailor.evaluate.evidence import digest_of
from simtailor.evaluate.settings import Evaluate
from simtailor.pretrain.inputs import settings_of_a_backbone
from simtailor.simulation.inputs import settings_of_images, study_settings

if TYPE_CHECKING:
    from simtailor.config import Configuration


def repeated_sets(sets: Sequence[str], count: int, seeds: int, seed: int = 0) -> list[str]:
    """Return the names of the backbones that are trained again, ``.seedN`` behind the set's.

    The sets are spread evenly over the study's list, its ends included.

    Args:
        count: how many sets; seeds: how often each.
        seed: of the study; the repeats have the ones that follow it.
    """
    others = range(seed + 1, seed + seeds + 1)
    return [f"{name}.seed{other}" for name in spread(sets, count) for other in others]


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """Return so many of the items, all if there are fewer, evenly from the first to the last."""
    count = min(count, len(items))
    return [items[round(i * (len(items) - 1) / max(count - 1, 1))] for i in range(count)]


def evaluation_settings(configuration: Configuration) -> Evaluate:
    """Return the settings of the evaluation with the size of the images filled in."""
    settings = configuration.task2sim.evaluate
    size = settings.image_size or configuration.task2sim.tasks.image_size
    return settings.model_copy(update={"image_size": size})


def check_task_names(settings: Evaluate, known: Sequence[str]) -> None:
    """Check that what is set by task is set for tasks that there are.

    Raises:
        UserError: a name is none of the ``known`` ones.
    """
    for method in ("linear", "finetune"):
        for name in getattr(settings, method).by_task:
            if name not in known:
                raise UserError(
                    f"task2sim.evaluate.{method}.by_task: there is no task '{name}'; give names of "
                    f"the table of tasks or of task2sim.tasks.extra.{nearest_name(name, known)}"
                )


def settings_of_an_evaluation(settings: Evaluate) -> dict[str, Any]:
    """Return as plain values what the evaluation of a set depends on."""
    used = {"methods", "image_size", "centre", *settings.methods}
    values = settings.model_dump(mode="json", include=used)
    return values | {"reward": settings.methods[0]}  # which it is decides nothing here


def reported_methods(settings: Evaluate) -> list[str]:
    """Return the methods that stand in the results, the reward's first."""
    return [settings.reward, *(m for m in settings.methods if m != settings.reward)]


def settings_of_equal_steps(settings: Evaluate) -> dict[str, Any]:
    """Return as plain values what the trainings at equal steps depend on."""
    return settings.model_dump(mode="json", include={"image_size", "few_labels", "equal_steps"})


def pairs_at_equal_steps(sets: Sequence[str], settings: Evaluate) -> dict[str, int]:
    """Return the number of its pair by the name of each start: a backbone, or ``scratchN``."""
    chosen = spread(sets, max(settings.equal_steps.starts.values(), default=0))
    return {
        name: pair for pair, backbone in enumerate(chosen) for name in (backbone, f"scratch{pair}")
    }


def evidence_digest(configuration: Configuration) -> str:
    """Return a digest of the settings that an evaluation depends on, whatever its set and task.

    An evaluation holds it; one of other settings does not count. More sets, tasks or cores
    change nothing in it.
    """
    study = configuration.task2sim
    return digest_of(
        settings_of_images(study_settings(configuration)),
        settings_of_a_backbone(study.pretrain),
        study.tasks.model_dump(mode="json", include={"image_size", "most_images", "test_share"}),
        settings_of_an_evaluation(evaluation_settings(configuration)),
        configuration.seed,
    )


def present_evaluations(folder: str, backbones: Iterable[str]) -> list[str]:
    """Return those of the files ``FOLDER/{backbone}.json`` that are there."""
    return [f"{folder}/{name}.json" for name in backbones if Path(folder, f"{name}.json").exists()]
