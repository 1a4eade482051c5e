"""Tools and household things made by code."""

from __future__ import annotations

import numpy as np

from simtailor.assets.mesh import Material, Mesh, moved
from simtailor.assets.procedural.catalogue import category
from simtailor.assets.procedural.finishes import (
    BLACK,
    BRASS,
    STEEL,
    hued,
    metal,
    paint,
    wood,
)
from simtailor.assets.shapes import block, curve, hull, lofted, revolved, rod, shaded, turned


@category("hammer", "n03481172")
def hammer(random: np.random.Generator) -> list[Mesh]:
    """A claw hammer or a mallet-headed one, on a wooden or rubber grip."""
    long = random.uniform(0.26, 0.34)
    steel = metal(random, dark=random.random() < 0.4)
    grip = wood(random) if random.random() < 0.6 else paint(random, gloss=0.3)
    width = np.interp(np.linspace(0, 1, 20), [0, 0.08, 0.4, 1], [0.010, 0.016, 0.013, 0.010])
    path = np.stack([0 * width, np.linspace(0, long, 20), 0 * width], -1)
    parts = [rod(path, width, grip, flatten=0.75)]
    reach = random.uniform(0.045, 0.06)
    face = random.uniform(0.012, 0.016)
    radii = [face, face, face * 0.75, face * 0.95, face * 0.9]
    places = [reach, reach - 0.014, reach - 0.02, 0.016, -0.018]
    parts.append(rod([(x, long - 0.012, 0) for x in places], radii, steel, sides=20))
    if random.random() < 0.65:  # claw
        for z in (-1, 1):
            claw = curve(
                [
                    (-0.01, long - 0.012, z * 0.004),
                    (-0.045, long - 0.012, z * 0.008),
                    (-0.085, long - 0.045, z * 0.013),
                ],
                14,
            )
            parts.append(rod(claw, np.linspace(0.013, 0.004, 14), steel, flatten=0.6))
    else:  # wedge
        x, y = -random.uniform(0.05, 0.07), long - 0.012
        wedge = [(-0.016, y + s * 0.011, t * 0.011) for s in (-1, 1) for t in (-1, 1)]
        wedge += [(x, y + s * 0.002, t * 0.014) for s in (-1, 1) for t in (-1, 1)]
        parts.append(hull(np.array(wedge), steel))
    return parts


@category("screwdriver", "n04154565")
def screwdriver(random: np.random.Generator) -> list[Mesh]:
    """A screwdriver: bright fluted grip, thin steel shaft and a flat tip."""
    grip = Material(hued(random, saturation=(0.75, 1), value=(0.6, 1)), roughness=0.25)
    thick, long = random.uniform(0.013, 0.018), random.uniform(0.09, 0.12)
    shaft, radius = random.uniform(0.08, 0.17), random.uniform(0.0025, 0.004)
    y = np.linspace(0, long, 30)
    body = thick * np.interp(y / long, [0, 0.05, 0.3, 0.75, 0.9, 1], [0.4, 0.9, 1, 0.85, 0.6, 0.55])
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    flutes = 1 - 0.13 * (np.cos(6 * angle) > 0.2) * ((y > 0.14 * long) & (y < 0.8 * long))[:, None]
    at = body[:, None] * flutes
    rings = np.stack([at * np.cos(angle), np.repeat(y[:, None], 48, 1), at * np.sin(angle)], -1)
    collar = [(thick * 0.62, long * 0.93), (thick * 0.62, long), (0, long)]
    end = long + shaft
    tip = [(x, end - 0.012, z) for x in (-radius, radius) for z in (-radius, radius)]
    tip += [(x, end, z) for x in (-radius * 1.5, radius * 1.5) for z in (-0.0005, 0.0005)]
    return [
        lofted(rings, grip),
        revolved(collar, BLACK),
        rod([(0, long - 0.01, 0), (0, end - 0.011, 0)], radius, STEEL),
        hull(np.array(tip), STEEL),
    ]


@category("ladder", "n03632277")
def ladder(random: np.random.Generator) -> list[Mesh]:
    """A ladder to lean, or a stepladder that stands by itself."""
    steps = random.random() < 0.3
    finish = wood(random) if random.random() < 0.5 else metal(random)
    if random.random() < 0.2:
        finish = paint(random)
    high, width = random.uniform(1.6, 2.8), random.uniform(0.36, 0.46)
    taper = random.uniform(0.75, 1.0)
    count = int(high / random.uniform(0.24, 0.3))
    apart = random.uniform(0.28, 0.42) if steps else 0.0  # of a stepladder's feet

    def at(side: float, share: float, back: float = 1.0) -> np.ndarray:
        half = width / 2 * (1 - (1 - taper) * share)
        return np.array([side * half, share * high, back * apart * (1 - share)])

    parts = [rod([at(s, 0), at(s, 1)], 0.03, finish, flatten=0.5) for s in (-1, 1)]
    for share in (np.arange(count) + 0.6) / count:
        if steps:
            centre = (at(-1, share) + at(1, share)) / 2
            size = (2 * at(1, share)[0], 0.025, 0.09)
            parts.append(block(size, finish, centre=centre))
        else:
            parts.append(rod([at(-1, share), at(1, share)], 0.016, finish, sides=10))
    if steps:
        parts += [rod([at(s, 0, -1), at(s, 1, -1)], 0.024, finish, flatten=0.5) for s in (-1, 1)]
        parts += [
            rod([at(-1, share, -1), at(1, share, -1)], 0.012, finish) for share in (0.25, 0.6)
        ]
        top = (2 * at(1, 1)[0] + 0.06, 0.03, 0.16)
        parts.append(block(top, finish, centre=(0, high, 0), bevel=0.008))
    return parts


@category("barrel", "n02795169")
def barrel(random: np.random.Generator) -> list[Mesh]:
    """A cask of staves held by iron hoops."""
    staves, iron = wood(random), metal(random, dark=True)
    high, end = random.uniform(0.75, 1.0), random.uniform(0.24, 0.30)
    belly = end * random.uniform(1.12, 1.35)
    y = np.linspace(0, high, 25)
    radius = end + (belly - end) * (1 - (2 * y / high - 1) ** 2)
    body = [(end - 0.02, 0.03), (end - 0.02, 0), *zip(radius, y, strict=True), (end - 0.02, high)]
    profile = [(0, 0.03), *body, (end - 0.02, high - 0.03), (0, high - 0.03)]
    parts = [revolved(profile, staves, sections=26, crease=8)]
    for share in (0.04, 0.24, 0.76, 0.96)[: random.choice([3, 4]) + 1]:
        low, top = np.clip([share - 0.03, share + 0.03], 0.01, 0.99) * high
        hoop = [(np.interp(h, y, radius) + 0.008, h) for h in (low, top)]
        parts.append(
            revolved(
                [(r - 0.02, h) for r, h in hoop[:1]] + hoop + [(hoop[1][0] - 0.02, hoop[1][1])],
                iron,
                sections=48,
            )
        )
    return parts


@category("bucket", "n02909870")
def bucket(random: np.random.Generator) -> list[Mesh]:
    """A pail, wider at its rim, with a bail that hangs or stands."""
    skin = paint(random, gloss=0.5) if random.random() < 0.6 else metal(random)
    top, high = random.uniform(0.13, 0.16), random.uniform(0.22, 0.32)
    foot = top * random.uniform(0.65, 0.85)
    side = [
        (foot - 0.004, 0),
        (foot, 0.004),
        (top, high),
        (top + 0.006, high),
        (top + 0.006, high - 0.012),
    ]
    inside = [(top - 0.003, high), (foot - 0.003, 0.006), (0, 0.006)]
    up = random.uniform(15, 80)
    angle = np.linspace(0, np.pi, 40)
    reach = (top + 0.004) * 1.02
    path = np.stack([reach * np.cos(angle), reach * 1.1 * np.sin(angle), 0 * angle], -1)
    bail = moved(turned(rod(path, 0.0032, STEEL), "x", 90 - up), (0, high - 0.02, 0))
    middle = path[16:24]
    grip = moved(turned(rod(middle, 0.010, wood(random)), "x", 90 - up), (0, high - 0.02, 0))
    return [
        revolved([(0, 0), *side, *inside], skin, sections=56),
        bail,
        grip,
        *[
            rod(
                [(s * (top - 0.004), high - 0.02, 0), (s * (top + 0.010), high - 0.02, 0)],
                0.012,
                skin,
            )
            for s in (-1, 1)
        ],
    ]


@category("key", "n03613294")
def key(random: np.random.Generator) -> list[Mesh]:
    """An old key with a ring and a bit, or one with a flat head and teeth."""
    steel = BRASS if random.random() < 0.35 else metal(random)
    long = random.uniform(0.045, 0.075)
    if random.random() < 0.5:
        radius = random.uniform(0.010, 0.014)
        angle = np.linspace(0, 2 * np.pi, 41)
        loop = np.stack(
            [
                radius * np.cos(angle) - radius,
                radius * np.sin(angle) * random.uniform(0.9, 1.3),
                0 * angle,
            ],
            -1,
        )
        parts = [rod(loop, 0.0028, steel), rod([(0, 0, 0), (long, 0, 0)], 0.0027, steel)]
        parts.append(rod([(0.004, 0, 0), (0.009, 0, 0)], 0.0045, steel))
        deep = random.uniform(0.010, 0.015)
        for x in long - np.array([0.003, 0.0085, 0.013])[: random.integers(2, 4)]:
            tall = deep * random.uniform(0.7, 1)
            parts.append(block((0.0042, tall, 0.0024), steel, centre=(x, -tall / 2, 0)))
        parts.append(
            block((0.013, deep * 0.45, 0.0024), steel, centre=(long - 0.0075, -deep * 0.22, 0))
        )
        return parts
    sides = random.choice([6, 8, 40])
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False) + np.pi / sides
    radius = random.uniform(0.011, 0.014)
    outer = np.stack([np.cos(angle), np.sin(angle)], -1) * radius
    hole = np.stack([np.cos(angle), np.sin(angle)], -1) * radius * 0.36 - [radius * 0.3, 0]
    head = _perforated(outer - [radius * 0.8, 0], hole - [radius * 0.8, 0], 0.0026, steel)
    parts = [head, block((long, 0.0034, 0.0022), steel, centre=(long / 2, 0.0018, 0))]
    parts.append(
        hull(
            np.array(
                [
                    (long + dx, y, z)
                    for dx, y in ((0, 0), (0, 0.0035), (0.004, 0.0017))
                    for z in (-0.001, 0.001)
                ]
            ),
            steel,
        )
    )
    for x in np.arange(0.007, long, 0.0042):
        tall = random.uniform(0.001, 0.0042)
        parts.append(block((0.0034, tall, 0.0018), steel, centre=(x, -tall / 2, 0)))
    return parts


def _perforated(outer: np.ndarray, hole: np.ndarray, depth: float, material: Material) -> Mesh:
    """Return a plate between two outlines of equally many points [n, 2]."""
    n = len(outer)
    z = depth / 2
    rings = [(outer, -z), (outer, z), (hole, z), (hole, -z)]
    vertices = np.concatenate([np.column_stack([o, np.full(n, h)]) for o, h in rings])
    a = np.arange(n)
    b = (a + 1) % n
    faces = []
    for i in range(4):
        p, q = i * n, ((i + 1) % 4) * n
        faces += [np.stack([p + a, p + b, q + a], -1), np.stack([p + b, q + b, q + a], -1)]
    return shaded(vertices, np.concatenate(faces), material)


@category("umbrella", "n04507155")
def umbrella(random: np.random.Generator) -> list[Mesh]:
    """An open umbrella of ribs and two-coloured panels with a hooked handle."""
    first = Material(hued(random), roughness=0.8)
    second = Material(hued(random), roughness=0.8) if random.random() < 0.6 else first
    count = int(random.choice([8, 10]))
    radius, deep = random.uniform(0.45, 0.6), random.uniform(0.2, 0.32)
    high = random.uniform(0.78, 0.9)
    rows, columns = 14, 9
    grip = wood(random) if random.random() < 0.6 else BLACK
    parts = []
    share = np.linspace(0.01, 1, rows)[:, None]
    for panel in range(count):
        across = np.linspace(0, 1, columns)[None]
        angle = 2 * np.pi * (panel + across) / count
        # Cloth sags between the ribs, and its edge curves inwards.
        sag = 0.13 * share**1.5 * np.sin(np.pi * across)
        out = radius * np.sin(share * 1.35) / np.sin(1.35) * (1 - sag)
        height = high - deep * (1 - np.cos(share * 1.35)) / (1 - np.cos(1.35)) - 0.012 * sag
        points = np.stack(np.broadcast_arrays(out * np.cos(angle), height, out * np.sin(angle)), -1)
        index = np.arange(rows * columns).reshape(rows, columns)
        a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
        faces = np.concatenate([np.stack(f, -1).reshape(-1, 3) for f in ((a, b, c), (b, d, c))])
        parts.append(shaded(points.reshape(-1, 3), faces, (first, second)[panel % 2]))
        rib = points[:, 0] - [0, 0.004, 0]
        parts.append(rod(rib, 0.0022, STEEL, sides=6))
        parts.append(rod([rib[7], (0, high - deep * 0.85, 0)], 0.0018, STEEL, sides=6))
    parts.append(rod([(0, 0.05, 0), (0, high + 0.07, 0)], 0.0055, STEEL))
    turn = np.linspace(0, np.pi, 16)
    hook = np.stack([0.035 - 0.035 * np.cos(turn), -0.035 * np.sin(turn), 0 * turn], -1)
    parts.append(
        rod(np.concatenate([[(0, 0.12, 0), (0, 0.05, 0)], hook, [(0.07, 0.02, 0)]]), 0.011, grip)
    )
    return parts


@category("candle", "n02948072")
def candle(random: np.random.Generator) -> list[Mesh]:
    """A candle that burns on a plate or a candlestick."""
    wax = Material(hued(random, saturation=(0.05, 0.75), value=(0.75, 0.97)), roughness=0.45)
    flame = Material((1.0, 0.55, 0.08), roughness=0.9)
    stand = BRASS if random.random() < 0.5 else paint(random)
    radius, tall = random.uniform(0.011, 0.03), random.uniform(0.09, 0.2)
    dish = radius * random.uniform(2.0, 2.8) + 0.015
    if radius < 0.018:  # candlestick
        stem = random.uniform(0.06, 0.16)
        knob = curve(
            [
                (dish * 0.9, 0),
                (0.012, 0.02),
                (0.02, stem * 0.55),
                (0.009, stem * 0.75),
                (radius + 0.006, stem),
            ],
            24,
        )
        base = [(0, 0), *map(tuple, knob), (radius + 0.006, stem + 0.02), (0, stem + 0.02)]
    else:
        stem = 0.004
        base = [
            (0, 0),
            (dish, 0),
            (dish + 0.008, 0.014),
            (dish + 0.004, 0.014),
            (dish - 0.003, 0.005),
            (0, 0.005),
        ]
    top = stem + tall
    body = [
        (radius, stem),
        (radius, top - 0.004),
        (radius * 0.8, top),
        (radius * 0.5, top - 0.004),
        (0, top - 0.005),
    ]
    fire = curve(
        [(0.0005, top + 0.006), (0.0065, top + 0.016), (0.003, top + 0.03), (0.0003, top + 0.042)],
        16,
    )
    return [
        revolved(base, stand),
        revolved(body, wax),
        rod([(0, top - 0.006, 0), (0, top + 0.010, 0)], 0.0012, BLACK, sides=6),
        revolved(list(map(tuple, fire)), flame, sections=20, crease=80),
    ]


@category("dumbbell", "n03255030")
def dumbbell(random: np.random.Generator) -> list[Mesh]:
    """Two weights, round, six-sided or of plates, on a short bar."""
    iron = paint(random, gloss=0.5) if random.random() < 0.6 else metal(random, dark=True)
    radius, thick = random.uniform(0.045, 0.075), random.uniform(0.05, 0.085)
    half = random.uniform(0.06, 0.075)
    sections = int(random.choice([6, 40]))
    style = random.choice(3)
    parts = [
        turned(
            revolved([(0, -half), (0.014, -half), (0.017, 0), (0.014, half), (0, half)], STEEL),
            "z",
            90,
        )
    ]
    for side in (-1, 1):
        if style == 0:
            profile = [
                (0, 0),
                (radius * 0.9, 0),
                (radius, 0.01),
                (radius, thick - 0.01),
                (radius * 0.9, thick),
                (0, thick),
            ]
            weight = revolved(profile, iron, sections=sections, crease=30)
        elif style == 1:
            turn = np.linspace(0, np.pi, 26)
            profile = [(radius * np.sin(t), radius * (1 - np.cos(t))) for t in turn]
            weight = revolved(profile, iron, crease=60)
        else:
            profile = [(0, 0)]
            for plate, share in enumerate((1.0, 0.8, 0.6)):
                profile += [
                    (radius * 1.2 * share, plate * 0.022),
                    (radius * 1.2 * share, plate * 0.022 + 0.02),
                ]
                profile += [(0.02, plate * 0.022 + 0.02), (0.02, plate * 0.022 + 0.022)]
            weight = revolved(
                [*profile[:-2], (0.018, 0.066), (0.018, 0.085), (0, 0.085)], iron, sections=48
            )
        parts.append(turned(moved(weight, (0, half - 0.004, 0)), "z", 90 * side))
    return parts
