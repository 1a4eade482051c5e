"""Vehicles made by code. They drive, sail and fly towards +x."""

from __future__ import annotations

import numpy as np

from simtailor.assets.mesh import Material, Mesh, moved
from simtailor.assets.procedural.catalogue import category
from simtailor.assets.procedural.finishes import (
    BLACK,
    GLASS,
    RUBBER,
    STEEL,
    WHITE,
    hued,
    metal,
    paint,
    wood,
)
from simtailor.assets.shapes import block, curve, ellipsoid, hull, lofted, revolved, rod, turned

LAMP = Material((0.9, 0.86, 0.7), roughness=0.15)
TAIL_LAMP = Material((0.5, 0.01, 0.01), roughness=0.2)


def _wheel(
    radius: float, width: float, rim: Material, centre: tuple[float, float, float]
) -> list[Mesh]:
    """Return a wheel whose axle points along z."""
    w, r = width / 2, radius
    tyre = [(r * 0.6, -w), (r * 0.93, -w), (r, -w * 0.6), (r, w * 0.6), (r * 0.93, w), (r * 0.6, w)]
    hub = [
        (0, -w * 0.8),
        (r * 0.62, -w * 0.9),
        (r * 0.62, w * 0.9),
        (r * 0.5, w * 0.6),
        (0.12 * r, w * 0.85),
        (0, w * 0.85),
    ]
    parts = [revolved([*tyre, tyre[0]], RUBBER, sections=32), revolved(hub, rim, sections=32)]
    side = 1 if centre[2] >= 0 else -1
    return [moved(turned(p, "x", 90 * side), centre) for p in parts]


def _section(
    profile: list[tuple[float, float]],
    half_width: float,
    material: Material,
    *,
    tumble: float = 0.0,
    shoulder: float | None = None,
) -> Mesh:
    """Return a side view (x, y) as a body; points above ``shoulder`` lean in by ``tumble``."""
    outline = np.array(profile, dtype=np.float64)
    shoulder = outline[:, 1].min() if shoulder is None else shoulder
    span = max(outline[:, 1].max() - shoulder, 1e-6)
    lean = 1 - tumble * np.clip((outline[:, 1] - shoulder) / span, 0, 1)
    middle = outline.mean(0)
    edge, full = np.array([0.985, 0.93]), np.ones(2)  # the long edges are bevelled
    rings = []
    for z, size in ((-1, edge), (-0.93, full), (0.93, full), (1, edge)):
        points = middle + (outline - middle) * size
        rings.append(np.column_stack([points, z * half_width * lean]))
    return lofted(np.array(rings), material, crease=28)


@category("car", "n02958343")
def car(random: np.random.Generator) -> list[Mesh]:
    """A saloon, estate or small car with windows, lamps and four wheels."""
    skin = paint(random, gloss=0.85)
    style = random.choice(3)
    long = [4.5, 4.6, 3.7][style] * random.uniform(0.96, 1.05)
    high = [1.42, 1.5, 1.52][style] * random.uniform(0.97, 1.04)
    half, belt = random.uniform(0.84, 0.9), 0.60 * high
    hood = belt - random.uniform(0.02, 0.08)
    front, back = long / 2, -long / 2
    bonnet = front - [1.25, 1.2, 0.85][style]
    boot = back + [0.75, 0.12, 0.10][style]
    body = [
        (back + 0.05, 0.28),
        (back, 0.45),
        (back + 0.03, belt - 0.02),
        (back + 0.2, belt),
        (bonnet, belt),
        (front - 0.35, hood - 0.03),
        (front - 0.06, hood - 0.18),
        (front, 0.48),
        (front - 0.06, 0.26),
    ]
    slope, rear = random.uniform(0.55, 0.75), [0.55, 0.22, 0.32][style]
    cabin = [
        (boot, belt - 0.02),
        (boot + rear, high - 0.04),
        (boot + rear + 0.25, high),
        (bonnet - slope - 0.2, high),
        (bonnet - slope, high - 0.04),
        (bonnet + 0.05, belt - 0.02),
    ]
    parts = [_section(body, half, skin), _section(cabin, half * 0.94, GLASS, tumble=0.2)]
    roof = [(x, y + 0.012) for x, y in cabin[1:5]]
    top = [*roof, (roof[-1][0] - 0.02, high - 0.075), (roof[0][0] + 0.02, high - 0.075)]
    parts.append(_section(top, half * 0.785, skin))
    middle = (boot + bonnet) / 2 - 0.05
    for upper, lower in ((boot + rear, boot), (middle, middle), (bonnet - slope, bonnet + 0.05)):
        for side in (-1, 1):
            foot = (lower, belt, side * half * 0.935)
            parts.append(rod([foot, (upper, high - 0.03, side * half * 0.75)], 0.04, skin, sides=8))
    rim, radius = metal(random), random.uniform(0.29, 0.33)
    for x in (back + 0.78, front - 0.82):
        for z in (-1, 1):
            arch = turned(revolved([(0, 0), (radius * 1.16, 0)], BLACK, sections=32), "x", 90 * z)
            parts.append(moved(arch, (x, radius, z * (half + 0.004))))
            parts += _wheel(radius, 0.2, rim, (x, radius, z * (half - 0.07)))
    for z in (-0.62, 0.62):
        parts.append(
            ellipsoid((0.06, 0.08, 0.17), LAMP, centre=(front - 0.06, hood - 0.20, z * half / 0.85))
        )
        parts.append(
            block(
                (0.05, 0.13, 0.24),
                TAIL_LAMP,
                centre=(back + 0.02, belt - 0.16, z * half / 0.85),
                bevel=0.02,
            )
        )
    parts.append(block((0.06, 0.1, half * 0.9), BLACK, centre=(front - 0.01, 0.42, 0), bevel=0.02))
    parts.append(block((0.02, 0.11, 0.5), WHITE, centre=(back - 0.005, 0.55, 0)))
    return parts


@category("bus", "n02924116")
def bus(random: np.random.Generator) -> list[Mesh]:
    """A long box with a row of windows, now and then with two decks."""
    skin, stripe = paint(random, gloss=0.8), paint(random)
    double = random.random() < 0.35
    long = random.uniform(8.5, 12) if not double else random.uniform(8.5, 10)
    high, half = (4.3 if double else random.uniform(2.9, 3.2)), 1.25
    parts = [
        block((long, high - 0.35, 2 * half), skin, centre=(0, high / 2 + 0.175, 0), bevel=0.16)
    ]
    rows = [(1.35, 2.25), (2.85, 3.7)] if double else [(1.5, high - 0.5)]
    count = int(long / random.uniform(1.3, 1.7))
    width = (long - 0.8) / count
    for low, top in rows:
        for x in -long / 2 + 0.5 + width * (np.arange(count) + 0.5):
            for z in (-1, 1):
                size = (width * 0.88, top - low, 0.04)
                parts.append(block(size, GLASS, centre=(x, (low + top) / 2, z * half), bevel=0.018))
        for x in (-1, 1):
            size = (0.04, top - low + (0.25 if x > 0 else 0), 2 * half * 0.86)
            centre = (x * long / 2, (low + top) / 2 - (0.1 if x > 0 else 0), 0)
            parts.append(block(size, GLASS, centre=centre, bevel=0.018))
    for z in (-1, 1):
        parts.append(block((long * 0.985, 0.22, 0.02), stripe, centre=(0, 1.08, z * half)))
        parts.append(ellipsoid((0.05, 0.12, 0.16), LAMP, centre=(long / 2, 0.75, z * 0.9)))
        parts.append(block((0.04, 0.25, 0.16), TAIL_LAMP, centre=(-long / 2, 0.9, z * 1.0)))
        for x in (-long / 2 + 2.0, long / 2 - 2.2):
            parts += _wheel(0.48, 0.3, STEEL, (x, 0.48, z * (half - 0.12)))
    parts.append(block((0.95, 1.9, 0.05), GLASS, centre=(long / 2 - 0.8, 1.35, half), bevel=0.02))
    return parts


@category("truck", "n04490091")
def truck(random: np.random.Generator) -> list[Mesh]:
    """A cab with a box, a tank or an open bed behind it."""
    skin = paint(random, gloss=0.8)
    half, bed = 1.1, random.uniform(3.6, 5.2)
    cab = [
        (0, 0.55),
        (0, 2.35),
        (0.25, 2.5),
        (1.05, 2.48),
        (1.45, 1.6),
        (1.62, 1.45),
        (1.68, 0.7),
        (1.6, 0.5),
    ]
    parts = [_section(cab, half, skin, tumble=0.08, shoulder=1.5)]
    window = [(1.04, 2.36), (1.41, 1.64), (1.47, 1.64), (1.10, 2.36)]
    parts.append(_section(window, half * 0.86, GLASS))
    for z in (-1, 1):
        parts.append(
            block((0.72, 0.6, 0.02), GLASS, centre=(0.68, 1.95, z * half * 0.985), bevel=0.009)
        )
        parts.append(ellipsoid((0.06, 0.12, 0.16), LAMP, centre=(1.66, 0.9, z * 0.78)))
    parts.append(block((bed + 1.2, 0.16, 1.0), BLACK, centre=(-bed / 2 + 0.3, 0.68, 0)))
    parts.append(block((0.1, 0.28, 2.1), metal(random), centre=(1.68, 0.55, 0), bevel=0.04))
    load, style = paint(random, gloss=0.4), random.choice(3)
    middle = -bed / 2 - 0.12
    if style == 0:
        tall = random.uniform(1.9, 2.5)
        parts.append(block((bed, tall, 2.3), load, centre=(middle, 0.78 + tall / 2, 0), bevel=0.03))
        for z in (-1, 1):
            parts.append(
                block(
                    (bed * 0.8, tall * 0.22, 0.02),
                    paint(random),
                    centre=(middle, 0.78 + tall * 0.55, z * 1.15),
                )
            )
    elif style == 1:
        turn = np.linspace(0, np.pi, 24)
        tank = [(1.0 * np.sin(t) ** 0.35, -bed / 2 * np.cos(t)) for t in turn]
        shape = turned(revolved(tank, metal(random)), "z", 90)
        parts.append(moved(shape, (middle, 1.78, 0)))
    else:
        parts.append(block((bed, 0.1, 2.2), wood(random), centre=(middle, 0.82, 0)))
        for z in (-1, 1):
            parts.append(block((bed, 0.55, 0.06), load, centre=(middle, 1.1, z * 1.1)))
        for x in (-1, 1):
            parts.append(block((0.06, 0.55, 2.2), load, centre=(middle + x * bed / 2, 1.1, 0)))
        earth = Material((0.26, 0.16, 0.08), roughness=0.95)
        parts.append(ellipsoid((bed * 0.46, 0.75, 0.98), earth, centre=(middle, 0.95, 0)))
    for x in (0.85, -bed + 0.55, -bed + 1.5):
        for z in (-1, 1):
            parts += _wheel(0.45, 0.3, STEEL, (x, 0.45, z * (half - 0.14)))
    return parts


@category("bicycle", "n02834778")
def bicycle(random: np.random.Generator) -> list[Mesh]:
    """A bicycle with a diamond frame, spokes, saddle, pedals and handlebars."""
    skin = paint(random, gloss=0.8)
    radius, tyre = random.uniform(0.31, 0.35), random.uniform(0.014, 0.028)
    base = random.uniform(1.0, 1.08)
    rear, front = np.array([-base / 2, radius, 0]), np.array([base / 2, radius, 0])
    crank = np.array([-0.06, 0.28, 0])
    seat = np.array([-0.23, random.uniform(0.72, 0.82), 0])
    head = front + [-0.16, random.uniform(0.42, 0.48), 0]
    low_head = head - [-0.035, 0.11, 0]
    drop = random.choice([0.0, 0.24])  # of the top tube, where it is low
    parts = []
    for hub in (rear, front):
        angle = np.linspace(0, 2 * np.pi, 49)
        circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
        parts.append(rod(hub + circle * (radius - tyre), tyre, RUBBER, sides=10))
        parts.append(rod(hub + circle * (radius - 2.2 * tyre), 0.009, STEEL, sides=8))
        for a in np.linspace(0, 2 * np.pi, 20, endpoint=False):
            z = 0.03 * (1 if int(a * 10) % 2 else -1)
            end = hub + np.array([np.cos(a), np.sin(a), 0]) * (radius - 2 * tyre)
            parts.append(rod([hub + [0, 0, z], end], 0.0022, STEEL, sides=5))
        parts.append(rod([hub - [0, 0, 0.06], hub + [0, 0, 0.06]], 0.018, STEEL))
    tubes = [
        (crank, seat, 0.016),
        (seat * [1, 0.96, 1] - [0, drop, 0], head * [1, 0.99, 1] - [0, drop * 0.25, 0], 0.016),
        (crank, low_head, 0.020),
        (head + [0, 0.03, 0], low_head - [0, 0.02, 0], 0.02),
    ]
    parts += [rod([a, b], r, skin) for a, b, r in tubes]
    for z in (-0.05, 0.05):
        side = np.array([0, 0, z])
        parts.append(rod([crank + side * 0.6, rear + side], 0.010, skin, sides=10))
        parts.append(rod([seat * [1, 0.94, 1] + side * 0.4, rear + side], 0.009, skin, sides=10))
        parts.append(rod([low_head + side, front + side], (0.015, 0.010), skin, sides=10))
    up = seat + [-0.025, random.uniform(0.1, 0.2), 0]
    parts.append(rod([seat, up], 0.012, STEEL))
    saddle = hull(
        np.array(
            [
                up + d
                for d in [
                    (-0.13, 0.03, -0.075),
                    (-0.13, 0.03, 0.075),
                    (0.14, 0.02, 0.018),
                    (0.14, 0.02, -0.018),
                    (-0.11, -0.005, 0.05),
                    (-0.11, -0.005, -0.05),
                    (0.12, 0, 0),
                    (-0.05, 0.035, 0.05),
                    (-0.05, 0.035, -0.05),
                ]
            ]
        ),
        BLACK,
    )
    stem = head + [0.02, 0.11, 0]
    parts += [saddle, rod([head, stem], 0.013, STEEL)]
    half = random.uniform(0.21, 0.3)
    for z in (-1, 1):
        if half < 0.24:  # dropped bars
            bar = [
                stem,
                stem + [0.03, 0, z * half],
                stem + [0.11, -0.03, z * half],
                stem + [0.08, -0.13, z * half],
                stem + [-0.01, -0.14, z * half],
            ]
        else:
            bar = [
                stem,
                stem + [0.04, 0.03, z * half * 0.5],
                stem + [-0.02, 0.05, z * half],
                stem + [-0.08, 0.05, z * half * 1.08],
            ]
        path = curve(bar, 24)
        parts.append(rod(path, 0.011, STEEL, sides=10))
        parts.append(rod(path[-7:], 0.015, BLACK, sides=10))
        arm = crank + np.array([0.09 * z, -0.14 * z, 0.05 * z])
        parts.append(rod([crank + [0, 0, 0.05 * z], arm], 0.009, STEEL, sides=8))
        parts.append(block((0.09, 0.022, 0.08), BLACK, centre=arm + [0, 0, 0.05 * z]))
    disc = turned(
        revolved([(0, -0.002), (0.095, -0.002), (0.095, 0.002), (0, 0.002)], STEEL), "x", 90
    )
    parts.append(moved(disc, tuple(crank + [0, 0, 0.035])))
    for y in (0.09, -0.09):
        parts.append(
            rod([crank + [0, y, 0.036], rear + [0, y * 0.45, 0.036]], 0.005, BLACK, sides=6)
        )
    return parts


def _fin(points: list[tuple[float, float, float]], thickness: float, material: Material) -> Mesh:
    """Return a wing through four corners: front at root and tip, back at tip and root."""
    a, b, c, d = np.array(points, dtype=np.float64)
    normal = np.cross(b - a, d - a)
    normal /= np.linalg.norm(normal)
    chord = np.array([0.0, 0.06, 0.3, 0.7, 1.0])
    half = np.array([0.0, 0.6, 1.0, 0.6, 0.0]) * thickness / 2
    share = np.concatenate([chord, chord[-2:0:-1]])
    offset = np.concatenate([half, -half[-2:0:-1]])
    rings = []
    for front, back, scale in ((a, d, 1.0), (b, c, 0.5)):
        rings.append(front + (back - front) * share[:, None] + normal * (offset * scale)[:, None])
    return lofted(np.array(rings), material)


@category("airplane", "n02691156")
def airplane(random: np.random.Generator) -> list[Mesh]:
    """An airliner with swept wings and jets, or a light one with straight wings and a propeller."""
    skin = WHITE if random.random() < 0.5 else paint(random, gloss=0.8)
    accent = paint(random, gloss=0.8)
    jet = random.random() < 0.6
    long = random.uniform(28, 40) if jet else random.uniform(7, 9)
    r = long * (0.055 if jet else 0.075)
    t = np.linspace(0, 1, 40)
    shape = np.interp(
        t, [0, 0.02, 0.06, 0.12, 0.2, 0.6, 0.85, 1], [0.02, 0.35, 0.68, 0.92, 1, 1, 0.5, 0.12]
    )
    rise = r * np.interp(t, [0, 0.2, 0.6, 1], [-0.15, 0, 0, 0.55])
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    x = long * (0.5 - t)
    rings = np.stack(
        [
            np.repeat(x[:, None], 32, 1),
            rise[:, None] + r * shape[:, None] * np.sin(angle),
            r * shape[:, None] * np.cos(angle),
        ],
        -1,
    )
    parts = [lofted(rings, skin, crease=60)]
    span = long * random.uniform(0.44, 0.54) if jet else long * random.uniform(0.58, 0.7)
    sweep = random.uniform(0.17, 0.24) * long if jet else 0.01 * long
    chord = long * (0.19 if jet else 0.16)
    tip = chord * (0.32 if jet else 0.75)
    start = long * (0.10 if jet else 0.17)
    high = -0.45 * r if jet or random.random() < 0.5 else 0.95 * r
    wing = accent if random.random() < 0.3 else skin
    for side in (-1, 1):
        parts.append(
            _fin(
                [
                    (start, high, 0),
                    (start - sweep, high + 0.05 * span, side * span),
                    (start - sweep - tip, high + 0.05 * span, side * span),
                    (start - chord, high, 0),
                ],
                chord * 0.11,
                wing,
            )
        )
        back = -0.5 * long
        parts.append(
            _fin(
                [
                    (back + 0.14 * long, 0.45 * r, 0),
                    (back + 0.05 * long, 0.5 * r, side * span * 0.38),
                    (back + 0.005 * long, 0.5 * r, side * span * 0.38),
                    (back + 0.03 * long, 0.45 * r, 0),
                ],
                0.012 * long,
                accent,
            )
        )
        if jet:
            engine = turned(
                revolved(
                    [
                        (0, -0.035 * long),
                        (0.35 * r, -0.035 * long),
                        (0.5 * r, 0.0),
                        (0.52 * r, 0.045 * long),
                        (0.42 * r, 0.045 * long),
                        (0.4 * r, 0.03 * long),
                        (0, 0.03 * long),
                    ],
                    accent,
                ),
                "z",
                -90,
            )
            for out in (0.36,) if long < 35 else (0.33, 0.62):
                place = (
                    start - sweep * out + 0.01 * long,
                    high - 0.42 * r + 0.05 * span * out,
                    side * span * out,
                )
                parts.append(moved(engine, place))
        row = np.linspace(0.30, -0.26, 26 if jet else 3) * long
        for window in row:
            size = (0.0075 * long, 0.26 * r, 0.05 * r) if jet else (0.07 * long, 0.4 * r, 0.05 * r)
            if jet or window > 0:
                parts.append(
                    block(
                        size,
                        GLASS,
                        centre=(
                            window,
                            0.25 * r if jet else 0.45 * r,
                            side * r * (0.965 if jet else 0.89),
                        ),
                    )
                )
    fin = 0.17 * long
    parts.append(
        _fin(
            [
                (-0.33 * long, 0.9 * r, 0),
                (-0.45 * long, fin + 0.3 * r, 0),
                (-0.505 * long, fin + 0.3 * r, 0),
                (-0.48 * long, 0.6 * r, 0),
            ],
            0.014 * long,
            accent,
        )
    )
    parts.append(
        ellipsoid(
            (0.035 * long, 0.38 * r, 0.62 * r),
            GLASS,
            centre=(0.42 * long if jet else 0.24 * long, 0.42 * r if jet else 0.85 * r, 0),
        )
    )
    if not jet:
        nose = long / 2
        parts.append(
            ellipsoid((0.03 * long, 0.2 * r, 0.2 * r), accent, centre=(nose, -0.15 * r, 0))
        )
        tilt = random.uniform(0, 180)
        blade = block((0.012 * long, 0.26 * long, 0.02 * long), BLACK, bevel=0.004 * long)
        parts.append(moved(turned(blade, "x", tilt), (nose + 0.01 * long, -0.15 * r, 0)))
        for at, z in ((0.36 * long, 0.0), (0.06 * long, 0.2 * span), (0.06 * long, -0.2 * span)):
            parts += _wheel(0.045 * long, 0.03 * long, STEEL, (at, -r * 1.75, z))
            parts.append(rod([(at, -r * 1.75, z), (at, -0.5 * r, z * 0.3)], 0.008 * long, STEEL))
    return parts


@category("helicopter", "n03512147")
def helicopter(random: np.random.Generator) -> list[Mesh]:
    """A glazed cabin under a large rotor, with a tail boom and skids."""
    skin, accent = paint(random, gloss=0.8), paint(random, gloss=0.8)
    r, boom = random.uniform(1.0, 1.2), random.uniform(5.2, 6.5)
    parts = [
        ellipsoid((r * 1.9, r, r * 0.9), skin, fine=True),
        ellipsoid((r * 1.25, r * 0.83, r * 0.86), GLASS, centre=(r * 0.72, 0.10, 0), fine=True),
        rod([(-r * 1.1, 0.25 * r, 0), (-boom, 0.55 * r, 0)], (0.42 * r, 0.13), skin, sides=20),
        ellipsoid((r * 1.1, 0.35 * r, 0.5 * r), accent, centre=(-0.25, r * 0.95, 0)),
        rod([(0, r, 0), (0, r * 1.75, 0)], 0.11, STEEL),
        _fin(
            [
                (-boom + 0.75, 0.5 * r, 0),
                (-boom - 0.2, 0.5 * r + 1.25, 0),
                (-boom - 0.6, 0.5 * r + 1.25, 0),
                (-boom - 0.05, 0.4 * r, 0),
            ],
            0.14,
            accent,
        ),
        block((0.5, 0.06, 2.0), accent, centre=(-boom + 0.9, 0.5 * r, 0)),
    ]
    count, span, start = (
        int(random.integers(2, 5)),
        random.uniform(4.6, 5.6),
        random.uniform(0, 360),
    )
    for i in range(count):
        blade = block((span, 0.05, 0.34), BLACK, centre=(span / 2, r * 1.75, 0))
        parts.append(turned(blade, "y", start + 360 * i / count))
    for i in range(4):
        blade = block((0.12, 0.75, 0.03), BLACK, centre=(0, 0.4, 0))
        parts.append(moved(turned(blade, "z", 90 * i + 20), (-boom - 0.1, 0.55 * r + 0.3, 0.18)))
    for z in (-0.95, 0.95):
        skid = curve([(-1.5, -r - 0.55, z), (1.4, -r - 0.55, z), (1.85, -r - 0.3, z)], 16)
        parts.append(rod(skid, 0.065, STEEL))
        for x in (-0.8, 0.8):
            parts.append(rod([(x, -r - 0.55, z), (x, -0.6 * r, z * 0.5)], 0.05, STEEL))
    return parts


@category("sailboat", "n04128499")
def sailboat(random: np.random.Generator) -> list[Mesh]:
    """A hull with a mast, a mainsail and a foresail."""
    skin, deck = paint(random, gloss=0.8), wood(random)
    sail = Material(hued(random, saturation=(0.0, 0.8), value=(0.8, 0.97)), roughness=0.85)
    second = Material(hued(random, saturation=(0.0, 0.8), value=(0.75, 0.97)), roughness=0.85)
    long, half = random.uniform(5, 8), random.uniform(0.75, 1.1)
    deep = half * 0.9
    t = np.linspace(0, 1, 26)
    width = half * np.interp(t, [0, 0.2, 0.5, 0.8, 0.95, 1], [0.7, 0.92, 1.0, 0.6, 0.2, 0.02])
    keel = -deep * np.interp(t, [0, 0.3, 0.6, 0.9, 1], [0.55, 0.95, 1.0, 0.55, 0.02])
    sheer = 0.12 * (2 * t - 0.9) ** 2 * deep * 2
    across = np.linspace(-np.pi / 2, np.pi / 2, 17)
    x = long * (t - 0.5)
    rings = np.stack(
        np.broadcast_arrays(
            x[:, None],
            sheer[:, None] + keel[:, None] * np.cos(across) ** 0.7,
            width[:, None] * np.sin(across),
        ),
        -1,
    )
    parts = [lofted(rings, skin, crease=50)]
    top = np.stack([np.stack([x, sheer + 0.012, s * width * 0.9], -1) for s in (-1, 1)])
    outline = np.concatenate([top[0], top[1][::-1]])
    parts.append(lofted(np.stack([outline, outline + [0, 0.02, 0]]), deck))
    mast, high = 0.08 * long, long * random.uniform(1.05, 1.3)
    parts.append(rod([(mast, 0, 0), (mast, high, 0)], 0.05, deck))
    boom = (-0.42 * long, 0.16 * high * 0.6)
    parts.append(rod([(mast, boom[1], 0), (boom[0], boom[1], 0.2)], 0.035, deck))

    def cloth_sail(
        corners: list[tuple[float, float, float]], belly: float, material: Material
    ) -> Mesh:
        a, b, c = np.array(corners)
        s, u = np.meshgrid(np.linspace(0, 1, 16), np.linspace(0, 1, 16), indexing="ij")
        flat = a + (b - a) * s[..., None] + (c - b) * (s * u)[..., None]
        bulge = belly * np.sin(np.pi * u) * np.sin(np.pi * s**0.8)
        front = flat + np.stack([0 * s, 0 * s, bulge], -1)
        ring = np.concatenate([front, (front - [0, 0, 0.02])[:, ::-1]], axis=1)
        return lofted(ring[1:], material, crease=50)

    parts.append(
        cloth_sail(
            [
                (mast, high * 0.98, 0),
                (mast - 0.03, boom[1] + 0.05, 0),
                (boom[0], boom[1] + 0.05, 0.2),
            ],
            0.3,
            sail,
        )
    )
    parts.append(
        cloth_sail(
            [
                (mast + 0.05, high * 0.85, 0),
                (0.47 * long, 0.25, 0),
                (mast - 0.05 * long, 0.35, 0.35),
            ],
            0.3,
            second,
        )
    )
    if random.random() < 0.6:
        parts.append(
            block(
                (0.22 * long, 0.3, half * 0.9),
                WHITE,
                centre=(0.05 * long + 0.3, 0.18, 0),
                bevel=0.1,
            )
        )
    return parts


@category("rocket", "n04099429")
def rocket(random: np.random.Generator) -> list[Mesh]:
    """A rocket that stands on its fins, with nose, bands and a port-hole."""
    skin = WHITE if random.random() < 0.5 else metal(random)
    accent, second = paint(random), paint(random)
    r, high = random.uniform(0.7, 1.1), random.uniform(6.5, 10)
    bulge = random.uniform(1.0, 1.35)
    body = curve([(r * 0.75, 0.9), (r * bulge, high * 0.4), (r * 0.85, high * 0.72)], 24)
    nose = curve([(r * 0.85, high * 0.72), (r * 0.52, high * 0.88), (0.02, high)], 16)
    parts = [
        revolved([(0, 0.9), *map(tuple, body)], skin, sections=48),
        revolved([*map(tuple, nose), (0, high)], accent, sections=48),
        revolved([(0, 0.9), (r * 0.4, 0.9), (r * 0.65, 0.45), (r * 0.55, 0.45), (0, 0.8)], BLACK),
    ]
    for low in (0.3, 0.6)[: random.integers(1, 3)]:
        band = [(x + 0.012, y) for x, y in body if low * high <= y <= (low + 0.07) * high]
        if len(band) > 1:
            parts.append(revolved(band, second, sections=48))
    count = int(random.integers(3, 5))
    reach = r * random.uniform(1.9, 2.5)
    for i in range(count):
        fin = _fin(
            [
                (r * 0.6, high * 0.36, 0),
                (reach, high * 0.08, 0),
                (reach, 0, 0),
                (r * 0.6, 0.14 * high, 0),
            ],
            0.16,
            accent,
        )
        parts.append(turned(fin, "y", 360 * i / count + 30))
    at = 0.52 * high
    out = float(np.interp(at, body[:, 1], body[:, 0]))
    hole = revolved([(0, 0.04), (r * 0.3, 0.04), (r * 0.3, -0.2)], GLASS)
    frame = revolved([(r * 0.3, -0.2), (r * 0.3, 0.07), (r * 0.4, 0.07), (r * 0.4, -0.2)], STEEL)
    for part in (hole, frame):
        parts.append(moved(turned(part, "x", 90), (0, at, out)))
    return parts
