"""Parameters for a new task: what to use, what it should gain, what to try next, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.stats import norm

from simtailor.controller.belief import Belief
from simtailor.controller.database import Study, read_study, read_task_vector
from simtailor.controller.distances import symmetric
from simtailor.controller.policies.transfer import FittedProcess
from simtailor.controller.settings import Controller
from simtailor.errors import UserError
from simtailor.files import read_json, staged
from simtailor.simulation.parameters import SimulationParameters

NEAREST = 3
NORMAL_95 = 1.96


def read_evaluations(results: str | Path, task: str, method: str) -> dict[str, float]:
    """Return the accuracy, percent, of every set that was evaluated on a task.

    What the few-shot loop has noted by this method counts too: a later run of the workflow for
    the study's own tasks may leave the new task out of the evaluations.

    Args:
        results: folder of the results.
        method: of the evaluation, such as ``knn``.

    Raises:
        UserError: a file is no evaluation.
    """
    noted = exploration_file(results, task)
    content = read_json(noted) if noted.exists() else {}
    found = dict(content["evaluations"]) if content.get("method") == method else {}
    for path in sorted((Path(results) / "task2sim/evaluations").glob("*_*.json")):
        try:
            content = read_json(path)
            of_task = content["tasks"].get(task)
            # Repeats of a set with other seeds bear another name than its own.
            if of_task is not None and path.stem == str(SimulationParameters.parse(path.stem)):
                found[path.stem] = float(of_task[method])
        except UserError:
            continue
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: not an evaluation by '{method}' ({error!r}); delete it and run again"
            ) from error
    return found


def exploration_file(results: str | Path, task: str) -> Path:
    """Return the file in which the few-shot loop notes what it tried on a task."""
    return Path(results) / "task2sim/explore" / f"{task}.json"


def believe(
    process: FittedProcess, vector: np.ndarray, evaluations: Mapping[str, float]
) -> tuple[Belief, np.ndarray]:
    """Return the belief of a task after its evaluations, and which sets they tried.

    Args:
        evaluations: percent by name of the set; sets that the study lacks are ignored.

    Returns:
        the belief and bool [S].
    """
    names = [str(parameters) for parameters in process.study.sets]
    places = [place for place, name in enumerate(names) if name in evaluations]
    tried = np.zeros(len(names), bool)
    tried[places] = True
    rewards = np.array([evaluations[names[place]] for place in places])
    return process.belief(vector).observe(np.array(places, int), rewards), tried


def propose(
    study: Study, vector: np.ndarray, evaluations: Mapping[str, float]
) -> tuple[str, str | None]:
    """Return the recommended set of a new task and the one to try next.

    Args:
        vector: float64 [F], of the task.
        evaluations: percent by name of the set, seen on the task so far.

    Returns:
        names; the second is None where every set was tried.
    """
    belief, tried = believe(FittedProcess(study), vector, evaluations)
    recommended = str(study.sets[belief.best()])
    return recommended, None if tried.all() else str(study.sets[belief.next(tried)])


def recommend(
    study: Study,
    task: str,
    vector: np.ndarray,
    evaluations: Mapping[str, float],
    settings: Controller,
    results: str,
) -> dict[str, Any]:
    """Return the recommendation for a task as plain values.

    Args:
        vector: float64 [F]; evaluations: percent by set, may be empty.
        results: folder of the results, for the commands.
    """
    if task in study.tasks:  # what is known of the task itself is evaluation, not a neighbour
        place = study.tasks.index(task)
        own = zip(study.sets, study.rewards[place], strict=True)
        evaluations = {**{str(s): r for s, r in own if not np.isnan(r)}, **evaluations}
        study = study.without(place)
    process = FittedProcess(study)
    belief, tried = believe(process, vector, evaluations)
    fixed, best = int(process.mean.argmax()), belief.best()
    gain, spread, chance = _gain(belief, best, fixed)
    distances = symmetric(vector[None], study.vectors)[0]
    reasons = _reasons_to_abstain(study, distances, chance, belief, settings, best == fixed)
    use = fixed if reasons else best
    name = str(study.sets[use])
    following = None if tried.all() else str(study.sets[belief.next(tried)])
    return {
        "task": task,
        "set": name,
        "parameters": study.sets[use].as_dict(),
        "abstained": bool(reasons),
        "why": "; ".join(reasons) or _reason(belief, best == fixed),
        "best_fixed_set": str(study.sets[fixed]),
        "expected_gain": {
            "set": str(study.sets[best]),
            "points": round(gain, 3),
            "interval_95": [
                round(gain - NORMAL_95 * spread, 3),
                round(gain + NORMAL_95 * spread, 3),
            ],
            "probability_of_gain": round(chance, 3),
        },
        "evaluations": {s: round(float(r), 4) for s, r in sorted(evaluations.items())},
        "try_next": following,
        "nearest_tasks": [
            {"task": study.tasks[p], "distance": round(float(distances[p]), 4)}
            for p in distances.argsort(kind="stable")[:NEAREST]
        ],
        "commands": {
            "set": f"./run snakemake --cores 8 {results}/task2sim/sets/{name}",
            "backbone": f"./run snakemake --cores 8 {results}/task2sim/backbones/{name}",
        },
    }


def _gain(belief: Belief, best: int, fixed: int) -> tuple[float, float, float]:
    """Return mean, spread and probability of a gain of one set over another."""
    mean, spread = belief.gain(best, fixed)
    chance = float(norm.cdf(mean / spread)) if spread > 0 else float(mean > 0)
    return mean, spread, chance


def _reasons_to_abstain(
    study: Study,
    distances: np.ndarray,
    chance: float,
    belief: Belief,
    settings: Controller,
    same: bool,
) -> list[str]:
    """Say why the best fixed set is used instead of a better expected one; empty if it is not."""
    if same:
        return []
    reasons = []
    between = symmetric(study.vectors, study.vectors)
    np.fill_diagonal(between, np.inf)
    farthest = between.min(axis=1).max()
    if belief.evaluated == 0 and distances.min() > farthest:
        reasons.append(
            f"the nearest known task is {distances.min():.3f} away, farther than any known task "
            f"is from its own nearest ({farthest:.3f})"
        )
    if chance < settings.abstain_below:
        reasons.append(
            f"the expected best set beats the best fixed one with a probability of {chance:.2f}, "
            f"below task2sim.controller.abstain_below ({settings.abstain_below:g})"
        )
    return reasons


def _reason(belief: Belief, same: bool) -> str:
    source = f"{belief.evaluated} evaluations and the known tasks" if belief.evaluated else (
        "the known tasks"
    )  # fmt: skip
    if same:
        return f"from {source}, the best fixed set is expected to be the best of all"
    return f"from {source}, this set has the highest expected accuracy"


def write_recommendation(
    reward_db: str,
    task_vectors: str,
    vector: str,
    method: str,
    task: str,
    settings: Controller,
    results: str,
    output: str,
) -> dict[str, Any]:
    """Read what is known, recommend, and write the YAML file; return its content.

    Args:
        vector: npz with the task's vector; method: whose accuracy counts, such as ``knn``.
        results: folder of the results, in which evaluations of the task are looked for.

    Raises:
        UserError: a file is wrong.
    """
    study = read_study(reward_db, task_vectors)
    known = read_evaluations(results, task, method)
    of_task = read_task_vector(vector, task, study)
    content = recommend(study, task, of_task, known, settings, results)
    with staged(output) as staging:
        staging.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return content
