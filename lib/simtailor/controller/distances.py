"""How far tasks are from one another, by their vectors."""

from __future__ import annotations

import numpy as np

TINY = 1e-12


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return 1 - cosine of the angle: [A, B], in [0, 1] for vectors without negative entries.

    Args:
        first, second: float64 [A, F] and [B, F].
    """
    return np.clip(1 - unit(first) @ unit(second).T, 0, None)


def symmetric(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine distance after each entry was divided by the pair's sum of it: [A, B].

    Source: Achille et al., "Task2Vec" (ICCV 2019), section 4, symmetric distance. The scaling
    lets filters of small Fisher information count like those of large.
    """
    result = np.empty((len(first), len(second)))
    for row, vector in enumerate(first):
        total = vector + second + TINY
        one, other = vector / total, second / total
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        result[row] = 1 - (one * other).sum(axis=1) / lengths
    return np.clip(result, 0, None)


def size(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the squared difference of the logarithms of the vectors' lengths: [A, B].

    A vector's length tells how much a task asks of the probe network (Task2Vec, section 3).
    """
    lengths = [np.log(np.linalg.norm(vectors, axis=1)) for vectors in (first, second)]
    return (lengths[0][:, None] - lengths[1][None]) ** 2


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
