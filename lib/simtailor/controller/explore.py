"""Find the best set of a new task by trying a few: the few-shot loop of the workflow.

``./run python -m simtailor.controller.explore TASK --budget 8`` proposes a set, lets the workflow
generate it, pre-train on it and evaluate it on the task, and proposes the next, until the task was
evaluated on so many sets. What was evaluated is in ``results/task2sim/evaluations``, so a loop
that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from simtailor.config import Configuration, load_configuration
from simtailor.controller.database import read_study, read_task_vector
from simtailor.controller.inputs import known_files, reward_method
from simtailor.controller.recommend import (
    exploration_file,
    propose,
    read_evaluations,
    write_recommendation,
)
from simtailor.errors import UserError
from simtailor.files import staged, write_json
from simtailor.layers import merged
from simtailor.tasks.table import find_task

DEFAULT_FILE = "config/config.yaml"
Make = Callable[[Sequence[str]], None]


def explore(configuration: Configuration, task: str, budget: int, make: Make) -> dict[str, Any]:
    """Try sets on a task until ``budget`` of them are evaluated.

    Args:
        make: lets the workflow make files.

    Returns:
        what was tried and the recommended set, also written to
        ``{results}/task2sim/explore/{task}.json``; the recommendation is written as well.

    Raises:
        UserError: a file that the workflow made is wrong.
    """
    results = configuration.results
    method = reward_method(configuration)
    database, vectors = known_files(configuration)
    vector = f"{configuration.work}/task2sim/task_vectors/{task}.npz"
    # What is there stays as it is: made again, it would leave this task out.
    absent = [path for path in (database, vectors, vector) if not Path(path).exists()]
    if absent:
        make(absent)
    study = read_study(database, vectors)
    if task in study.tasks:
        study = study.without(study.tasks.index(task))
    of_task = read_task_vector(vector, task, study)
    steps: list[dict[str, Any]] = []
    while True:
        evaluations = read_evaluations(results, task, method)
        recommended, following = propose(study, of_task, evaluations)
        steps.append({"evaluations": len(evaluations), "recommended": recommended})
        report = {"recommended": recommended, "evaluations": evaluations, "steps": steps}
        write_json(exploration_file(results, task), {"task": task, "method": method, **report})
        if len(evaluations) >= budget or following is None:
            break
        print(f"explore: try {following} ({len(evaluations) + 1} of {budget})", file=sys.stderr)
        target = f"{results}/task2sim/evaluations/{following}.json"
        make([target])
        if following not in read_evaluations(results, task, method):
            raise UserError(f"{target}: '{task}' was not evaluated")
        steps[-1]["tried"] = following
    write_recommendation(
        database, vectors, vector, method, task, configuration.task2sim.controller, results,
        f"{results}/task2sim/recommend/{task}.yaml",
    )  # fmt: skip
    return report


def workflow(configuration: Configuration, task: str, files: Sequence[str], cores: int) -> Make:
    """Return a function that makes files by Snakemake, the task being one of the study's.

    Raises:
        UserError: there is no such task.
    """
    find_task(configuration.task2sim.tasks, task)
    extra = Path(configuration.work) / "task2sim" / "explore" / f"{task}.yaml"
    names = configuration.task2sim.tasks.names
    with staged(extra) as staging:
        wanted = names if task in names else [*names, task]
        staging.write_text(yaml.safe_dump({"task2sim": {"tasks": {"names": wanted}}}))

    def make(targets: Sequence[str]) -> None:
        evaluation = any("/evaluations/" in target for target in targets)
        # The database is of the study's own tasks: only evaluations take the new one in.
        given = [*files, str(extra)] if evaluation else list(files)
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
        if given:
            command += ["--configfile", *given]
        finished = subprocess.run([*command, "--", *targets], check=False)
        if finished.returncode:
            raise UserError(f"the workflow could not make {', '.join(targets)}; see above")

    return make


def read_configuration(files: Sequence[str]) -> Configuration:
    """Return the configuration as the workflow sees it.

    Raises:
        UserError: a file cannot be read or a key is wrong.
    """
    values: Mapping[str, Any] = {}
    every = [DEFAULT_FILE, *files]
    for path in every:
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UserError(f"{path}: cannot read this file as YAML: {error}") from error
        values = merged(values, content)
    return load_configuration(values, every)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop from the command line."""
    parser = argparse.ArgumentParser(prog="simtailor.controller.explore", description=__doc__)
    parser.add_argument("task", help="a task of the table or of task2sim.tasks.extra")
    parser.add_argument("--budget", type=int, default=8, help="sets to evaluate on the task")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--configfile", nargs="*", default=[], help="as for snakemake")
    given = parser.parse_args(arguments)
    try:
        configuration = read_configuration(given.configfile)
        make = workflow(configuration, given.task, given.configfile, given.cores)
        report = explore(configuration, given.task, given.budget, make)
    except UserError as error:
        print(f"explore: {error}", file=sys.stderr)
        return 1
    print(f"explore: use {report['recommended']}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
