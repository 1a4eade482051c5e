"""What a grammar draws from a list: the class of a node, and how often a child is there.

``["Random", [value, ...]]`` takes each equally often; beyond the published format a second list
weighs them, and a count may be ``["Uniform", fewest, most]``, each whole number equally often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simtailor.scene.distributions import is_number
from simtailor.scene.hypercube import evenly, ranks

MOST_CHILDREN = 32  # of one node of the grammar; a scene has a place for each


@dataclass(frozen=True)
class Choices:
    """Some values and how often each is taken.

    Attributes:
        values: they differ.
        weights: of the values, greater than 0; None where all are equally likely.
    """

    values: tuple[Any, ...]
    weights: tuple[float, ...] | None = None

    @property
    def shares(self) -> np.ndarray:
        """How often each value is taken: float64 [K], the sum is 1."""
        weights = np.ones(len(self.values)) if self.weights is None else np.array(self.weights)
        return weights / weights.sum()

    def sample(
        self, random: np.random.Generator, count: int, cubes: np.ndarray | None
    ) -> np.ndarray:
        """Draw the place of a value for each of ``count`` scenes: int64 [n].

        Args:
            cubes: int [n], the hypercube of each scene: within one every value comes as often as
                its share says, or once more. None: each scene is drawn by itself.
        """
        if len(self.values) == 1:
            return np.zeros(count, np.int64)
        if self.weights is None:
            if cubes is not None:
                return evenly(random, len(self.values), cubes)
            return random.integers(len(self.values), size=count)
        points = random.uniform(size=count)
        if cubes is not None:
            rank, size = ranks(points, cubes)
            points = (rank + random.uniform(size=count)) / size
        return np.searchsorted(self.shares.cumsum()[:-1], points, side="right")


def parse_weights(given: Any, count: int) -> tuple[float, ...]:
    """Return the weights of so many values.

    Raises:
        ValueError: they are none, in words for the user.
    """
    whole = isinstance(given, list) and all(is_number(w) and w > 0 for w in given)
    if not whole or len(given) != count:
        raise ValueError(f"expected one weight above 0 for each of {count} values, got {given!r}")
    return tuple(float(w) for w in given)


def parse_count(entry: Any) -> Choices:
    """Return how often a child is there: an entry of ``num_child``.

    Raises:
        ValueError: it is no count, in words for the user.
    """
    form = (
        'expected ["Deterministic", count], ["Uniform", fewest, most] or ["Random", [count, ...], '
        f"[weight, ...]], got {entry!r}"
    )
    if not isinstance(entry, list) or len(entry) not in (2, 3):
        raise ValueError(form)
    kind, *rest = entry
    weights = None
    if kind == "Deterministic" and len(rest) == 1:
        counts: Sequence[Any] = rest
    elif kind == "Uniform" and len(rest) == 2 and all(map(_is_count, rest)):
        counts = range(rest[0], rest[1] + 1)
    elif kind == "Random" and isinstance(rest[0], list):
        counts = rest[0]
        weights = parse_weights(rest[1], len(counts)) if len(rest) == 2 else None
    else:
        raise ValueError(form)
    if not counts or not all(map(_is_count, counts)) or max(counts) < 1:
        raise ValueError(
            f"counts are whole numbers from 0 to {MOST_CHILDREN}, the largest at least 1, got "
            f"{entry!r}"
        )
    if sorted(set(counts)) != list(counts):
        raise ValueError(f"give each count once, from few to many, got {entry!r}")
    return Choices(tuple(counts), weights)


def _is_count(value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and 0 <= value <= MOST_CHILDREN
