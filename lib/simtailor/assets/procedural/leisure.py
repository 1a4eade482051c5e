"""Books, games, clothes and instruments made by code."""

from __future__ import annotations

import numpy as np

from simtailor.assets.mesh import Material, Mesh, moved
from simtailor.assets.procedural.catalogue import category
from simtailor.assets.procedural.finishes import (
    BLACK,
    STEEL,
    WHITE,
    cloth,
    hued,
    metal,
    paint,
    wood,
)
from simtailor.assets.shapes import (
    block,
    curve,
    extruded,
    lofted,
    revolved,
    rod,
    stretched,
    turned,
)


@category("book", "n02870092")
def book(random: np.random.Generator) -> list[Mesh]:
    """A bound book, closed or open, with a coloured cover and pale pages."""
    cover = Material(hued(random, value=(0.3, 0.85)), roughness=0.55)
    trim = Material(hued(random, value=(0.6, 0.95)), roughness=0.5)
    paper = Material((0.83, 0.79, 0.68), roughness=0.95)
    high, wide = random.uniform(0.19, 0.27), random.uniform(0.13, 0.18)
    thick = random.uniform(0.018, 0.05)
    if random.random() < 0.3:  # lies open
        x = np.linspace(0.0, wide, 18)
        rise = thick * 0.8 * np.sin(np.pi * np.clip(x / wide * 0.9 + 0.06, 0, 1)) ** 0.6
        parts = []
        for side in (-1, 1):
            upper = np.stack([side * x, 0.004 + rise, 0 * x], -1)
            outline = np.concatenate([upper, upper[::-1] * [1, 0, 1] + [0, 0.003, 0]])
            rings = np.stack([outline + [0, 0, z] for z in (-high / 2 + 0.004, high / 2 - 0.004)])
            parts.append(lofted(rings, paper))
            parts.append(block((wide, 0.003, high), cover, centre=(side * wide / 2, 0.0015, 0)))
            for line in np.linspace(-0.35, 0.35, 14) * high:
                text = np.stack(
                    [side * np.linspace(0.2, 0.85, 8) * wide, np.zeros(8), np.full(8, line)], -1
                )
                text[:, 1] = 0.0045 + np.interp(np.abs(text[:, 0]), x, rise)
                parts.append(rod(text, 0.0014, BLACK, sides=4, flatten=0.3))
        return parts
    board = 0.003
    parts = [block((wide - 0.006, thick - 2 * board, high - 0.010), paper, centre=(0.001, 0, 0))]
    for y in (-1, 1):
        parts.append(
            block((wide, board, high), cover, centre=(0, y * (thick - board) / 2, 0), bevel=0.001)
        )
    parts.append(block((board, thick, high), cover, centre=(-wide / 2, 0, 0), bevel=0.001))
    top = thick / 2 + 0.0003
    parts.append(
        block(
            (wide * 0.62, 0.0006, high * random.uniform(0.1, 0.3)),
            trim,
            centre=(0.004, top, -high * 0.22),
        )
    )
    if random.random() < 0.6:
        parts.append(
            block((wide * 0.4, 0.0006, high * 0.05), trim, centre=(0.004, top, high * 0.3))
        )
    for z in (-0.36, 0.36):
        parts.append(
            block((0.001, thick, high * 0.03), trim, centre=(-wide / 2 - 0.0015, 0, z * high))
        )
    return parts


@category("die", "n03191029")
def die(random: np.random.Generator) -> list[Mesh]:
    """A die with one to six dots on its faces."""
    size = random.uniform(0.014, 0.022)
    light = random.random() < 0.5
    body = Material((0.82, 0.8, 0.74) if light else hued(random, value=(0.25, 0.6)), roughness=0.25)
    dots = Material((0.02, 0.02, 0.02) if light else (0.85, 0.85, 0.82), roughness=0.5)
    parts = [block((size,) * 3, body, bevel=size * random.uniform(0.08, 0.2))]
    spots = {
        1: [(0, 0)],
        2: [(-1, -1), (1, 1)],
        3: [(-1, -1), (0, 0), (1, 1)],
        4: [(-1, -1), (-1, 1), (1, -1), (1, 1)],
        5: [(-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)],
        6: [(s, t) for s in (-1, 1) for t in (-1, 0, 1)],
    }
    turns = {1: ("x", 0), 6: ("x", 180), 2: ("x", 90), 5: ("x", -90), 3: ("z", 90), 4: ("z", -90)}
    radius, apart = size * random.uniform(0.085, 0.105), size * 0.25
    for value, places in spots.items():
        for x, z in places:
            dot = revolved(
                [(0, size / 2 + 2e-4), (radius, size / 2 + 1e-4), (radius, 0.4 * size)],
                dots,
                sections=20,
            )
            parts.append(turned(moved(dot, (x * apart, 0, z * apart)), *turns[value]))
    return parts


@category("pawn", "n03901750")
def pawn(random: np.random.Generator) -> list[Mesh]:
    """A pawn of chess: turned foot, collar and a ball for a head."""
    finish = (
        wood(random)
        if random.random() < 0.6
        else Material(
            (0.75, 0.7, 0.6) if random.random() < 0.5 else (0.03, 0.028, 0.03), roughness=0.25
        )
    )
    high, foot = random.uniform(0.045, 0.06), random.uniform(0.014, 0.018)
    head = foot * random.uniform(0.55, 0.68)
    neck = high - 1.75 * head
    body = curve([(foot * 0.8, high * 0.17), (foot * 0.45, high * 0.38), (foot * 0.33, neck)], 16)
    base = [
        (0, 0),
        (foot, 0),
        (foot, 0.10 * high),
        (foot * 0.85, 0.12 * high),
        (foot * 0.9, 0.15 * high),
    ]
    collar = [
        (foot * 0.68, neck),
        (foot * 0.72, neck + 0.02 * high),
        (foot * 0.35, neck + 0.05 * high),
    ]
    turn = np.linspace(0.42, np.pi, 20)
    ball = [(head * np.sin(t), high - head - head * np.cos(t)) for t in turn]
    return [revolved([*base, *map(tuple, body), *collar, *ball], finish, sections=48)]


@category("guitar", "n03467517")
def guitar(random: np.random.Generator) -> list[Mesh]:
    """An acoustic guitar with a waisted body, a sound hole, frets and strings."""
    face = wood(random, value=(0.65, 0.9)) if random.random() < 0.7 else paint(random)
    rib, dark = wood(random, value=(0.2, 0.45)), wood(random, value=(0.15, 0.28))
    lower, upper = random.uniform(0.18, 0.21), random.uniform(0.13, 0.155)
    waist, long = random.uniform(0.105, 0.13), random.uniform(0.46, 0.52)
    depth = random.uniform(0.08, 0.11)
    side = curve(
        [
            (0.0, 0.0),
            (lower * 0.75, 0.015),
            (lower, long * 0.25),
            (waist, long * 0.60),
            (upper, long * 0.82),
            (upper * 0.7, long * 0.985),
            (0.0, long),
        ],
        60,
    )
    side[:, 0] = side[:, 0].clip(0)
    outline = np.concatenate([side, side[-2:0:-1] * [-1, 1]]) - [0, long * 0.5]
    parts = [
        extruded(outline, depth, rib),
        moved(extruded(outline * 0.985, 0.003, face), (0, 0, depth / 2)),
    ]
    front, hole = depth / 2 + 0.002, long * 0.13
    for radius, material, z in (
        (0.058, dark, 0.0004),
        (0.050, face, 0.0008),
        (0.046, BLACK, 0.0012),
    ):
        disc = turned(revolved([(0, 0), (radius, 0)], material), "x", 90)
        parts.append(moved(disc, (0, hole, front + z)))
    parts.append(
        block((0.16, 0.026, 0.010), dark, centre=(0, -long * 0.25, front + 0.004), bevel=0.003)
    )
    neck = random.uniform(0.36, 0.42)
    low, top = long * 0.24, long * 0.5 + neck
    parts.append(block((0.048, top - low, 0.012), dark, centre=(0, (low + top) / 2, front + 0.006)))
    parts.append(
        rod([(0, long * 0.49, front - 0.012), (0, top, front - 0.006)], 0.02, rib, flatten=1.1)
    )
    for share in 1 - 2 ** (-np.arange(1, 16) / 12):
        y = top - share * (top + long * 0.25)
        parts.append(block((0.048, 0.0022, 0.001), STEEL, centre=(0, y, front + 0.0125)))
    shape = np.array(
        [(-0.024, 0), (0.024, 0), (0.036, 0.05), (0.033, 0.16), (-0.033, 0.16), (-0.036, 0.05)]
    )
    parts.append(moved(turned(extruded(shape, 0.016, rib), "x", -12), (0, top, front)))
    for x in np.linspace(-0.018, 0.018, 6):
        string = [(x * 1.2, -long * 0.25, front + 0.013), (x, top, front + 0.0145)]
        parts.append(rod(string, 0.0007, STEEL, sides=5))
    for y in (0.035, 0.08, 0.125):
        for x in (-1, 1):
            parts.append(
                rod(
                    [(x * 0.03, top + y, front - y * 0.2), (x * 0.052, top + y, front - y * 0.2)],
                    0.007,
                    WHITE,
                )
            )
    return parts


@category("drum", "n03249569")
def drum(random: np.random.Generator) -> list[Mesh]:
    """A drum with a painted shell, hoops, tension rods and a pale skin."""
    shell, hoop = paint(random, gloss=0.8), metal(random)
    radius, high = random.uniform(0.16, 0.24), random.uniform(0.13, 0.38)
    skin = Material((0.82, 0.80, 0.74), roughness=0.7)
    parts = [
        revolved([(radius, 0), (radius, high)], shell, sections=56),
        revolved([(0, 0), (radius + 0.004, 0)], skin, sections=56),
        revolved([(0, high), (radius + 0.004, high)], skin, sections=56),
    ]
    for y in (0.008, high - 0.008):
        edge = [
            (radius, y - 0.014),
            (radius + 0.012, y - 0.014),
            (radius + 0.012, y + 0.014),
            (radius, y + 0.014),
        ]
        parts.append(revolved([*edge, edge[0]], hoop, sections=56))
    count = int(random.integers(6, 11))
    for angle in 2 * np.pi * np.arange(count) / count:
        x, z = (radius + 0.008) * np.cos(angle), (radius + 0.008) * np.sin(angle)
        parts.append(rod([(x, 0.01, z), (x, high - 0.01, z)], 0.004, STEEL, sides=8))
        parts.append(rod([(x, high * 0.4, z), (x, high * 0.6, z)], 0.009, STEEL, sides=8))
    if random.random() < 0.7:
        stick = wood(random, value=(0.65, 0.85))
        for side, lean in ((-1, 0.3), (1, -0.15)):
            start = np.array([side * 0.05 - radius * 0.7, high + 0.02, side * 0.06 + lean * 0.2])
            end = start + np.array([0.36, 0.0, -lean * 0.5])
            width = np.r_[np.full(14, 0.008), 0.006, 0.005, 0.008, 0.009, 0.007, 0.003]
            share = np.r_[np.linspace(0, 0.88, 14), 0.92, 0.95, 0.965, 0.98, 0.99, 1.0][:, None]
            parts.append(rod(start * (1 - share) + end * share, width, stick, sides=10))
    return parts


@category("hat", "n03497657")
def hat(random: np.random.Generator) -> list[Mesh]:
    """A hat with crown, band and brim: top hat, bowler, sun hat or one with a rolled brim."""
    style = random.choice(4)
    felt = cloth(random)
    ribbon = Material(hued(random, value=(0.1, 0.9)), roughness=0.6)
    radius = random.uniform(0.09, 0.105)
    high, brim, crown = [
        (0.16, 0.055, [(1.0, 0), (0.95, 0.6), (1.04, 0.97), (1.0, 1.0), (0, 1.0)]),  # top hat
        (0.115, 0.04, [(1.0, 0), (0.98, 0.4), (0.75, 0.85), (0.35, 0.99), (0, 1.0)]),  # bowler
        (0.09, 0.15, [(1.0, 0), (0.97, 0.5), (0.75, 0.9), (0.4, 1.0), (0, 1.0)]),  # sun hat
        (0.115, 0.09, [(1.0, 0), (0.9, 0.7), (0.78, 0.98), (0.5, 1.0), (0.0, 0.84)]),  # western
    ][style]
    points = np.array(crown) * [radius, high]
    shape = points if style == 0 else curve(points, 24)
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    roll = [0.022, 0.016, -0.010, 0.075][style]
    share = np.linspace(0, 1, 12)[:, None]
    out = radius + brim * share
    rise = roll * share**2 * (np.cos(2 * turn) * 0.5 + 0.5 if style in (0, 1, 3) else 1.0)

    def sheet(lift: float) -> np.ndarray:
        y = np.broadcast_to(rise + lift, (12, 72))
        return np.stack([out * np.cos(turn), y, out * np.sin(turn)], -1)

    rings = np.concatenate([sheet(0.0025), sheet(-0.0015)[::-1]])
    band = [
        (radius * 1.012, 0.003),
        (radius * np.interp(0.2, *_crown_side(crown)) + 0.0015, high * 0.24),
    ]
    parts = [
        revolved(list(map(tuple, shape)), felt, sections=56),
        revolved(band, ribbon, sections=56),
        lofted(rings, felt, crease=60, ends=False),
    ]
    return [stretched(part, (1.0, 1.0, 1.15)) for part in parts]  # a head is oval


def _crown_side(crown: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    heights = [y for _, y in crown if y < 0.95]
    return heights, [r for r, y in crown if y < 0.95]
