"""Names of backbones, ``{parameters}`` or ``{parameters}.seed{n}``, and groups of them.

Imports nothing heavy: the workflow uses it while it plans.
"""

from __future__ import annotations

from collections.abc import Sequence

from simtailor.errors import UserError
from simtailor.seeds import SEED_SUFFIX

BACKBONE_PATTERN = r"[01](_[01]){4}_[0-3](_[01]){3}(\.seed\d+)?"
GROUP_PATTERN = r"\d+(\.seed\d+)?"


def set_of(backbone: str) -> str:
    """Return the name of the set that a backbone is trained on."""
    return SEED_SUFFIX.sub("", backbone)


def seed_of(backbone: str, default: int) -> int:
    """Return the seed of a backbone's training: that of the suffix, or ``default``."""
    suffix = SEED_SUFFIX.search(backbone)
    return int(suffix.group(1)) if suffix else default


def group_of(backbone: str, sets: Sequence[str], at_once: int) -> str:
    """Return the name of the group in which a backbone is trained: ``{number}{suffix}``.

    Args:
        sets: names of the study's sets, in order.
        at_once: backbones of a group.

    Raises:
        UserError: the backbone's set is not of the study.
    """
    name = set_of(backbone)
    if name not in sets:
        raise UserError(
            f"set {name} is none of the study's {len(sets)}: with task2sim.pretrain.at_once over "
            "1, backbones are trained in groups of the study's sets. Add its values to "
            "task2sim.simulation.values or set task2sim.pretrain.at_once: 1"
        )
    return f"{sets.index(name) // at_once}{backbone[len(name) :]}"


def members_of(group: str, sets: Sequence[str], at_once: int) -> list[str]:
    """Return the backbones of a group, in the order of their sets.

    Raises:
        UserError: there is no such group.
    """
    number = set_of(group)
    first = int(number) * at_once
    if first >= len(sets):
        raise UserError(f"no group {number}: {len(sets)} sets in groups of {at_once}")
    return [f"{name}{group[len(number) :]}" for name in sets[first : first + at_once]]
