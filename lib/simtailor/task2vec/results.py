"""The task vectors of a study with figures and tables of their distances."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.figures.task_vectors import distance_map
from simtailor.files import staged_folder, write_json
from simtailor.task2vec.vectors import (
    all_distances,
    collect_vectors,
    nearest_tasks,
    write_distances,
    write_vectors,
)


def write_study(
    paths: Mapping[str, str | Path],
    facts: Mapping[str, Any],
    vectors_file: str | Path,
    folder: str | Path,
) -> None:
    """Write the vectors in the published layout, and what shows how near the tasks are.

    Args:
        paths: files of the tasks' vectors by the tasks' names; facts: of how they were had.
        vectors_file: for the vectors; folder: for distances.csv, figures and summary.json.

    Raises:
        UserError: the vectors are of different probe networks.
    """
    vectors = collect_vectors(paths)
    names, values = list(vectors), np.stack(list(vectors.values()))
    distances = all_distances(values)
    with staged_folder(folder) as staging:
        write_distances(staging / "distances.csv", names, distances)
        for kind, values in distances.items():
            title = f"Task2Vec: {kind} distance"
            distance_map(names, values, staging / f"{kind}.png", title=title)
        nearest = {kind: nearest_tasks(names, values) for kind, values in distances.items()}
        write_json(staging / "summary.json", {"tasks": dict(facts), "nearest": nearest})
    write_vectors(vectors_file, vectors)
