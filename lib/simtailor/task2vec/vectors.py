"""Task vectors: one task's, all of a study, and how far the tasks are apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simtailor.devices import check_device
from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.seeds import generator
from simtailor.task2vec.distances import cosine, symmetric, unit
from simtailor.task2vec.settings import Task2Vec
from simtailor.tasks.features import check_features
from simtailor.tasks.prepared import PreparedTask

if TYPE_CHECKING:
    from simtailor.task2vec.fisher import FisherEstimate


def task_vector(
    task: PreparedTask,
    settings: Task2Vec,
    device: str,
    cache: str | Path,
    seed: int,
    report: Callable[[str], None],
) -> tuple[FisherEstimate, dict[str, Any]]:
    """Return the Fisher information of the probe network for a task's training images.

    Returns:
        The estimate, and facts of how it was had.

    Raises:
        UserError: the probe network cannot be had, or its features or vector are not finite.
    """
    # Torch takes longer to import than the vectors of a study to put together.
    from simtailor.task2vec.fisher import monte_carlo, variational  # noqa: PLC0415
    from simtailor.task2vec.probe import fit_head, make_probe  # noqa: PLC0415

    check_device(device)
    probe = make_probe(settings, device, cache)
    images, labels = task.train_images, task.train_labels
    features = probe.features(images)
    network = f"the probe network (task2sim.task2vec: {settings.model}, {settings.weights})"
    check_features(features.float().cpu().numpy(), network, task.name)
    random = generator(seed, "head", task.name)
    head = fit_head(features, labels, len(task.classes), random)
    report(f"classifier: {100 * head.accuracy:.1f} % right on held-out images")
    if settings.method == "monte_carlo":
        found = monte_carlo(probe, head, images, settings, seed, report, features)
    else:
        found = variational(probe, head, images, labels, settings.variational, seed)
    if not np.isfinite(found.values).all() or not found.values.any():
        raise UserError(
            f"{network}: the vector of the task '{task.name}' is not finite or all zero; choose "
            "other weights, or another method"
        )
    if found.skipped:
        report(f"without a vector: {', '.join(found.skipped)}")
    facts = {
        "task": task.name,
        "model": settings.model,
        "weights": settings.weights,
        "method": settings.method,
        "image_size": settings.image_size,
        "length": len(found.values),
        "norm": float(np.linalg.norm(found.values)),
        "draws": found.draws,
        "relative_error": found.relative_error,
        "classifier_accuracy": round(100 * head.accuracy, 2),
        "skipped_parameters": found.skipped,
    }
    return found, facts


def write_vector(path: str | Path, found: FisherEstimate) -> None:
    """Write a task's vector with the names and lengths of its layers; nothing is pickled."""
    with staged(path) as staging:
        np.savez(
            staging,
            values=found.values,
            layers=np.array(list(found.layers)),
            filters=np.array(list(found.layers.values()), np.int64),
        )


def collect_vectors(paths: Mapping[str, str | Path]) -> dict[str, np.ndarray]:
    """Return the vectors of tasks by name, float32 [F] each.

    Raises:
        UserError: two are of different probe networks.
    """
    vectors, layout, first = {}, None, ""
    for name, path in paths.items():
        with np.load(path, allow_pickle=False) as stored:
            own = list(zip(stored["layers"].tolist(), stored["filters"].tolist(), strict=True))
            vectors[name] = stored["values"]
        if layout is not None and own != layout:
            raise UserError(
                f"{path}: of another probe network than {first}; delete both and make them anew"
            )
        layout, first = own, first or str(path)
    return vectors


def all_distances(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Return the distances between vectors [T, F] by kind: float64 [T, T] each.

    ``normalised`` is the paper's, in which a much easier task, of small Fisher information, is
    far from all others. ``shape`` is the same of vectors of unit length, which tells what a
    task looks at from how much.
    """
    shape = unit(vectors)
    found = {
        "shape": symmetric(shape, shape),
        "normalised": symmetric(vectors, vectors),
        "cosine": cosine(vectors, vectors),
    }
    for between in found.values():
        np.fill_diagonal(between, 0)
    return found


def write_distances(
    path: str | Path, names: Sequence[str], distances: Mapping[str, np.ndarray]
) -> None:
    """Write a row a pair of tasks as CSV, a column a kind of distance."""
    lines = [",".join(["task", "other", *distances])]
    for i, name in enumerate(names):
        for j, other in enumerate(names):
            if i != j:
                values = (f"{kind[i, j]:.6f}" for kind in distances.values())
                lines.append(",".join([name, other, *values]))
    with staged(path) as staging:
        staging.write_text("\n".join(lines) + "\n")


def nearest_tasks(names: Sequence[str], distances: np.ndarray) -> dict[str, list[list[Any]]]:
    """Return the other tasks of each task, the nearest first, with their distances."""
    return {
        name: [[names[j], round(float(row[j]), 6)] for j in np.argsort(row) if j != i]
        for i, (name, row) in enumerate(zip(names, distances, strict=True))
    }


def write_vectors(path: str | Path, vectors: Mapping[str, np.ndarray]) -> None:
    """Write the vectors of a study in the published layout: one array a task."""
    with staged(path) as staging:
        np.savez(staging, **vectors)
