"""Task2Vec: the vector of the handwritten digits, beside the CPU's."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpu_checks.bench import Arrays, Bench, relative_difference, silent
from simtailor.task2vec.settings import Task2Vec, Variational
from simtailor.task2vec.vectors import task_vector
from simtailor.tasks.prepare import TaskSize, prepare_task
from simtailor.tasks.prepared import PreparedTask
from simtailor.tasks.settings import Tasks
from simtailor.tasks.table import find_task

LEAST_COSINE = 0.99
TASK = "uci_digits"


def vector_of(bench: Bench, device: str) -> Arrays:
    """Return the vector by 'monte_carlo'; no weights have to be fetched for it."""
    return {"values": _vector(bench, device, "monte_carlo")}


def vectors(bench: Bench) -> dict[str, Any]:
    """Compare the vector with the CPU's, and time both methods."""
    made: list[Arrays] = []
    took = bench.seconds(lambda: made.append(vector_of(bench, bench.device)))
    values = made[0]["values"].astype(np.float64)
    wanted = bench.on_cpu("task vector", vector_of)["values"].astype(np.float64)
    cosine = float(values @ wanted / np.linalg.norm(values) / np.linalg.norm(wanted))
    bench.expect(cosine >= LEAST_COSINE, "the task vector is not the CPU's")
    variational = bench.seconds(lambda: _vector(bench, bench.device, "variational"))
    return {
        "monte_carlo": {
            "seconds": took,
            "cosine to the CPU's": cosine,
            "relative difference": relative_difference(values, wanted),
        },
        "variational": {"seconds": variational},
    }


def _vector(bench: Bench, device: str, method: str) -> np.ndarray:
    settings = Task2Vec(
        model=bench.size(Task2Vec().model, "resnet10t"),
        weights="random",
        method=method,
        image_size=bench.size(64, 32),
        most_draws=bench.size(1024, 128),
        variational=Variational(steps=bench.size(400, 1)),
    )
    found, _ = task_vector(_task(bench), settings, device, bench.cache, 0, silent)
    return found.values


def _task(bench: Bench) -> PreparedTask:
    tasks = Tasks(names=[TASK], most_images=bench.size(2000, 100), image_size=bench.size(64, 32))
    row = find_task(tasks, TASK)
    return prepare_task(row, TaskSize.of(tasks), bench.cache, 0, silent)[0]
