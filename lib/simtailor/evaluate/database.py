"""What was measured in a study, read from the files of its evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.errors import UserError
from simtailor.evaluate.noise import Entry, entries
from simtailor.files import read_json
from simtailor.simulation.names import set_of

BASELINES = ("raw_pixels", "random_on", "random_off", "imagenet")


@dataclass(frozen=True)
class Pairs:
    """Trainings at equal steps on a task: by number of steps, percent of each pair.

    Attributes:
        fine_tuned, scratch: float64 [pairs], of the same pairs in the same order.
    """

    fine_tuned: dict[int, np.ndarray]
    scratch: dict[int, np.ndarray]


@dataclass(frozen=True)
class StudyResults:
    """Accuracies in percent by one method.

    Attributes:
        method: by which backbones were judged.
        sets: by task and set, float64 [seeds, episodes].
        images: by task, the number of images that test.
        chances: by task, ``chance`` and ``majority``.
        baselines: by task and name of a baseline, float64 [seeds, episodes].
        pairs: by task; empty where none was trained.
        outdated: files that hold evaluations of other settings, which do not count.
    """

    method: str
    sets: dict[str, dict[str, np.ndarray]]
    images: dict[str, int]
    chances: dict[str, dict[str, float]]
    baselines: dict[str, dict[str, np.ndarray]]
    pairs: dict[str, Pairs]
    outdated: tuple[str, ...]

    def missing(self, sets: Sequence[str], tasks: Sequence[str]) -> dict[str, list[str]]:
        """Return, by set, the tasks that it was not evaluated on; empty if complete."""
        absent = {
            name: [task for task in tasks if name not in self.sets.get(task, {})] for name in sets
        }
        return {name: names for name, names in absent.items() if names}

    def ordered(self, sets: Sequence[str], tasks: Sequence[str]) -> StudyResults:
        """Return the same with tasks and sets of a study only, in the study's order."""
        chosen = {
            task: {name: self.sets[task][name] for name in sets if name in self.sets[task]}
            for task in tasks
            if task in self.sets
        }
        return replace(self, sets={task: found for task, found in chosen.items() if found})

    def entries(self) -> dict[str, dict[str, Entry]]:
        """Return mean, standard error and numbers by task and set."""
        return {task: entries(found, self.images[task]) for task, found in self.sets.items()}

    def rewards(self) -> dict[str, dict[str, float]]:
        """Return the means by task and set, the published format."""
        return {
            task: {name: float(rows.mean()) for name, rows in found.items()}
            for task, found in self.sets.items()
        }


def read_results(
    method: str,
    evaluations: Iterable[str | Path],
    baselines: str | Path | None,
    equal_steps: Iterable[str | Path],
    evidence: str,
) -> StudyResults:
    """Read what ``evaluate_set``, ``evaluate_baselines`` and ``train_at_equal_steps`` wrote.

    Args:
        evaluations: of sets, and of repeats by their name's suffix.
        evidence: digest of the study's settings; evaluations of others do not count.

    Raises:
        UserError: a file is not what it should be.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = {}  # task, set, name of the repeat
    images: dict[str, int] = {}
    outdated = []
    for path in sorted(map(str, evaluations)):
        content = _content(path)
        try:
            if content["evidence"] != evidence:
                outdated.append(path)
                continue
            name = content["parameters"]
            images |= content["images"]
            for task, percents in content["episodes"].items():
                of_set = found.setdefault(task, {}).setdefault(set_of(name), {})
                of_set[name] = percents[method]
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: not an evaluation by '{method}' ({error!r}); delete it and run again"
            ) from error
    sets = {
        task: {
            name: np.array([percents[repeat] for repeat in sorted(percents)])
            for name, percents in by_set.items()
            if name in percents
        }
        for task, by_set in found.items()
    }
    known = _content(baselines)["tasks"] if baselines else {}
    return StudyResults(
        method,
        sets,
        images,
        {task: {name: row[name] for name in ("chance", "majority")} for task, row in known.items()},
        {task: _of_method(row, method) for task, row in known.items()},
        _pairs([_content(path) for path in equal_steps]),
        tuple(outdated),
    )


def _of_method(row: dict[str, Any], method: str) -> dict[str, np.ndarray]:
    """Return the baselines of a task that were judged by a method."""
    return {
        name: np.array([percents[method] for percents in row[name]])
        for name in BASELINES
        if all(method in percents for percents in row[name])
    }


def _pairs(files: Sequence[dict[str, Any]]) -> dict[str, Pairs]:
    """Return by task the pairs of which both are there."""
    parts: tuple[dict, dict] = ({}, {})
    for content in files:
        scratch = content["start"].startswith("scratch")
        for task, percents in content["tasks"].items():
            for steps, percent in percents.items():
                of_steps = parts[scratch].setdefault(task, {}).setdefault(int(steps), {})
                of_steps[content["pair"]] = percent
    found = {}
    for task in parts[0].keys() & parts[1].keys():
        fine_tuned, scratch = parts[0][task], parts[1][task]
        both = {
            steps: sorted(fine_tuned[steps].keys() & scratch[steps].keys())
            for steps in sorted(fine_tuned.keys() & scratch.keys())
        }
        found[task] = Pairs(
            *(
                {steps: np.array([part[steps][p] for p in pairs]) for steps, pairs in both.items()}
                for part in (fine_tuned, scratch)
            )
        )
    return found


def _content(path: str | Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot read this evaluation ({error}); delete it and run again"
        ) from error
