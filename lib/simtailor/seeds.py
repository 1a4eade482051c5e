"""Random generators that depend on a seed and a purpose, never on the order of calls.

Work that is resumed, reordered or split over processes must draw the same numbers.
So nothing in simtailor keeps a long-lived random state: each step asks for the generator
of its own (seed, purpose, index).
"""

from __future__ import annotations

import re
import zlib

import numpy as np

SEED_SUFFIX = re.compile(r"\.seed(\d+)$")  # of the names of experiments and backbones


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the NumPy generator of a purpose.

    Args:
        seed: the user's seed, 0 or greater.
        purpose: names and indices that tell this use apart from all others,
            for example ``generator(0, "training", epoch, step)``.
    """
    words = [zlib.crc32(p.encode()) if isinstance(p, str) else int(p) for p in purpose]
    return np.random.default_rng([seed, len(words), *words])


def scene_uniforms(seeds: np.ndarray, purpose: int) -> np.ndarray:
    """Return a number in [0, 1) for each scene, by its seed and a purpose: float64 [B].

    The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
    Generators", 2014).
    """
    start = (purpose + 1) * 0x9E3779B97F4A7C15 % 2**64
    mixed = seeds.astype(np.uint64) + np.uint64(start)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


def scene_seeds(random: np.random.Generator, count: int) -> np.ndarray:
    """Draw one renderer seed a scene: int64 [count] in [0, 2**31)."""
    return random.integers(0, 2**31, size=count, dtype=np.int64)
