"""The few-shot loop: rounds of sets that are proposed together, then a recommendation.

The workflow has a set of each round generated, pre-trained on and evaluated on the task; the next
round is proposed from what all before it showed. Every step is a file: a loop that was killed goes
on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.controller.database import read_study, read_task_vector
from simtailor.controller.evidence import Evidence
from simtailor.controller.policies.transfer import FittedProcess
from simtailor.controller.recommend import Observed, known_study, recommend, write_yaml
from simtailor.controller.settings import Controller
from simtailor.errors import UserError
from simtailor.files import read_json, staged_folder, write_json
from simtailor.tracking import track


def propose_round(
    reward_db: str,
    task_vectors: str,
    vector: str,
    task: str,
    earlier: Sequence[str | Path],
    evidence: Evidence,
    count: int,
    settings: Controller,
    results: str,
    output: str | Path,
    *,
    screening: bool = False,
) -> dict[str, Any]:
    """Choose the sets of a round and write them; return what is written.

    Args:
        earlier: files of the rounds before, in order.
        evidence: at least of all their sets.
        count: sets to propose; 0 recommends only.
        screening: whether the round's sets are made of few images.

    Raises:
        UserError: a file is wrong, or a set of an earlier round was not evaluated.
    """
    study = known_study(read_study(reward_db, task_vectors), task)
    of_task = read_task_vector(vector, task, study)
    process = FittedProcess(study)
    known, screened = _shown_by(task, [read_json(path) for path in earlier], evidence)
    now = recommend(process, task, of_task, known, screened, settings, results)
    observed = Observed.of(study, known, screened)
    found = observed.proposed(process.belief(of_task), count, screening=screening)
    content = {
        "task": task,
        "screening": screening,
        "evaluated": len(known),
        "recommended": now["set"],
        "best_fixed_set": now["best_fixed_set"],
        "expected_gain": now["expected_gain"],
        "sets": [str(study.sets[place]) for place in found],
    }
    write_json(output, content)
    best = {"best_validation": max(known.values())} if known else {}
    track(len(known), {"expected_gain": now["expected_gain"]["points"], **best})
    return content


def _shown_by(
    task: str, rounds: Sequence[Mapping[str, Any]], evidence: Evidence
) -> tuple[dict[str, float], dict[str, float]]:
    """Return what whole sets and screened ones of the rounds gave, percent by name.

    Only what the rounds themselves tried: the same proposals whatever else was evaluated.
    """
    shown: list[dict[str, float]] = []
    for screening, given in ((False, evidence.validation), (True, evidence.screened)):
        of_kind = [step for step in rounds if step["screening"] == screening]
        tried = [name for step in of_kind for name in step["sets"]]
        absent = [name for name in tried if name not in given]
        if absent:
            raise UserError(
                f"explore {task}: {', '.join(absent)} of an earlier round is not evaluated with "
                "the present settings; run the same target again"
            )
        shown.append({name: given[name] for name in tried})
    return shown[0], shown[1]


def write_exploration(
    reward_db: str,
    task_vectors: str,
    vector: str,
    task: str,
    rounds: Sequence[str | Path],
    evidence: Evidence,
    settings: Controller,
    results: str,
    output: str | Path,
) -> dict[str, Any]:
    """Write what was tried and what to use, chosen by validation and reported on the test part.

    Args:
        rounds: files of all rounds, the last of which proposes nothing.

    Returns:
        the content of exploration.json.
    """
    study = known_study(read_study(reward_db, task_vectors), task)
    of_task = read_task_vector(vector, task, study)
    steps = [read_json(path) for path in rounds]
    known, screened = _shown_by(task, steps, evidence)
    tried = list(known)
    recommendation = recommend(
        FittedProcess(study), task, of_task, known, screened, settings, results
    )
    used, fixed = recommendation["set"], recommendation["best_fixed_set"]
    shown = list(dict.fromkeys([*tried, used, fixed]))
    content = {
        "task": task,
        "recommended": used,
        "best_fixed_set": fixed,
        "tried": tried,
        "screened": screened,
        "validation": {name: evidence.validation[name] for name in shown},
        "test": {name: evidence.test[name] for name in shown},
        "gain_on_test": evidence.test[used] - evidence.test[fixed],
        "noise_of_an_evaluation": recommendation["noise_of_an_evaluation"],
        "rounds": steps,
    }
    content["verdict"] = _verdict(content)
    # A round draws nothing, and matplotlib takes longer to import than a round.
    from simtailor.figures.controller import exploration_figure  # noqa: PLC0415

    with staged_folder(output) as folder:
        write_json(folder / "exploration.json", content)
        write_yaml(folder / "recommendation.yaml", recommendation)
        exploration_figure(content, folder / "exploration.png")
    return content


def _verdict(content: Mapping[str, Any]) -> str:
    used, fixed, test = content["recommended"], content["best_fixed_set"], content["test"]
    words = f"use {used}: {test[used]:.1f} % on the test part, which did not choose it"
    if used == fixed:
        return f"{words}; it is the best fixed set, and no other was found that is better"
    gain, error = content["gain_on_test"], np.sqrt(2) * content["noise_of_an_evaluation"]
    return (
        f"{words}; the best fixed set {fixed} gives {test[fixed]:.1f} % ({gain:+.1f} points, with "
        f"a standard error of {error:.1f} from one evaluation of each)"
    )
