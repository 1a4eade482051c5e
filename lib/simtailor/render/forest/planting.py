"""Where the trees of a forest stand, how large they are, and which are dead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

HECTARE = 1e4  # square metres
TRIES = 30  # places tried for a tree
NEAREST = 0.42  # distance of two trees over the sum of their widths, at least
NEIGHBOUR = (0.5, 0.8)  # the same of a tree that grows in a cluster, from its neighbour
SMALLEST, LARGEST = 0.9, 16.0  # metres of a crown
HEIGHTS = 0.18  # deviation of the logarithm of height over width
TALLEST = 45.0


@dataclass(frozen=True, eq=False)
class Trees:
    """The trees of a scene, n of them.

    Attributes:
        place: metres from the picture's upper left corner, x and y: [n, 2].
        radius, height: metres, [n].
        dead: bool [n]; sapling: bool [n], too small to be marked.
    """

    place: np.ndarray
    radius: np.ndarray
    height: np.ndarray
    dead: np.ndarray
    sapling: np.ndarray


def planted(
    forest: Mapping[str, float], width: float, margin: float, random: np.random.Generator
) -> Trees:
    """Return trees on a square and a margin around it, none of which stands in another.

    Args:
        forest: the attributes of the node ``Forest``.
        width, margin: metres.
    """
    edge = width + 2 * margin
    area = edge**2 / HECTARE
    count = int(random.poisson(max(forest["density"], 0) * area))
    saplings = int(random.poisson(max(forest["saplings"], 0) * area))
    logarithm = forest["crown_spread"] * random.standard_normal(count)
    crowns = np.sort(np.clip(forest["crown"] * np.exp(logarithm), SMALLEST, LARGEST))[::-1]
    small = random.uniform(0.5, 1.4, saplings)
    widths = np.concatenate([crowns, small])
    places = np.empty((len(widths), 2))
    kept: list[int] = []
    for i, wide in enumerate(widths):
        for _ in range(TRIES):
            clustered = kept and i < count and random.random() < forest["clustering"]
            if clustered:
                other = kept[int(random.integers(len(kept)))]
                angle = random.uniform(0, 2 * np.pi)
                away = random.uniform(*NEIGHBOUR) * (wide + widths[other])
                place = places[other] + away * np.array([np.cos(angle), np.sin(angle)])
            else:
                place = random.uniform(-margin, width + margin, 2)
            if (place < -margin).any() or (place > width + margin).any():
                continue
            distance = np.hypot(*(places[kept] - place).T)
            if (distance >= NEAREST * (widths[kept] + wide)).all():
                places[i] = place
                kept.append(i)
                break
    chosen = np.array(kept, np.int64)
    ratio = forest["slenderness"] * np.exp(HEIGHTS * random.standard_normal(len(widths)))
    heights = np.clip(ratio * widths, 0.3, TALLEST)
    dead = random.random(len(widths)) < forest["dead"]
    sapling = np.arange(len(widths)) >= count
    return Trees(
        places[chosen],
        widths[chosen] / 2,
        heights[chosen],
        (dead & ~sapling)[chosen],
        sapling[chosen],
    )
