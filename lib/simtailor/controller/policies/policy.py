"""What a policy is, and the policies by name.

A policy learns from the tasks of a study and scores all sets for a new task from its vector;
the set of the highest score is its recommendation. To add one: write a file here whose class is
decorated with ``@register("name")`` and name the file in ``__init__.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from simtailor.controller.database import Study
from simtailor.controller.settings import Controller
from simtailor.errors import UserError, nearest_name


class Fitted(Protocol):
    """A policy that has learned."""

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Score every set for tasks of which only the vectors are known.

        Args:
            vectors: float64 [M, F].

        Returns:
            float64 [N, M, S], one layer a seed (a single one where chance plays no part);
            higher is better, the scale is the policy's own.
        """


class Policy(Protocol):
    """A way to learn from tasks with known rewards."""

    def fit(self, study: Study, seeds: Sequence[int]) -> Fitted:
        """Learn from a study, once a seed where chance plays a part."""


Factory = Callable[[Controller], Policy]
POLICIES: dict[str, Factory] = {}


def register(name: str) -> Callable[[Factory], Factory]:
    """Make a policy known by a name; it is built from the settings."""

    def add(factory: Factory) -> Factory:
        POLICIES[name] = factory
        return factory

    return add


def find_policy(name: str, settings: Controller) -> Policy:
    """Return the policy of a name.

    Raises:
        UserError: there is none of that name.
    """
    if name not in POLICIES:
        raise UserError(
            f"task2sim.controller.policies: unknown policy '{name}'; known: "
            f"{', '.join(POLICIES)}.{nearest_name(name, POLICIES)}"
        )
    return POLICIES[name](settings)
