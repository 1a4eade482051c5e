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
    places, taken = np.empty((2, len(widths))), np.empty(len(widths))
    kept: list[int] = []
    for i, wide in enumerate(widths.tolist()):
        count_of_kept = len(kept)
        x, y, others = *places[:, :count_of_kept], taken[:count_of_kept]
        for _ in range(TRIES):
            if kept and i < count and random.random() < forest["clustering"]:
                other = int(random.integers(count_of_kept))
                angle = random.uniform(0, 2 * np.pi)
                away = random.uniform(*NEIGHBOUR) * (wide + taken[other])
                place = x[other] + away * np.cos(angle), y[other] + away * np.sin(angle)
            else:
                place = tuple(random.uniform(-margin, width + margin, 2))
            if not (-margin <= min(place) and max(place) <= width + margin):
                continue
            squares = (x - place[0]) ** 2 + (y - place[1]) ** 2
            if (squares >= (NEAREST * (others + wide)) ** 2).all():
                places[:, count_of_kept], taken[count_of_kept] = place, wide
                kept.append(i)
                break
    chosen = np.array(kept, np.int64)
    ratio = forest["slenderness"] * np.exp(HEIGHTS * random.standard_normal(len(widths)))
    heights = np.clip(ratio * widths, 0.3, TALLEST)
    dead = random.random(len(widths)) < forest["dead"]
    sapling = np.arange(len(widths)) >= count
    return Trees(
        places[:, : len(kept)].T,
        widths[chosen] / 2,
        heights[chosen],
        (dead & ~sapling)[chosen],
        sapling[chosen],
    )
