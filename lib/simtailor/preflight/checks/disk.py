"""Space on the disks for what the study still has to make."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from simtailor.evaluate.inputs import repeated_sets
from simtailor.preflight.asked import Asked
from simtailor.preflight.findings import Finding, check, missing, ok
from simtailor.shipped import found_path

RATES = found_path("config/rates.tsv")
# Which folder a stage of the plan fills, and where what it made of a set lies.
PLACES = {"tasks": "work", "render": "results", "pretrain": "results"}
MADE = {"render": "task2sim/sets", "pretrain": "task2sim/backbones"}


@check("disk")
def disk(asked: Asked) -> Iterator[Finding]:
    """Compare what the plan says with what is free, a line a disk."""
    needed: dict[int, float] = defaultdict(float)
    names: dict[int, list[str]] = defaultdict(list)
    places: dict[int, Path] = {}
    for key in ("results", "work"):
        place = _existing(Path(getattr(asked.configuration, key)))
        device = os.stat(place).st_dev
        names[device].append(key)
        places.setdefault(device, place)
        needed[device] += gigabytes_to_make(asked, key)
    for device, place in places.items():
        free = shutil.disk_usage(place).free / 1e9
        said = (
            f"{' and '.join(names[device])}: the study takes {needed[device]:,.1f} GB more, "
            f"{free:,.1f} GB are free"
        )
        if needed[device] <= free:
            yield ok(said)
        else:
            yield missing(
                said,
                "Make fewer or smaller images (task2sim.simulation), or set "
                f"{names[device][0]} to a folder on a larger disk.",
            )


def gigabytes_to_make(asked: Asked, key: str) -> float:
    """Return what the study's stages that fill a folder still have to write there.

    Args:
        key: ``results`` or ``work``.
    """
    from simtailor.plan import Rates, plan_study  # noqa: PLC0415  imports torch

    configuration = asked.configuration
    repeats = configuration.task2sim.evaluate.repeats
    backbones = [*asked.sets, *repeated_sets(asked.sets, repeats.sets, repeats.seeds)]
    stages = plan_study(
        configuration, asked.sets, len(asked.tasks), len(asked.packages), Rates(RATES)
    )
    total = 0.0
    for stage in stages:
        if PLACES.get(stage.stage) != key:
            continue
        share = 1.0
        if stage.stage in MADE:
            folder = Path(configuration.results, MADE[stage.stage])
            share = sum(not (folder / name).is_dir() for name in backbones) / len(backbones)
        total += share * stage.gigabytes
    return total


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())
