"""Comparison of the policies: published split, leave-one-task-out, few evaluations.

Nothing is tuned on the tasks that are reported: a policy sees the task that it is asked about
only as a vector, and what it chooses for itself it chooses inside its training tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from simtailor.controller.comparison import assemble
from simtailor.controller.database import Study, split_tasks
from simtailor.controller.few_shot import chosen, try_sets
from simtailor.controller.parts import FEW_SHOT, LEFT_OUT, SPLIT, Part
from simtailor.controller.policies import find_policy
from simtailor.controller.policies.learned import LearnedScores
from simtailor.controller.settings import Controller
from simtailor.files import read_json, write_json

CODE = Path(__file__).parent  # of the policies and their evaluation


def evaluate(
    study: Study,
    settings: Controller,
    *,
    seed: int,
    threads: int,
    cache: str | Path,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Train and compare all policies.

    Args:
        threads: processes side by side.
        cache: folder in which finished parts are kept, so that a killed run goes on.

    Returns:
        the content of evaluation.json, and under ``curve`` the rewards while training.

    Raises:
        UserError: the settings name an unknown policy or task.
    """
    known, _ = split_tasks(study, settings.unseen)
    for name in settings.policies:
        find_policy(name, settings)
    parts = [
        *(Part(SPLIT, name) for name in settings.policies),
        *(Part(LEFT_OUT, n, p) for n in settings.policies for p in range(len(study.tasks))),
        *(Part(FEW_SHOT, "", p) for p in range(len(study.tasks))),
    ]
    folder = Path(cache) / _digest(study, settings, seed)
    work = (
        delayed(_kept)(folder / f"{part.name}.json", part, study, known, settings, seed)
        for part in parts
    )
    done: dict[str, Any] = {}
    results = Parallel(n_jobs=threads, return_as="generator")(work)
    for number, (part, result) in enumerate(zip(parts, results, strict=True), start=1):
        done[part.name] = result
        if part.kind == SPLIT or number % len(study.tasks) == 0:
            report(f"{number} of {len(parts)} parts: {part.name}")
    return assemble(study, settings, done, seed)


def _digest(study: Study, settings: Controller, seed: int) -> str:
    sets = [str(parameters) for parameters in study.sets]
    words = json.dumps(
        [study.tasks, sets, settings.model_dump(exclude={"explore": {"sets"}}), seed]
    )
    digest = hashlib.sha256(words.encode() + study.vectors.tobytes() + study.rewards.tobytes())
    digest.update(study.errors.tobytes())
    # Policies are there to be changed: those of an earlier version are not taken for today's.
    for path in sorted(CODE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _kept(
    path: Path,
    part: Part,
    study: Study,
    known: list[int],
    settings: Controller,
    seed: int,
) -> dict[str, Any]:
    """Return a part's result, from the file of an earlier run if there is one."""
    if path.exists():
        return read_json(path)
    import torch  # noqa: PLC0415  (each process sets its own)

    torch.set_num_threads(1)
    work = {SPLIT: _split, LEFT_OUT: _left_out, FEW_SHOT: _few_shot}[part.kind]
    result = work(part, study, known, settings, seed)
    write_json(path, result)
    return result


def _split(part, study, known, settings, seed) -> dict[str, Any]:
    seeds = range(seed, seed + settings.seeds)
    fitted = find_policy(part.policy, settings).fit(study.choose(known), seeds)
    scores = fitted.scores(study.vectors)
    result = {"choices": chosen(scores, study.rewards).tolist()}
    if isinstance(fitted, LearnedScores):
        result["ensemble"] = chosen(fitted.together(study.vectors), study.rewards).tolist()
        result["curve"] = {str(epoch): r.tolist() for epoch, r in fitted.curve.items()}
    return result


def _left_out(part, study, known, settings, seed) -> dict[str, Any]:
    seeds = range(seed, seed + settings.leave_one_out_seeds)
    others = study.without(part.place)
    fitted = find_policy(part.policy, settings).fit(others, seeds)
    scores = fitted.scores(study.vectors[part.place][None])[:, 0]
    return {"choices": chosen(scores, study.rewards[part.place]).tolist()}


def _few_shot(part, study, known, settings, seed) -> dict[str, Any]:
    return try_sets(study, part.place, settings, seed)
