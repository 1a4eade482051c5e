"""Evaluations of a new task on which the few-shot loop learns: validated here, reported there.

A set is judged on a validation part, cut from the task's training images, and reported on its
test part, which chooses nothing. An evaluation carries all settings that it depends on; after a
change of one it is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.controller.inputs import folder_of_evaluations
from simtailor.errors import UserError
from simtailor.files import read_json, write_json
from simtailor.seeds import generator
from simtailor.tasks.prepared import PreparedTask

VALIDATION = "validation"
VALIDATION_SHARE = 1 / 3  # of the training images
IMAGES = "images of the task"
LISTED = 3


@dataclass(frozen=True)
class Evidence:
    """Accuracies of sets on a task, percent by name of the set.

    Attributes:
        validation: what sets are chosen by.
        test: what they are reported by.
        screened: as ``validation``, of sets with few images.
        dropped: a sentence on evaluations that are not counted; empty if all are.
    """

    validation: dict[str, float]
    test: dict[str, float]
    dropped: str = ""
    screened: dict[str, float] = field(default_factory=dict)


def validation_task(task: PreparedTask, seed: int) -> PreparedTask:
    """Return a task of the training images alone, a third of each class to validate on.

    Raises:
        UserError: no class has two training images.
    """
    labels, random = task.train_labels, generator(seed, VALIDATION, task.name)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held[members[: round(VALIDATION_SHARE * len(members))]] = True
    if not held.any():
        raise UserError(
            f"task '{task.name}': a set is chosen on a third of the training images, and no class "
            "has two of them; add labelled images or lower task2sim.tasks.test_share"
        )
    facts = {**task.facts, "name": f"{task.name}.{VALIDATION}", "title": f"{task.name}, validation"}
    facts |= {"train": int((~held).sum()), "test": int(held.sum())}
    return PreparedTask(
        facts, task.train_images, labels, np.flatnonzero(~held), np.flatnonzero(held)
    )


def write_evidence(
    evaluation: str | Path,
    task: str,
    settings: Mapping[str, Any],
    task_folder: str | Path,
    output: str | Path,
) -> None:
    """Write what an evaluation of a set on a task and its validation part found.

    Args:
        evaluation: file of ``evaluate_set`` for both.
        settings: all that the evaluation depends on, as plain values.
        task_folder: of the prepared task, whose checksums are noted.
    """
    content = read_json(evaluation)
    write_json(
        output,
        {
            "set": content["parameters"],
            "settings": {**settings, IMAGES: images_of(task_folder)},
            "validation": content["tasks"][f"{task}.{VALIDATION}"],
            "test": content["tasks"][task],
        },
    )


def images_of(task_folder: str | Path) -> Any:
    """Return the checksums of a prepared task; None where it is not there."""
    path = Path(task_folder) / "task.json"
    return read_json(path).get("sha256") if path.exists() else None


def read_evidence(
    folder: str | Path,
    settings: Mapping[str, Any],
    screening: Mapping[str, Any],
    task_folder: str | Path,
) -> Evidence:
    """Read the evaluations of a task that were made with the present settings.

    Args:
        folder: of the task; files of ``write_evidence`` are in ``folder_of_evaluations``, which may
            be absent.
        settings: the present ones; ``method`` names whose accuracy counts.
        screening: the same for the sets that are screened.

    Raises:
        UserError: a file is no evaluation.
    """
    whole = _of_folder(Path(folder) / folder_of_evaluations(screening=False), settings, task_folder)
    few = _of_folder(Path(folder) / folder_of_evaluations(screening=True), screening, task_folder)
    dropped = ". ".join(part.dropped for part in (whole, few) if part.dropped)
    return replace(whole, screened=few.validation, dropped=dropped)


def _of_folder(folder: Path, settings: Mapping[str, Any], task_folder: str | Path) -> Evidence:
    now = {**settings, IMAGES: images_of(task_folder)}
    method, validation, test = settings["method"], {}, {}
    other: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*_*.json")):
        try:
            content = read_json(path)
            then = content["settings"]
            changed = [key for key in now if then.get(key) != now[key]]
            if changed:
                other[path.stem] = changed
                continue
            validation[path.stem] = float(content["validation"][method])
            test[path.stem] = float(content["test"][method])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: not an evaluation by '{method}' ({error!r}); delete it and run again"
            ) from error
    return Evidence(validation, test, _dropped(folder, other))


def _dropped(folder: str | Path, other: Mapping[str, list[str]]) -> str:
    if not other:
        return ""
    keys = sorted({key for changed in other.values() for key in changed})
    names = ", ".join([*list(other)[:LISTED], *(["…"] if len(other) > LISTED else [])])
    return (
        f"{folder}: {len(other)} evaluations ({names}) are not counted, for they were made with "
        f"another {', '.join(keys)}; the target results/task2sim/explore/TASK makes them anew"
    )
