"""What of a valid configuration cannot be followed on this machine; checked while planning.

Imports nothing heavy: every run of the workflow begins with it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simtailor.config import Configuration, experiment_names
from simtailor.devices import device_warning
from simtailor.errors import UserError
from simtailor.layers import Layer
from simtailor.section import NAME_PATTERN, NAME_RULE
from simtailor.simulation.inputs import set_count
from simtailor.tracking.registry import find_tracker
from simtailor.validation import mistake

FOLDERS = ("results", "work", "resources")
# Folders below these three that rules make as a whole: another of the three cannot lie there.
OWNED = (
    "metasim", "datasets", "exports", "task2sim", "packages", "detector", "regression",
    "segmentation", "worth",
)  # fmt: skip
# Of a stored image with its mask, at least: small images take up to 1.1 (benchmarks/rates.md).
BYTES_A_PIXEL = 0.17
MOST_JOBS = 200_000  # Snakemake keeps all in memory, and takes minutes for so many


def check_configuration(
    configuration: Configuration,
    values: Mapping[str, Any],
    files: Iterable[str | Path],
    local: bool,
) -> list[str]:
    """Check folders, names, sizes and the device; return warnings as sentences.

    Args:
        values: the merged values that the configuration was made from.
        files: they came from, in the order in which they were merged.
        local: whether jobs run on this machine, so that its device counts.

    Raises:
        UserError: names file, line, key, value and what to do.
    """
    layers = [Layer(values, [Path(file) for file in files])]
    _check_folders(configuration, layers)
    _check_job_count(configuration, layers)
    _check_tracker(configuration, layers)
    warnings = _disk_warnings(configuration, layers)
    warnings += _name_warnings(configuration)
    if local and (warning := device_warning(configuration.device)):
        warnings.append(warning)
    nodes = configuration.task2sim.pretrain.nodes
    if local and nodes > 1:
        warnings.append(
            f"task2sim.pretrain.nodes: {nodes}, but jobs run on this machine: pre-trainings will "
            "fail. Run with --profile slurm, or set it to 1."
        )
    return warnings


def _check_folders(configuration: Configuration, layers: list[Layer]) -> None:
    """Check that the three folders can be written and do not lie within each other's folders."""
    given = {name: Path(getattr(configuration, name)) for name in FOLDERS}
    for name, path in given.items():
        if problem := _obstacle(path):
            raise mistake((name,), layers, f"{problem}, got '{path}'. Give another folder.")
    for name, path in given.items():
        for other, outer in given.items():
            if name == other:
                continue
            inner, around = (Path(os.path.realpath(p)) for p in (path, outer))
            if inner == around:
                raise mistake(
                    (name,), layers, f"'{path}' is the folder '{other}' too. Give two folders."
                )
            if inner.is_relative_to(around) and inner.relative_to(around).parts[0] in OWNED:
                raise mistake(
                    (name,),
                    layers,
                    f"'{path}' lies in a folder of '{other}' ('{outer}') that jobs replace as a "
                    "whole. Give a folder beside it.",
                )


def _obstacle(path: Path) -> str:
    """Return why a folder cannot be made or written, or nothing."""
    for place in (path, *path.parents):
        try:
            if place.is_dir():
                writable = os.access(place, os.W_OK | os.X_OK)
                return "" if writable else f"'{place}' cannot be written here"
            if place.is_symlink() and not place.exists():
                return f"'{place}' is a link to '{os.readlink(place)}', which is not there"
            if place.exists():
                return f"'{place}' is a file and not a folder"
        except OSError as error:  # a name that is too long, or links that go round
            return f"'{place}' cannot be a folder ({error.strerror})"
    return ""


def _check_job_count(configuration: Configuration, layers: list[Layer]) -> None:
    study = configuration.task2sim
    simulation, repeats = study.simulation, study.evaluate.repeats
    shards = -(-simulation.images // simulation.shard_size)
    if simulation.parts > shards:
        raise mistake(
            ("task2sim", "simulation", "parts"),
            layers,
            f"{simulation.parts:,} jobs cannot share the {shards:,} shards of a set. Give at most "
            f"{shards:,}, or a smaller shard_size.",
        )
    sets = set_count(simulation)
    for key, count in (
        (("simulation", "parts"), sets * simulation.parts),
        (("evaluate", "repeats", "seeds"), min(repeats.sets, sets) * repeats.seeds),
    ):
        if count > MOST_JOBS:
            raise mistake(
                ("task2sim", *key),
                layers,
                f"that is {count:,} jobs; at most {MOST_JOBS:,} can be planned. Give less.",
            )


def _check_tracker(configuration: Configuration, layers: list[Layer]) -> None:
    """Check that the package of the tracker is there."""
    try:
        find_tracker(configuration.tracking)
    except UserError as error:
        raise mistake(("tracking",), layers, str(error)) from None


def _disk_warnings(configuration: Configuration, layers: list[Layer]) -> list[str]:
    """Return a warning where the sets do not fit on what is free of the results' disk.

    Raises:
        UserError: they do not fit on the whole disk.
    """
    simulation = configuration.task2sim.simulation
    sets = set_count(simulation)
    needed = sets * simulation.images * simulation.image_size**2 * BYTES_A_PIXEL
    folder = Path(configuration.results).absolute()
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    disk = shutil.disk_usage(there)
    if needed <= disk.free:
        return []
    said = (
        f"{sets:,} sets of {simulation.images:,} images at {simulation.image_size} pixels take "
        f"at least {_size(needed)}"
    )
    fix = "Make fewer or smaller images, or set results to a folder on a larger disk."
    if needed > disk.total:
        problem = f"{said}, more than the whole disk of '{there}' ({_size(disk.total)}). {fix}"
        raise mistake(("task2sim", "simulation", "images"), layers, problem)
    return [f"task2sim.simulation.images: {said}; '{there}' has {_size(disk.free)} free. {fix}"]


def _size(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e6:,.0f} MB"


def _name_warnings(configuration: Configuration) -> list[str]:
    """Return warnings about experiments that no target can ask for."""
    folder = configuration.metasim.experiments_folder
    if not os.path.isdir(folder):
        if configuration.metasim.experiments:
            return []
        return [
            f"metasim.experiments_folder: '{folder}' is no folder, so there are no experiments. "
            "Make it, or name the folder of their files."
        ]
    wrong = [name for name in experiment_names(configuration) if not re.match(NAME_PATTERN, name)]
    return [
        f"{folder}/{name}.yaml: no target can ask for the experiment {name!r}: {NAME_RULE}. "
        "Rename the file."
        for name in wrong
    ]
