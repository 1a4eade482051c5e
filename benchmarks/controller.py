"""Training of the controller against the published way to do it, and the table of policies.

    python benchmarks/controller.py REFERENCE [--epochs 1000]

REFERENCE is a folder with the published reward_db.json, task_vectors.npz and tasks.json. The
table is made twice: of all sets, and without the 64 with backgr 1 and pose_scale 0, most of whose
published images lack the object.
"""

import argparse
import datetime
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine

from simtailor.controller.database import read_study, split_tasks
from simtailor.controller.policies.learned import problem_of
from simtailor.controller.policies.reinforce import Networks
from simtailor.controller.settings import Controller
from simtailor.controller.stage import run_controller
from simtailor.simulation.parameters import SimulationParameters

POLICIES = [
    "best_fixed", "nearest", "neighbours", "shrinkage", "reinforce", "transfer",
]  # fmt: skip


def plain_step_seconds(features: int, hidden: int, heads: int, batch: int, steps: int) -> float:
    """Return CPU seconds of a step as published: the trunk once a head, over all features."""
    trunk = torch.nn.Sequential(
        torch.nn.Linear(features, hidden), torch.nn.ReLU(),
        torch.nn.Linear(hidden, hidden), torch.nn.ReLU(),
    )  # fmt: skip
    tops = torch.nn.ModuleList([torch.nn.Linear(hidden, 2) for _ in range(heads)])
    parameters = [*trunk.parameters(), *tops.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, weight_decay=1e-5)
    inputs = torch.nn.functional.normalize(torch.rand(batch, features))
    start = time.process_time()
    for _ in range(steps):
        loss = -sum(torch.log(top(trunk(inputs)).softmax(1)[:, 0]).mean() for top in tops)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (time.process_time() - start) / steps


def training_seconds(problem, settings, count: int) -> float:
    """Return CPU seconds of the training of ``count`` networks at once."""
    networks = Networks(problem, settings, range(count))
    start = time.process_time()
    networks.train()
    return time.process_time() - start


def without_objects(name: str) -> bool:
    """Tell whether most published images of a set lack the object: the camera was not aimed."""
    parameters = SimulationParameters.parse(name)
    return parameters.backgr == 1 and parameters.pose_scale == 0


def write_aimed(reference: Path, folder: Path) -> None:
    """Write the published files without the rewards of those sets."""
    rewards = json.loads((reference / "reward_db.json").read_text())
    kept = {
        task: {name: value for name, value in row.items() if not without_objects(name)}
        for task, row in rewards.items()
    }
    (folder / "reward_db.json").write_text(json.dumps(kept))
    shutil.copy(reference / "task_vectors.npz", folder)


def print_policies(reference: Path, settings: Controller, threads: int, title: str) -> None:
    """Print the table of the policies and its verdict."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_controller(
            str(reference / "reward_db.json"), str(reference / "task_vectors.npz"), settings,
            f"{folder}/out", seed=0, threads=threads, cache=f"{folder}/cache",
            report=lambda line: None,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        result = json.loads(Path(f"{folder}/out/evaluation.json").read_text())
        print(f"\n## {title} ({result['sets']} sets)\n\n{seconds:.0f} s on {threads} processes.\n")
        print(Path(f"{folder}/out/table.md").read_text())
        noise = ", ".join(f"{task} {n['evaluation']:.1f}" for task, n in result["noise"].items())
        print(f"Noise of one evaluation, points: {noise}.\n")
        print(result["verdict"], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("reference", type=Path)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--counts", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--threads", type=int, default=2, help="of the table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    files = [str(given.reference / name) for name in ("reward_db.json", "task_vectors.npz")]
    unseen = json.loads((given.reference / "tasks.json").read_text())["unseen"]
    settings = Controller(
        unseen=unseen, policies=POLICIES, reinforce={"epochs": given.epochs}
    )  # fmt: skip
    study = read_study(*files)
    known, _ = split_tasks(study, unseen)
    problem = problem_of(study.choose(known))
    plan = settings.reinforce
    batches = int(np.ceil(len(known) / plan.batch_size))
    imitated = max(plan.epochs - plan.imitation_from, 0)
    steps = batches * (plan.epochs + imitated * plan.imitation_steps)
    plain = steps * plain_step_seconds(
        study.vectors.shape[1], plan.hidden, problem.values.shape[1], plan.batch_size, 60
    )
    print(f"# Controller benchmark\n\n- Date: {datetime.date.today()}")
    print(f"- Machine: {describe_machine('scipy')}")
    print(
        f"- CPU seconds on one thread for {given.epochs} epochs on {len(known)} tasks ({steps:,} "
        f"steps). Plain: a step as published (autograd, the trunk once a head, all "
        f"{study.vectors.shape[1]:,} features), timed over 60 steps and multiplied.\n"
    )
    print("| networks at once | CPU s a network | plain CPU s a network | ratio |")
    print("|---|---|---|---|")
    for count in given.counts:
        each = training_seconds(problem, plan, count) / count
        print(f"| {count} | {each:.1f} | {plain:.0f} | {plain / each:.0f} |", flush=True)
    print_policies(given.reference, settings, given.threads, "All sets")
    with tempfile.TemporaryDirectory() as folder:
        write_aimed(given.reference, Path(folder))
        print_policies(Path(folder), settings, given.threads, "Without backgr 1 with pose_scale 0")


if __name__ == "__main__":
    main()
