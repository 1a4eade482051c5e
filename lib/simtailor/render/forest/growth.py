"""Shapes of trees, logs and brush as heights above the ground, as they are seen from above.

A crown is a cone with a ragged edge; its needles grow in clumps, which are bumps of its height. A
dead tree is a star of grey branches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from simtailor.render.forest.canvas import Canvas
from simtailor.render.forest.planting import HECTARE, Trees

# Linear colours. Float32, as all that is computed for every pixel.
OLIVE, GREEN = np.float32([0.185, 0.185, 0.062]), np.float32([0.075, 0.130, 0.055])
STRAW, GRASS = np.float32([0.42, 0.38, 0.22]), np.float32([0.20, 0.30, 0.09])
BRUSH, WOOD = np.float32([0.36, 0.42, 0.34]), np.float32([0.50, 0.49, 0.48])
LOBES = (2, 3, 4, 5, 7, 9)
CROWN_LENGTH = (0.6, 0.95)  # share of the height that the crown has
CROWN_POWER = (1.1, 2.2)  # 1 is a cone, 2 a dome
BRANCHES = (5, 24)
ANGLES = 256  # directions in which the edge of a crown is known
LOG_LENGTH, LOG_WIDTH = (3.0, 14.0), (0.2, 0.55)
BRUSH_HEIGHT = 0.7
NEAR = 3  # pixels around the picture on which the ground is drawn, too


@dataclass(eq=False)
class Growth:
    """What stands on a canvas.

    Attributes:
        height: metres, float32 [E, E]; colour: linear, float32 [E, E, 3].
        number: uint16 [E, E], that of the tree, from 1; 0 is no tree.
    """

    height: np.ndarray
    colour: np.ndarray
    number: np.ndarray


@dataclass(frozen=True, eq=False)
class Fields:
    """Random fields over a canvas, float32 [E, E]: of so many metres, from coarse to fine."""

    meadow: np.ndarray  # 9
    patch: np.ndarray  # 3
    clump: np.ndarray  # 0.8
    tuft: np.ndarray  # 0.35
    needle: np.ndarray  # 0.16

    @classmethod
    def of(cls, canvas: Canvas, random: np.random.Generator) -> Fields:
        """Draw them."""
        return cls(*(canvas.field(cell, random) for cell in (9.0, 3.0, 0.8, 0.35, 0.16)))

    def all(self) -> tuple[np.ndarray, ...]:
        """Return them from coarse to fine."""
        return self.meadow, self.patch, self.clump, self.tuft, self.needle


def meadow(ground: Mapping[str, float], fields: Fields, canvas: Canvas) -> Growth:
    """Return ground with grass, straw and brush; outside of the picture there is none.

    Args:
        ground: the attributes of the node ``Ground``.
    """
    part = canvas.around(NEAR)
    coarse, patch, clump, tuft, needle = (field[part] for field in fields.all())
    mixed = ground["greenness"] + 0.22 * coarse + 0.12 * patch + 0.06 * tuft
    colour = STRAW + (GRASS - STRAW) * np.clip(mixed, 0, 1)[..., None]
    # Brush stands where a field is high: beyond the threshold that its share of a normal one is.
    threshold = float(ndtri(np.clip(1 - ground["brush"], 0.001, 0.999)))
    field = 0.62 * patch + 0.62 * clump + 0.45 * tuft
    bush = np.clip(2.5 * (field - threshold), 0, 1)
    colour += (BRUSH - colour) * (0.85 * bush)[..., None]
    tone = np.exp(0.06 * patch + 0.07 * tuft + 0.08 * needle) * ground["brightness"]
    edge = canvas.extent
    growth = Growth(
        np.zeros((edge, edge), np.float32),
        np.zeros((edge, edge, 3), np.float32),
        np.zeros((edge, edge), np.uint16),
    )
    growth.colour[part] = colour * tone[..., None]
    growth.height[part] = 0.05 * tuft + BRUSH_HEIGHT * bush * (0.8 + 0.2 * tuft)
    return growth


def lay_logs(
    growth: Growth, per_hectare: float, canvas: Canvas, random: np.random.Generator
) -> None:
    """Lay fallen trunks on the ground."""
    edge = canvas.width + 2 * canvas.margin
    for _ in range(int(random.poisson(max(per_hectare, 0) * edge**2 / HECTARE))):
        x, y = random.uniform(-canvas.margin, canvas.width + canvas.margin, 2)
        length, wide = random.uniform(*LOG_LENGTH), random.uniform(*LOG_WIDTH)
        angle, tone = random.uniform(0, 2 * np.pi), random.uniform(0.55, 1.25)
        sticks = [(x, y, angle, length, wide)]
        for _ in range(int(random.integers(0, 9))):  # branches, to both sides
            along = random.uniform(-0.2, 0.5) * length
            side = angle + random.choice([-1, 1]) * random.uniform(0.5, 1.1)
            reach = random.uniform(0.08, 0.25) * length
            middle = along * np.array([np.cos(angle), np.sin(angle)])
            middle += reach / 2 * np.array([np.cos(side), np.sin(side)])
            sticks.append((x + middle[0], y + middle[1], side, reach, 0.13))
        for stick in sticks:
            _lay(growth, canvas, stick, tone)


def _lay(
    growth: Growth, canvas: Canvas, stick: tuple[float, float, float, float, float], tone: float
) -> None:
    x, y, angle, length, wide = map(float, stick)
    reach = length / 2 + wide
    if max(abs(x - canvas.width / 2), abs(y - canvas.width / 2)) > canvas.width / 2 + reach:
        return
    rows, columns = canvas.window(x, y, reach)
    right, down = canvas.places[columns][None] - x, canvas.places[rows][:, None] - y
    along = np.abs(right * math.cos(angle) + down * math.sin(angle)) - length / 2
    across = np.abs(down * math.cos(angle) - right * math.sin(angle)) - wide / 2
    covered = np.clip(0.5 - np.maximum(along, across) / canvas.pixel, 0, 1)
    part = growth.colour[rows, columns]
    part += (WOOD * tone - part) * covered[..., None]
    tall = growth.height[rows, columns]
    np.maximum(tall, covered * (wide + 0.15), out=tall)


def grow_trees(
    growth: Growth,
    trees: Trees,
    needed: np.ndarray,
    foliage: Mapping[str, float],
    fields: Fields,
    canvas: Canvas,
    random: np.random.Generator,
) -> None:
    """Let trees grow; of two, what is higher is seen.

    Args:
        needed: bool [n], trees that are drawn.
        foliage: the attributes of the node ``Foliage``.
    """
    looks = _Looks.of(trees, foliage, random)
    for i in np.flatnonzero(needed):
        x, y = map(float, trees.place[i])
        radius, height = float(trees.radius[i]), float(trees.height[i])
        rows, columns = canvas.window(x, y, radius * (float(looks.edge[i].max()) + 0.25))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        right = (canvas.places[columns][None] - x) / radius
        down = (canvas.places[rows][:, None] - y) / radius
        clump, tuft = fields.clump[rows, columns], fields.tuft[rows, columns]
        needle = fields.needle[rows, columns]
        turn = np.arctan2(down, right) * (ANGLES / (2 * np.pi))
        edge = looks.edge[i][turn.astype(np.int32)] + 0.06 * clump + 0.05 * tuft
        share = np.hypot(right, down) / np.maximum(edge, 0.3)
        inside = share < 1
        if trees.dead[i]:
            wood = looks.star[i][turn.astype(np.int32)] + 0.35 * clump + 0.35 * tuft
            inside &= (wood > 0.55 + 0.5 * share) | (share < 0.07)
            tall = height * (1 - 0.55 * share) + 0.2 * needle
        else:
            bumps = 0.55 * clump + 0.45 * tuft + 0.25 * needle
            tall = height * (1 - float(looks.length[i]) * share ** float(looks.power[i]))
            tall += foliage["raggedness"] * min(radius / 2, 1) * bumps
        of_tree = growth.height[rows, columns]
        seen = inside & (tall > of_tree)
        of_tree[seen] = tall[seen]
        number = growth.number[rows, columns]
        if trees.dead[i]:  # between its branches there is it, too, where nothing else is
            number[(share < 1) & (number == 0)] = i + 1
        number[seen] = 0 if trees.sapling[i] else i + 1
        tips = np.exp(0.14 * needle[seen] + 0.10 * tuft[seen])  # young needles are bright
        growth.colour[rows, columns][seen] = looks.colour[i] * tips[:, None]


@dataclass(frozen=True, eq=False)
class _Looks:
    """How each of n trees differs from others.

    Attributes:
        edge: radius by direction, of its own: float32 [n, ANGLES].
        star: how much there is of a dead tree's branches, by direction: float32 [n, ANGLES].
        length: share of the height that the crown has; power: of its slope, [n].
        colour: linear, float32 [n, 3].
    """

    edge: np.ndarray
    star: np.ndarray
    length: np.ndarray
    power: np.ndarray
    colour: np.ndarray

    @classmethod
    def of(cls, trees: Trees, foliage: Mapping[str, float], random: np.random.Generator) -> _Looks:
        count = len(trees.radius)
        angle = np.arange(ANGLES) * (2 * np.pi / ANGLES)
        lobes = np.array(LOBES)
        phases = random.uniform(0, 2 * np.pi, (count, len(LOBES), 1))
        strengths = random.uniform(0, 0.18, (count, 1, len(LOBES))) / np.sqrt(lobes)
        edge = 1 + (strengths @ np.cos(lobes[:, None] * angle + phases))[:, 0]
        branches = random.integers(*BRANCHES, (count, 3, 1))
        phases = random.uniform(0, 2 * np.pi, (count, 3, 1))
        star = np.cos(branches * angle + phases).sum(1) / 2
        tones = np.exp(0.22 * random.standard_normal((count, 1)))
        greens = foliage["greenness"] + 0.25 * random.standard_normal((count, 1))
        alive = OLIVE + (GREEN - OLIVE) * greens.clip(-0.3, 1.3)
        alive = alive.clip(0.01) * foliage["brightness"]
        colour = np.where(trees.dead[:, None], WOOD, alive) * tones
        return cls(
            edge.astype(np.float32),
            star.astype(np.float32),
            random.uniform(*CROWN_LENGTH, count),
            random.uniform(*CROWN_POWER, count),
            colour.astype(np.float32),
        )
