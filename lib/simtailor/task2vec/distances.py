"""How far tasks are from one another, by their vectors."""

from __future__ import annotations

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors [..., F] scaled to length 1; one of zeros stays."""
    values = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.maximum(lengths, np.finfo(float).tiny)


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return 1 - cosine of the angle: [A, B], in [0, 1] for vectors without negative entries.

    Args:
        first, second: [A, F] and [B, F].
    """
    return np.clip(1 - unit(first) @ unit(second).T, 0, None)


def symmetric(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine distance after each entry was divided by the pair's sum of it: [A, B].

    Source: Achille et al., "Task2Vec" (ICCV 2019), section 3.1, symmetric distance. The scaling
    lets filters of small Fisher information count like those of large. What neither task uses
    tells nothing of them and is left out.

    Args:
        first, second: [A, F] and [B, F], entries at least 0.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    result = np.empty((len(first), len(second)))
    for row, vector in enumerate(first):
        total = vector + second
        alive = total > 0
        one = np.divide(vector, total, out=np.zeros_like(total), where=alive)
        other = np.divide(second, total, out=np.zeros_like(total), where=alive)
        result[row] = 1 - (unit(one) * unit(other)).sum(axis=1)
    return np.clip(result, 0, None)
