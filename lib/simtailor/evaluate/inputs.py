"""What the workflow needs to know of the evaluation while it is planned; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simtailor.evaluate.settings import Evaluate


def repeated_sets(
    sets: Sequence[str], count: int, seeds: int, at_once: int = 1, seed: int = 0
) -> list[str]:
    """Return the names of the backbones that are trained again, ``.seedN`` behind the set's.

    The sets are spread evenly over the study's list, its ends included.

    Args:
        count: how many sets; seeds: how often each.
        at_once: backbones that one job trains; then ``count`` is rounded up to whole groups
            of neighbours in the list.
        seed: of the study; the repeats have the ones that follow it.
    """
    groups = [sets[start : start + at_once] for start in range(0, len(sets), at_once)]
    count = min(-(-count // at_once), len(groups))
    places = [round(i * (len(groups) - 1) / max(count - 1, 1)) for i in range(count)]
    chosen = [name for place in places for name in groups[place]]
    others = range(seed + 1, seed + seeds + 1)
    return [f"{name}.seed{other}" for name in chosen for other in others]


def settings_of_an_evaluation(settings: Evaluate) -> dict[str, Any]:
    """Return as plain values what the evaluation of a set depends on."""
    values = settings.model_dump(mode="json", include={"methods", *settings.methods})
    return values | {"reward": settings.methods[0]}  # which it is decides nothing here


def present_evaluations(folder: str, backbones: Sequence[str]) -> list[str]:
    """Return those of the files ``FOLDER/{backbone}.json`` that are there."""
    return [f"{folder}/{name}.json" for name in backbones if Path(folder, f"{name}.json").exists()]
