"""What a job of each rule asks of a cluster: memory, minutes and GPUs; the one place that says so.

Memory and time follow the configuration. A second attempt of a job asks for once more, which is
Snakemake's matter. What jobs truly took beside it: ``./run snakemake needs``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simtailor.console.durations import SHIPPED, read_durations, sizes_of
from simtailor.pretrain.inputs import memory_mb

if TYPE_CHECKING:
    from simtailor.config import Configuration
    from simtailor.pretrain.settings import Pretrain

# What is thought to do as much as one GPU: cores (inferred, config/rates.tsv).
CORES_A_GPU = 30
# Of the expected time; machines differ, and what is shared is slower.
SPARE = 3


@dataclass(frozen=True)
class Need:
    """What a job of a rule asks for in its first attempt.

    Attributes:
        memory_mb: of main memory.
        least_minutes: asked for by the smallest job.
        gpus: 0 on the CPU.
        seconds: that a job of size 1 is expected to take.
    """

    memory_mb: int
    least_minutes: int
    gpus: int = 0
    seconds: float = 0.0

    def minutes(self, size: float = 1.0) -> int:
        """Return the minutes that a job of a size asks for, as ``seconds`` counts sizes."""
        return max(self.least_minutes, math.ceil(SPARE * self.seconds * size / 60))


def machines_of(pretrain: Pretrain, on_gpu: bool) -> dict[str, Any]:
    """Return what a pre-training asks of Slurm's plugin for its machines; nothing for one.

    The job begins on the first of them outside of any step and starts one step on all, as the
    plugin has it for MPI: a task a machine, and of GPUs the same number on each.
    """
    nodes = pretrain.nodes
    if nodes == 1:
        return {}
    asked = {
        "nodes": nodes,
        "mpi": "srun",
        "tasks": nodes,
        "tasks_per_gpu": 0,
        "cpus_per_task": max(pretrain.threads // nodes, 1),
    }
    return asked | ({"gres": f"gpu:{pretrain.processes // nodes}"} if on_gpu else {})


def needs_of(configuration: Configuration) -> dict[str, Need]:
    """Return what a job of each rule asks for."""
    study = configuration.task2sim
    processes = study.pretrain.processes
    on_task = study.tasks.memory_mb()
    # Rule: MB, least minutes, whether it uses GPUs.
    table = {
        "asset_pack": (4000, 30, True),
        "check": (2000, 10, False),
        "check_sets": (500, 120, False),
        "classifier": (on_task, 30, False),
        "classifier_origin": (on_task, 120, True),
        "compile_renderer": (1000, 10, True),
        "dataset": (3000, 120, True),
        "detector": (2000, 30, False),
        "detector_pictures": (3000, 60, True),
        "draw_dag": (500, 5, False),
        "equal_steps": (on_task, 120, True),
        "evaluate_baselines": (on_task, 120, True),
        "evaluate_candidate": (on_task, 60, True),
        "evaluate_set": (on_task, 120, True),
        "explore": (2000, 10, False),
        "export_dataset": (1000, 60, False),
        "export_set": (1000, 60, False),
        "fetch_package": (500, 15, False),
        "list_tasks": (500, 10, False),
        "metasim_results": (3000, 30, True),
        "metasim_target": (2000, 30, True),
        "metasim_train": (3000, 120, True),
        "needs": (1000, 10, False),
        "page": (1000, 30, False),
        "picture_recommendation": (3000, 30, True),
        "plan": (1000, 10, False),
        "prepare_assets": (4000, 30, False),
        "prepare_task": (on_task, 60, False),
        "pretrain": (memory_mb(study.pretrain, study.simulation), 120, True),
        "propose_sets": (2000, 10, False),
        "recommend": (2000, 10, False),
        "reward_db": (2000, 30, False),
        "simulate_part": (3000, 60, True),
        "simulate_set": (3000, 60, True),
        "simulation_pictures": (3000, 30, True),
        "task_vector": (on_task + study.task2vec.memory_mb(), 60, True),
        "task_vectors": (1000, 10, False),
        "train_detector": (3000, 60, True),
        "train_worth": (3000, 60, True),
        # Its networks are tiny: a GPU would wait for its own kernels' starts.
        "train_controller": (8000, 60, False),
        "validation_task": (on_task, 10, False),
        "worth": (2000, 30, False),
        "worth_pictures": (3000, 60, True),
    }
    usual, sizes = read_durations(SHIPPED), sizes_of(configuration)
    found = {}
    for rule, (memory, least, on_gpu) in table.items():
        gpus = int(on_gpu and configuration.device != "cpu")
        speed = CORES_A_GPU if gpus else 1
        if rule == "pretrain":
            speed *= processes
            # Of several machines each has so many, which is asked for in another way.
            gpus *= processes if study.pretrain.nodes == 1 else 0
        seconds = usual.get(rule, 0.0) * sizes.get(rule, 1.0) / speed
        found[rule] = Need(memory, least, gpus, seconds)
    return found
