"""Names of simulated sets and their backbones: ``{parameters}`` or ``{parameters}.seed{n}``.

Imports nothing heavy: the workflow uses it while it plans.
"""

from __future__ import annotations

from simtailor.seeds import SEED_SUFFIX


def set_of(name: str) -> str:
    """Return the study's set that a set or a backbone is, or repeats with another seed."""
    return SEED_SUFFIX.sub("", name)


def seed_of(name: str, default: int) -> int:
    """Return the seed of a set or of a backbone's training: the suffix's, or ``default``."""
    suffix = SEED_SUFFIX.search(name)
    return int(suffix.group(1)) if suffix else default
