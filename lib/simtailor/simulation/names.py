"""Names of simulated sets and their backbones: ``{parameters}`` or ``{parameters}.seed{n}``.

Imports nothing heavy: the workflow uses it while it plans.
"""

from __future__ import annotations

from collections.abc import Collection

from simtailor.errors import UserError
from simtailor.seeds import SEED_SUFFIX
from simtailor.simulation.parameters import SimulationParameters


def set_of(name: str) -> str:
    """Return the study's set that a set or a backbone is, or repeats with another seed."""
    return SEED_SUFFIX.sub("", name)


def seed_of(name: str, default: int) -> int:
    """Return the seed of a set or of a backbone's training: the suffix's, or ``default``."""
    suffix = SEED_SUFFIX.search(name)
    return int(suffix.group(1)) if suffix else default


def set_in_words(name: str, varied: Collection[str]) -> str:
    """Return what a simulated set or backbone is, such as ``backgr=1 materials=3, seed 2``.

    Args:
        name: such as ``1_0_0_0_0_3_0_0_0.seed2``; another is returned as it is.
        varied: parameters in which the study's sets differ; others are told where they are
            not the usual ones.
    """
    suffix = SEED_SUFFIX.search(name)
    try:
        values = SimulationParameters.parse(set_of(name)).as_dict()
    except UserError:
        return name
    usual = SimulationParameters().as_dict()
    told = [f"{k}={v}" for k, v in values.items() if k in varied or v != usual[k]]
    words = " ".join(told) or "with nothing varied"
    return f"{words}, seed {suffix.group(1)}" if suffix else words
