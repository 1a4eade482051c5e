"""Latin hypercubes: scenes that are drawn together so that their means are nearly exact.

McKay et al., "A Comparison of Three Methods for Selecting Values of Input Variables", 1979.
"""

from __future__ import annotations

import numpy as np


def evenly(random: np.random.Generator, choices: int, cubes: np.ndarray) -> np.ndarray:
    """Draw [n] indices below ``choices``, in each cube each as often as any other or once more."""
    rank, _ = ranks(random.uniform(size=len(cubes)), cubes)
    first = random.integers(choices, size=len(cubes))
    return (rank + first[cubes]) % choices


def groups_of(cubes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return which graphs are of one cube and of equal classes, by number: int [n].

    Where these are not equally many, whole cubes: a scene alone in its class would lie in the
    middle of its cube more often than the grammar's scenes do.

    Args:
        cubes: int [n]; classes: int [n, N].
    """
    keys = np.column_stack([cubes, classes])
    groups = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    return groups if len(set(np.bincount(groups))) == 1 else cubes


def latin_shares(random: np.random.Generator, cubes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Draw shares in (0, 1), one in each of as many equal ranges as a cube has members.

    Args:
        cubes: int [n], the Latin hypercube of each graph.
        groups: int [n], parts of the cubes; members of one get shares far apart.
    """
    count = len(cubes)
    rank, size = ranks(random.uniform(size=count), groups)
    rank, size = ranks((rank + random.uniform(size=count)) / size, cubes)
    # Rounding may bring a share to 0 or 1, which for a Gaussian lie infinitely far out.
    return ((rank + random.uniform(size=count)) / size).clip(1e-12, 1 - 1e-12)


def ranks(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank from 0 of each value in its group, and the group's size: int [n] each."""
    sizes = np.bincount(groups)
    rank = np.empty(len(values), np.int64)
    first = np.repeat(sizes.cumsum() - sizes, sizes)
    rank[np.lexsort((values, groups))] = np.arange(len(values)) - first
    return rank, sizes[groups]
