"""The reward database and the task vectors, read and checked together."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simtailor.controller.noise import entries_file, estimated_noise, read_noise
from simtailor.errors import UserError, nearest_name
from simtailor.simulation.parameters import PARAMETER_NAMES, SimulationParameters

FEWEST_TASKS, FEWEST_SETS = 3, 2
MOST_NOISE = 0.95  # share of a task's variance; noise may outweigh it by chance
LISTED = 5  # of what is missing, so many are named


@dataclass(frozen=True)
class Study:
    """Tasks whose reward on simulated sets is known.

    Attributes:
        tasks: names.
        vectors: float64 [T, F], task vectors as they were measured (no sign is negative).
        rewards: float64 [T, S], accuracy in percent; NaN where it was not measured.
        sets: parameters of the sets, in the order of the columns.
        errors: float64 [T, 2], percent, the standard errors of a reward and of a single
            evaluation of each task; estimated from the rewards where they are not given.
    """

    tasks: tuple[str, ...]
    vectors: np.ndarray
    rewards: np.ndarray
    sets: tuple[SimulationParameters, ...]
    errors: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.errors is None:
            found = estimated_noise(self.rewards, self.values()[1])
            object.__setattr__(self, "errors", np.stack([found, found], axis=1))

    def choose(self, places: Sequence[int]) -> Study:
        """Return the tasks at some places."""
        places = list(places)
        tasks = tuple(self.tasks[place] for place in places)
        return Study(
            tasks, self.vectors[places], self.rewards[places], self.sets, self.errors[places]
        )

    def without(self, place: int) -> Study:
        """Return all tasks but one."""
        return self.choose([p for p in range(len(self.tasks)) if p != place])

    def values(self) -> tuple[list[str], np.ndarray]:
        """Return the names of the parameters that vary over the sets, and their values.

        Returns:
            names, P of them, and int64 [S, P], each parameter's values counted from 0.
        """
        raw = np.array([parameters.as_tuple() for parameters in self.sets])
        columns = [p for p in range(raw.shape[1]) if len(set(raw[:, p])) > 1]
        counted = [np.unique(raw[:, p], return_inverse=True)[1] for p in columns]
        return [PARAMETER_NAMES[p] for p in columns], np.stack(counted, axis=1).astype(np.int64)

    def choose_sets(self, kept: np.ndarray) -> Study:
        """Return the same tasks with some of the sets, bool [S]."""
        sets = tuple(p for p, keep in zip(self.sets, kept, strict=True) if keep)
        return Study(self.tasks, self.vectors, self.rewards[:, kept], sets, self.errors)

    def noise_shares(self) -> np.ndarray:
        """Return the share of noise in the variance of each task's rewards: [T], below 1."""
        return self._shares(self.errors[:, 0])

    def noise_of_one(self) -> float:
        """Return the variance of one evaluation of a new task, in squared spreads of rewards.

        That of the middle one of the known tasks.
        """
        return float(np.median(self._shares(self.errors[:, 1])))

    def _shares(self, errors: np.ndarray) -> np.ndarray:
        spreads = self.standardised()[2]
        return np.clip((errors / spreads) ** 2, 0, MOST_NOISE)

    def missing(self) -> dict[str, list[str]]:
        """Return by task the names of the sets whose reward is not known."""
        gaps = {
            task: [str(p) for p, gap in zip(self.sets, np.isnan(row), strict=True) if gap]
            for task, row in zip(self.tasks, self.rewards, strict=True)
        }
        return {task: names for task, names in gaps.items() if names}

    def standardised(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rewards without gaps, of mean 0 and spread 1 in every task.

        A gap gets the mean of what the other tasks say of that set.

        Returns:
            float64 [T, S], and means and spreads of the tasks, float64 [T], in percent.
        """
        means = np.nanmean(self.rewards, axis=1)
        spreads = np.nanstd(self.rewards, axis=1)
        spreads[spreads == 0] = 1  # a task that all sets serve alike
        scores = (self.rewards - means[:, None]) / spreads[:, None]
        gaps = np.isnan(scores)
        count = np.maximum((~gaps).sum(axis=0), 1)
        others = np.where(gaps, 0, scores).sum(axis=0) / count
        return np.where(gaps, others, scores), means, spreads


def read_study(reward_db: str | Path, task_vectors: str | Path) -> Study:
    """Read a reward database and its tasks' vectors, in the published formats.

    ``entries.json`` in the folder of the database's name, if it is there, says how exact the
    rewards are.

    Args:
        reward_db: JSON, ``{task: {set name: percent}}``; a task may lack sets.
        task_vectors: npz, one array a task; vectors of other tasks are ignored.

    Raises:
        UserError: a file cannot be read, a number is wrong, or a task has no vector.
    """
    rewards = _read_rewards(Path(reward_db))
    vectors = read_vectors(task_vectors)
    absent = [task for task in rewards if task not in vectors]
    if absent:
        raise UserError(
            f"{task_vectors}: no vector of the tasks {', '.join(absent)}, whose rewards are in "
            f"{reward_db}.{nearest_name(absent[0], vectors)} Known: {', '.join(vectors)}."
        )
    names = sorted({name for row in rewards.values() for name in row}, key=_order)
    stated = entries_file(reward_db)
    table = np.array([[row.get(name, np.nan) for name in names] for row in rewards.values()])
    return Study(
        tuple(rewards),
        np.stack([vectors[task] for task in rewards]),
        table,
        tuple(SimulationParameters.parse(name) for name in names),
        read_noise(stated, rewards) if stated.exists() else None,
    )


def _order(name: str) -> tuple[int, ...]:
    return SimulationParameters.parse(name).as_tuple()


def _read_rewards(path: Path) -> dict[str, dict[str, float]]:
    content = _json(path)
    if not isinstance(content, Mapping) or len(content) < FEWEST_TASKS:
        raise UserError(
            f"{path}: expected rewards of at least {FEWEST_TASKS} tasks, {{task: {{set: percent}}}}"
        )
    for task, row in content.items():
        if not isinstance(row, Mapping) or len(row) < FEWEST_SETS:
            raise UserError(
                f"{path}: task '{task}' needs the rewards of at least {FEWEST_SETS} sets"
            )
        for name, value in row.items():
            _check_reward(path, task, name, value)
    if max(value for row in content.values() for value in row.values()) <= 1:
        raise UserError(
            f"{path}: no reward is above 1: these look like shares from 0 to 1; give accuracies in "
            "percent, from 0 to 100"
        )
    return {task: dict(row) for task, row in content.items()}


def _check_reward(path: Path, task: str, name: str, value: object) -> None:
    try:
        SimulationParameters.parse(name)
    except UserError as error:
        raise UserError(f"{path}: task '{task}': {error}") from None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= 100:
        raise UserError(
            f"{path}: task '{task}', set '{name}': {value!r} is no percentage from 0 to 100; "
            "leave the set out if it was not measured"
        )


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot read this file as JSON: {error}") from error


def read_vectors(path: str | Path) -> dict[str, np.ndarray]:
    """Read task vectors, float64 [F] by task.

    Raises:
        UserError: the file cannot be read, or a vector is not finite, negative, zero or of
            another length.
    """
    vectors = _arrays(path)
    if not vectors:
        raise UserError(f"{path}: holds no task vector")
    length = next(iter(vectors.values())).size
    for task, vector in vectors.items():
        if vector.shape != (length,):
            raise UserError(
                f"{path}: the vector of '{task}' has shape {vector.shape}, expected ({length},): "
                "all must come from the same probe network"
            )
        _check_vector(path, task, vector)
    return vectors


def read_task_vector(path: str | Path, task: str, study: Study) -> np.ndarray:
    """Read one task's vector, float64 [F], from the file that the workflow made of it.

    Args:
        study: the known tasks, with whose vectors it is compared.

    Raises:
        UserError: the file cannot be read, or its vector is wrong or of another length.
    """
    vectors = _arrays(path, only="values")
    if "values" not in vectors:
        raise UserError(f"{path}: holds no vector of '{task}'; delete the file and make it anew")
    vector = vectors["values"]
    if vector.shape != study.vectors.shape[1:]:
        raise UserError(
            f"{path}: the task vector of '{task}' has {vector.size} entries, those of the known "
            f"tasks {study.vectors.shape[1]}: compute all with the same probe network "
            "(task2sim.task2vec)"
        )
    _check_vector(path, task, vector)
    return vector


def _arrays(path: str | Path, only: str | None = None) -> dict[str, np.ndarray]:
    """Read the arrays of an npz file, or one of them, in double precision."""
    try:
        with np.load(path, allow_pickle=False) as content:
            names = [name for name in content.files if only in (None, name)]
            return {name: np.asarray(content[name], np.float64) for name in names}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot read this file as npz of task vectors: {error}") from error


def _check_vector(path: str | Path, task: str, vector: np.ndarray) -> None:
    if not np.isfinite(vector).all() or (vector < 0).any() or not vector.any():
        raise UserError(
            f"{path}: the vector of '{task}' must hold finite numbers, none negative and "
            "not all zero: compute it again"
        )


def describe_missing(study: Study) -> list[str]:
    """Return one line for each task that lacks rewards of some sets."""
    return [
        f"{task}: {len(names)} of {len(study.sets)} sets missing "
        f"({', '.join(names[:LISTED])}{', …' if len(names) > LISTED else ''})"
        for task, names in study.missing().items()
    ]


def split_tasks(study: Study, unseen: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the places of the tasks to learn from and of those held out.

    Raises:
        UserError: a name is of no task, or too few are left to learn from.
    """
    for name in unseen:
        if name not in study.tasks:
            raise UserError(
                f"task2sim.controller.unseen: no rewards of a task '{name}'."
                f"{nearest_name(name, study.tasks)} Known: {', '.join(study.tasks)}."
            )
    held_out = [place for place, task in enumerate(study.tasks) if task in unseen]
    known = [place for place, task in enumerate(study.tasks) if task not in unseen]
    if len(known) < 2:
        raise UserError("task2sim.controller.unseen: leave at least two tasks to learn from")
    return known, held_out
