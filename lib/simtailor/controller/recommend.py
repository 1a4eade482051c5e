"""Parameters for a new task: what to use, what it should gain, what to try next, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.special import ndtr

from simtailor.controller.belief import NORMAL_95, Belief
from simtailor.controller.database import Study, read_study, read_task_vector
from simtailor.controller.evidence import Evidence
from simtailor.controller.policies.transfer import FittedProcess
from simtailor.controller.settings import Controller
from simtailor.files import staged
from simtailor.task2vec.distances import symmetric, unit

NEAREST = 3


def known_study(study: Study, task: str) -> Study:
    """Return the study without a task, where it is one of its own."""
    return study.without(study.tasks.index(task)) if task in study.tasks else study


@dataclass(frozen=True)
class Observed:
    """Evaluations of a task as a belief takes them.

    Attributes:
        places: of the sets, int64 [n]; rewards: percent, float64 [n].
        screened: bool [n], those of sets with few images.
    """

    places: np.ndarray
    rewards: np.ndarray
    screened: np.ndarray

    @classmethod
    def of(
        cls, study: Study, evaluations: Mapping[str, float], screened: Mapping[str, float]
    ) -> Observed:
        """Take evaluations in percent by name of the set; sets that the study lacks are ignored."""
        places = {str(parameters): place for place, parameters in enumerate(study.sets)}
        known = [
            (place, given[name], few)
            for given, few in ((evaluations, False), (screened, True))
            for name, place in places.items()
            if name in given
        ]
        columns = list(zip(*known, strict=True)) or [(), (), ()]
        kinds = (np.int64, np.float64, np.bool_)
        return cls(*(np.array(c, kind) for c, kind in zip(columns, kinds, strict=True)))

    def believed(self, prior: Belief) -> Belief:
        """Return the belief after them."""
        return prior.observe(self.places, self.rewards, self.screened)

    def proposed(self, prior: Belief, count: int, *, screening: bool = False) -> list[int]:
        """Return places of the sets to try next, whole or with few images."""
        none = np.zeros(len(prior.shape), bool)
        return prior.propose(
            self.places, self.rewards, none, count, self.screened, screening=screening
        )


def recommend(
    process: FittedProcess,
    task: str,
    vector: np.ndarray,
    evaluations: Mapping[str, float],
    screened: Mapping[str, float],
    settings: Controller,
    results: str,
) -> dict[str, Any]:
    """Return the recommendation for a task as plain values.

    Args:
        process: fitted to other tasks.
        vector: float64 [F].
        evaluations, screened: percent by set, whole and with few images; may be empty.
        results: folder of the results, for the commands.
    """
    study, prior = process.study, process.belief(vector)
    observed = Observed.of(study, evaluations, screened)
    belief = observed.believed(prior)
    fixed, best = int(process.mean.argmax()), belief.best()
    gain, spread, chance = _gain(belief, best, fixed)
    distances = symmetric(unit(vector[None]), process.directions)[0]
    reasons = _reasons_to_abstain(process, distances, chance, belief, settings, best == fixed)
    use = fixed if reasons else best
    name = str(study.sets[use])
    following = observed.proposed(prior, 1)
    return {
        "task": task,
        "set": name,
        "parameters": study.sets[use].as_dict(),
        "abstained": bool(reasons),
        "why": "; ".join(reasons) or _reason(belief, best == fixed, task, results),
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
        "screened": {s: round(float(r), 4) for s, r in sorted(screened.items())},
        "noise_of_an_evaluation": round(belief.noise_of_an_evaluation(), 3),
        "try_next": str(study.sets[following[0]]) if following else None,
        "nearest_tasks": [
            {"task": study.tasks[p], "distance": round(float(distances[p]), 4)}
            for p in distances.argsort(kind="stable")[:NEAREST]
        ],
        "commands": {
            "set": f"./run snakemake --cores 8 {results}/task2sim/sets/{name}",
            "backbone": f"./run snakemake --cores 8 {results}/task2sim/backbones/{name}",
            "explore": f"./run snakemake --cores 8 {results}/task2sim/explore/{task}",
        },
    }


def _gain(belief: Belief, best: int, fixed: int) -> tuple[float, float, float]:
    """Return mean, spread and probability of a gain of one set over another."""
    mean, spread = belief.gain(best, fixed)
    chance = float(ndtr(mean / spread)) if spread > 0 else float(mean > 0)
    return mean, spread, chance


def _reasons_to_abstain(
    process: FittedProcess,
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
    between = process.distances.copy()
    np.fill_diagonal(between, np.inf)
    farthest = between.min(axis=1).max()
    if not belief.evaluated and not belief.screened and distances.min() > farthest:
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


def _reason(belief: Belief, same: bool, task: str, results: str) -> str:
    if belief.evaluated or belief.screened:
        few = f", {belief.screened} with few images" if belief.screened else ""
        source = f"from {belief.evaluated} evaluations{few} and the known tasks"
        if same:
            return f"{source}, the best fixed set is expected to be the best of all"
        return f"{source}, this set has the highest expected accuracy"
    if same:
        return (
            "the task's vector gives no reason to leave the best fixed set, the one that serves "
            "the known tasks best: nothing here is tailored to the task. Evaluations on the task "
            f"itself may find a better one: {results}/task2sim/explore/{task}"
        )
    return "from the known tasks, this set has the highest expected accuracy"


def write_recommendation(
    reward_db: str,
    task_vectors: str,
    vector: str,
    task: str,
    evidence: Evidence,
    settings: Controller,
    results: str,
    other_evidence: str,
    output: str,
) -> dict[str, Any]:
    """Read what is known, recommend, and write the YAML file; return its content.

    Args:
        vector: npz with the task's vector.
        evidence: evaluations on the task; those of the database count too, where it has it.
        results: folder of the results, for the commands.
        other_evidence: a sentence where the database was made with other settings; may be empty.

    Raises:
        UserError: a file is wrong.
    """
    whole = read_study(reward_db, task_vectors)
    study = known_study(whole, task)
    evaluations = dict(evidence.validation)
    if task in whole.tasks and not evaluations:  # not both: they are of different images
        own = whole.rewards[whole.tasks.index(task)]
        evaluations = {
            str(s): float(r) for s, r in zip(whole.sets, own, strict=True) if not np.isnan(r)
        }
    of_task = read_task_vector(vector, task, study)
    content = recommend(
        FittedProcess(study), task, of_task, evaluations, evidence.screened, settings, results
    )
    content["learned_from"] = reward_db
    if other_evidence:
        content["other_evidence"] = other_evidence
    if evidence.dropped:
        content["not_counted"] = evidence.dropped
    write_yaml(output, content)
    return content


def write_yaml(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write plain values as YAML, in their order."""
    with staged(path) as staging:
        staging.write_text(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))
