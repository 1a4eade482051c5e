"""Regular fractions of two-level factorial designs, by which a few sets tell of many parameters.

Source: Box and Hunter, "The 2^(k-p) Fractional Factorial Designs" (Technometrics, 1961). Of k
factors of two levels, k - p are varied in all combinations; each of the other p goes with the
product of some of these. A product of factors that never changes is a defining word, and the
shortest word's length is the resolution. From IV on, the effect of a factor is mixed neither
with that of another nor with an interaction of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

RESOLUTION = 4


def fraction_of(count: int, parts: int) -> list[tuple[int, ...]] | None:
    """Return the runs of the best fraction of ``count`` two-level factors, sorted.

    That is, of those with the greatest resolution one with the fewest shortest words.

    Args:
        parts: one in so many combinations is taken: a power of two.

    Returns:
        Levels, 0 or 1, of each factor in each run; None where no fraction of this size has
        resolution IV or more. The run of zeros is one of them.
    """
    added = parts.bit_length() - 1
    base = count - added
    if parts < 1 or 2**added != parts or base < 1:
        return None
    # A product of base factors is a number whose bits say which. Fewer than three would give a
    # word of three letters at most.
    products = [word for word in range(2**base) if word.bit_count() >= RESOLUTION - 1]
    best = max(
        combinations(products, added), key=lambda chosen: _quality(chosen, base), default=None
    )
    if best is None or _quality(best, base)[0] < RESOLUTION:
        return None
    runs = []
    for run in range(2**base):
        levels = [run >> bit & 1 for bit in range(base)]
        runs.append((*levels, *((run & word).bit_count() % 2 for word in best)))
    return sorted(runs)


def _quality(products: Sequence[int], base: int) -> tuple[int, int]:
    """Return the resolution, and how many of the shortest words there are, as a negative number."""
    lengths = []
    for chosen in range(1, 2 ** len(products)):
        word = 0
        for place, product in enumerate(products):
            if chosen >> place & 1:
                word ^= product | 1 << (base + place)
        lengths.append(word.bit_count())
    shortest = min(lengths, default=base + 1)
    return shortest, -lengths.count(shortest)
