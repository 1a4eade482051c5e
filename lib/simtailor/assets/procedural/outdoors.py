"""Plants and buildings made by code."""

from __future__ import annotations

import numpy as np
import trimesh

from simtailor.assets.mesh import Material, Mesh, moved
from simtailor.assets.procedural.catalogue import category
from simtailor.assets.procedural.finishes import (
    BLACK,
    GLASS,
    WHITE,
    bricks,
    grainy,
    hued,
    linear,
    mottled,
    paint,
    wood,
)
from simtailor.assets.shapes import (
    block,
    curve,
    ellipsoid,
    hull,
    lofted,
    revolved,
    rod,
    shaded,
    turned,
)


def _bark(random: np.random.Generator) -> Material:
    return mottled(hued(random, (0.05, 0.1), (0.3, 0.55), (0.25, 0.45)), 0.95)


def _lumpy(
    random: np.random.Generator,
    radii: tuple[float, float, float],
    material: Material,
    centre: np.ndarray,
    amount: float,
) -> Mesh:
    """Return a ball with bumps."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    waves, phases = random.normal(0, 3.2, (12, 3)), random.uniform(0, 2 * np.pi, 12)
    bumps = np.sin(ball.vertices @ waves.T + phases).mean(1)
    points = ball.vertices * (1 + 2.4 * amount * bumps)[:, None] * radii + centre
    return shaded(points, ball.faces, material, crease=35)


@category("tree", "n13104059")
def tree(random: np.random.Generator) -> list[Mesh]:
    """A broad-leaved tree: trunk, boughs and a crown of leafy clumps."""
    bark = _bark(random)
    autumn = random.random() < 0.25
    hue = (0.03, 0.12) if autumn else (0.22, 0.33)
    leaves = [mottled(hued(random, hue, (0.55, 0.85), (0.3, 0.6))) for _ in range(2)]
    high, crown = random.uniform(4.5, 8), random.uniform(1.5, 2.4)
    fork = high * random.uniform(0.3, 0.45)
    lean = random.normal(0, 0.15, 2)
    trunk = curve(
        [(0, 0, 0), (lean[0], fork * 0.6, lean[1]), (0, fork, 0), (0, high * 0.75, 0)], 14
    )
    parts = [rod(trunk, np.linspace(0.24, 0.07, 14) * np.r_[1.35, np.ones(13)], bark, sides=12)]
    middle = np.array([0, high - crown * 0.8, 0])
    parts.append(_lumpy(random, (crown * 0.8, crown * 0.75, crown * 0.8), leaves[0], middle, 0.16))
    count = int(random.integers(6, 10))
    for i in range(count):
        angle = 2 * np.pi * i / count + random.uniform(-0.25, 0.25)
        up = random.uniform(-0.45, 0.45)
        out = np.array([np.cos(angle), up, np.sin(angle)]) * crown * random.uniform(0.55, 0.75)
        size = crown * random.uniform(0.38, 0.55)
        parts.append(_lumpy(random, (size, size * 0.85, size), leaves[i % 2], middle + out, 0.18))
        start = np.array([0, random.uniform(fork * 0.85, fork * 1.1), 0])
        parts.append(rod(np.array([start, middle + out * 0.7]), (0.08, 0.03), bark, sides=8))
    return parts


@category("conifer", "n13108841")
def conifer(random: np.random.Generator) -> list[Mesh]:
    """A fir: a straight trunk with tiers of hanging branches."""
    needles = mottled(hued(random, (0.3, 0.42), (0.4, 0.7), (0.18, 0.42)))
    high, radius = random.uniform(4, 9), random.uniform(1.0, 1.7)
    bare = random.uniform(0.08, 0.16) * high
    parts = [rod([(0, 0, 0), (0, high * 0.9, 0)], (0.16, 0.03), _bark(random), sides=12)]
    count = int(random.integers(5, 9))
    levels = np.linspace(bare, high * 0.86, count)
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    for i, level in enumerate(levels):
        out = radius * (1 - 0.85 * i / count)
        top = level + (high - bare) / count * 1.65 if i < count - 1 else high
        jag = 1 + 0.16 * np.sign(np.sin(10 * turn + i)) * np.abs(np.sin(10 * turn + i)) ** 0.5
        rings = []
        for share, height in (
            (0.15, level + 0.2 * out),
            (1.0, level - 0.12 * out),
            (0.55, level + 0.35 * (top - level)),
            (0.04, top),
        ):
            edge = out * share * (jag if share > 0.9 else 1 + 0.3 * (jag - 1))
            rings.append(
                np.stack([edge * np.cos(turn), np.full(40, height), edge * np.sin(turn)], -1)
            )
        parts.append(lofted(np.array(rings), needles, crease=25))
    return parts


@category("cactus", "n11842204")
def cactus(random: np.random.Generator) -> list[Mesh]:
    """A ribbed column with arms, or a ribbed ball, in a pot or out of it."""
    green = mottled(hued(random, (0.25, 0.38), (0.4, 0.65), (0.3, 0.55)), 0.7)
    ribs = int(random.integers(9, 14))

    def ribbed(path: np.ndarray, radius: np.ndarray) -> Mesh:
        angle = np.linspace(0, 2 * np.pi, 6 * ribs, endpoint=False)
        wave = 1 + 0.12 * np.cos(ribs * angle)
        tangent = np.gradient(path, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        side = np.array([0.0, 0.0, 1.0])
        other = np.cross(tangent, side)
        ring = np.cos(angle)[None, :, None] * side + np.sin(angle)[None, :, None] * other[:, None]
        return lofted(path[:, None] + ring * (radius[:, None] * wave)[..., None], green, crease=60)

    high, r = random.uniform(0.18, 0.3), random.uniform(0.028, 0.04)
    t = np.linspace(0, 1, 24)
    dome = np.clip(1 - ((t - 0.8).clip(0) / 0.2) ** 2, 1e-3, 1) ** 0.5
    pot = grainy(linear((0.72, 0.38, 0.24)))
    deep = random.uniform(0.06, 0.09)
    rim = [
        (0, 0),
        (0.042, 0),
        (0.056, deep * 0.8),
        (0.064, deep * 0.8),
        (0.066, deep),
        (0.055, deep),
        (0.053, deep - 0.01),
        (0, deep - 0.01),
    ]
    soil = Material((0.06, 0.035, 0.02), roughness=0.95)
    parts = [revolved(rim, pot), revolved([(0, deep - 0.008), (0.054, deep - 0.008)], soil)]
    if random.random() < 0.3:  # a ball
        turn = np.linspace(0.02, np.pi - 0.02, 26)
        size = random.uniform(0.055, 0.08)
        path = np.stack([0 * turn, deep - 0.012 + size * (1 - np.cos(turn)) * 0.9, 0 * turn], -1)
        parts.append(ribbed(path, size * np.sin(turn)))
        flower = Material(hued(random, (0.85, 1.05)), roughness=0.7)
        parts.append(ellipsoid((0.018, 0.014, 0.018), flower, centre=(0, deep + size * 1.78, 0)))
        return parts
    path = np.stack([0 * t, deep - 0.01 + high * t, 0 * t], -1)
    parts.append(ribbed(path, r * dome))
    for side in (-1, 1)[: random.integers(1, 3)]:
        low = deep + high * random.uniform(0.25, 0.5)
        reach, up = r * random.uniform(2.2, 2.9), high * random.uniform(0.3, 0.5)
        bend = curve(
            [
                (0, low, 0),
                (side * reach * 0.7, low + 0.002, 0),
                (side * reach, low + 0.02, 0),
                (side * reach, low + up, 0),
            ],
            24,
        )
        parts.append(ribbed(bend, 0.62 * r * dome))
    return parts


@category("mushroom", "n13000891")
def mushroom(random: np.random.Generator) -> list[Mesh]:
    """A toadstool with a cap on a stem, often with spots."""
    cap = Material(hued(random, (0.97, 1.14), (0.35, 0.9), (0.4, 0.85)), roughness=0.4)
    pale = Material((0.78, 0.74, 0.64), roughness=0.9)
    high, radius = random.uniform(0.06, 0.11), random.uniform(0.032, 0.055)
    dome = radius * random.uniform(0.45, 1.0)
    stem = curve([(0.012, 0), (0.009, high * 0.4), (0.0075, high)], 12)
    side = np.array(
        [(radius * np.sin(t), high - 0.004 + dome * np.cos(t)) for t in np.linspace(0.02, 1.72, 22)]
    )
    under = [(radius * 0.9, high - 0.003), (0.007, high + 0.006)]
    parts = [
        revolved([(0, 0), *map(tuple, stem)], pale),
        revolved([(0, high - 0.004 + dome), *map(tuple, side)][::-1], cap, sections=48),
        revolved(under, pale, sections=48),
        revolved([(0.009, high * 0.62), (0.016, high * 0.55), (0.0085, high * 0.6)], pale),
    ]
    if random.random() < 0.7:
        for _ in range(int(random.integers(12, 22))):
            polar, turn = np.arccos(random.uniform(0.12, 1)), random.uniform(0, 2 * np.pi)
            place = (
                radius * np.sin(polar) * np.cos(turn),
                high - 0.004 + dome * np.cos(polar),
                radius * np.sin(polar) * np.sin(turn),
            )
            size = radius * random.uniform(0.07, 0.13)
            ball = trimesh.creation.icosphere(subdivisions=1)
            parts.append(
                shaded(
                    ball.vertices * [size, size * 0.7, size] + place, ball.faces, WHITE, crease=180
                )
            )
    return parts


def _window(
    width: float, high: float, centre: tuple[float, float, float], frame: Material
) -> list[Mesh]:
    """Return a window that looks along z."""
    x, y, z = centre
    side = 1 if z >= 0 else -1
    return [
        block((width, high, 0.08), frame, centre=(x, y, z)),
        *[
            block(
                (width * 0.4, high * 0.42, 0.06),
                GLASS,
                centre=(x + i * width * 0.22, y + j * high * 0.23, z + side * 0.03),
            )
            for i in (-1, 1)
            for j in (-1, 1)
        ],
    ]


def _gable(
    width: float, depth: float, low: float, high: float, material: Material, over: float = 0.3
) -> Mesh:
    x, z = width / 2 + over, depth / 2 + over
    thickness = 0.18
    outline = np.array(
        [
            (-z, low),
            (0, high),
            (z, low),
            (z, low + thickness),
            (0, high + thickness * 1.3),
            (-z, low + thickness),
        ]
    )
    rings = [np.column_stack([np.full(6, s * x), outline[:, 1], outline[:, 0]]) for s in (-1, 1)]
    return lofted(np.array(rings), material)


@category("house", "n03544360")
def house(random: np.random.Generator) -> list[Mesh]:
    """A house with a pitched roof, a door, windows and a chimney."""
    brick = Material(linear((0.62, 0.30, 0.22)), roughness=0.9, texture=bricks())
    if random.random() < 0.6:
        wall = grainy(hued(random, saturation=(0.05, 0.45), value=(0.7, 0.95)))
    else:
        wall = brick
    tiles = mottled(hued(random, (0.98, 1.08), (0.3, 0.8), (0.25, 0.6)), 0.85)
    width, depth = random.uniform(7, 11), random.uniform(6, 8)
    floors = int(random.integers(1, 3))
    eaves = 2.7 * floors + 0.3
    ridge = eaves + depth / 2 * random.uniform(0.6, 1.1)
    parts = [block((width, eaves, depth), wall, centre=(0, eaves / 2, 0))]
    corners = [
        (x, y, z)
        for x in (-width / 2, width / 2)
        for y, z in ((eaves, -depth / 2), (eaves, depth / 2), (ridge, 0))
    ]
    parts += [hull(np.array(corners), wall), _gable(width, depth, eaves - 0.25, ridge, tiles)]
    door = paint(random, gloss=0.5)
    at = random.uniform(-0.2, 0.2) * width
    front = depth / 2
    parts.append(block((1.15, 2.15, 0.1), door, centre=(at, 1.1, front)))
    parts.append(block((1.5, 0.2, 0.9), grainy((0.4, 0.39, 0.37)), centre=(at, 0.1, front + 0.4)))
    parts.append(ellipsoid((0.07, 0.07, 0.07), BLACK, centre=(at + 0.4, 1.1, front + 0.1)))
    for floor in range(floors):
        for z in (-front, front):
            for x in np.linspace(-0.36, 0.36, 4 if width > 9 else 3) * width:
                if floor > 0 or z < 0 or abs(x - at) > 1.3:
                    parts += _window(1.15, 1.3, (x, 1.6 + 2.7 * floor, z), WHITE)
        for side in (-1, 1):
            for part in _window(1.15, 1.3, (0, 1.6 + 2.7 * floor, width / 2), WHITE):
                parts.append(turned(part, "y", 90 * side))
    x = random.choice([-1, 1]) * width * 0.28
    parts.append(
        block(
            (0.8, ridge - eaves + 0.6, 0.8),
            brick,
            centre=(x, (eaves + ridge) / 2 + 0.8, -depth * 0.12),
        )
    )
    return parts


@category("lighthouse", "n02814860")
def lighthouse(random: np.random.Generator) -> list[Mesh]:
    """A tall banded tower with a gallery and a lantern under a cap."""
    first = WHITE
    second = Material(
        hued(random, (0.95, 1.05) if random.random() < 0.6 else (0.5, 0.65)), roughness=0.6
    )
    high, foot = random.uniform(14, 22), random.uniform(2.2, 3.0)
    top = foot * random.uniform(0.5, 0.65)
    count = int(random.choice([4, 5, 6, 7]))
    parts = []
    for i in range(count):
        share = np.array([i, i + 1]) / count
        (r0, r1), (y0, y1) = foot + (top - foot) * share, high * share
        parts.append(
            revolved([(0, y0), (r0, y0), (r1, y1), (0, y1)], (first, second)[i % 2], sections=40)
        )
    deck = top * 1.45
    parts.append(
        revolved(
            [(0, high), (top, high - 0.4), (deck, high), (deck, high + 0.25), (0, high + 0.25)],
            BLACK,
        )
    )
    room, up = top * 0.72, high + 0.25
    parts.append(
        revolved([(0, up), (room, up), (room, up + 1.9), (0, up + 1.9)], GLASS, sections=12)
    )
    parts.append(
        revolved([(0.5, up + 0.3), (0.5, up + 1.5)], Material((1.0, 0.85, 0.35), 0.6), sections=16)
    )
    cap = [
        (room * 1.2, up + 1.9),
        (room * 0.75, up + 2.7),
        (0.1, up + 3.2),
        (0.1, up + 3.9),
        (0, up + 3.9),
    ]
    parts.append(revolved(cap, second))
    turn = np.linspace(0, 2 * np.pi, 40)
    for y in (0.55, 1.1):
        rail = np.stack(
            [deck * 0.95 * np.cos(turn), np.full(40, up + y), deck * 0.95 * np.sin(turn)], -1
        )
        parts.append(rod(rail, 0.05, BLACK, sides=6))
    for angle in turn[:-1:3]:
        x, z = 0.95 * deck * np.cos(angle), 0.95 * deck * np.sin(angle)
        parts.append(rod([(x, up, z), (x, up + 1.1, z)], 0.05, BLACK, sides=6))
    parts.append(
        block((1.1, 2.2, 0.5), second if count % 2 else BLACK, centre=(0, 1.1, foot * 0.95))
    )
    for share in (0.3, 0.55, 0.78):
        r = foot + (top - foot) * share
        parts.append(block((0.6, 1.0, 0.4), BLACK, centre=(0, high * share, r - 0.08)))
    return parts


@category("windmill", "n04587559")
def windmill(random: np.random.Generator) -> list[Mesh]:
    """A tapered tower with a cap and four latticed sails."""
    wall = grainy(hued(random, (0.0, 0.12), (0.05, 0.5), (0.55, 0.95)))
    boards, cap = (
        wood(random, value=(0.25, 0.6)),
        mottled(hued(random, (0.98, 1.1), (0.4, 0.8), (0.2, 0.5))),
    )
    high, foot = random.uniform(8, 11), random.uniform(2.3, 3.0)
    top = foot * random.uniform(0.55, 0.7)
    sections = int(random.choice([8, 40]))
    dome = curve([(top * 1.15, high), (top * 0.9, high + top * 0.7), (0.1, high + top * 1.25)], 12)
    parts = [
        revolved([(0, 0), (foot, 0), (top, high), (0, high)], wall, sections=sections),
        revolved([(0, high), *map(tuple, dome), (0, high + top * 1.26)], cap, sections=40),
        block((1.2, 2.2, 0.4), boards, centre=(0, 1.1, foot * 0.96)),
    ]
    for share, z in ((0.45, 1), (0.7, 1), (0.45, -1)):
        r = foot + (top - foot) * share
        parts.append(block((0.8, 1.0, 0.3), GLASS, centre=(0, high * share, z * (r - 0.05))))
    hub = np.array([0, high + top * 0.35, top * 1.35])
    parts.append(rod([hub - [0, 0, top], hub + [0, 0, 0.35]], 0.25, boards))
    span, start = random.uniform(5, 6.5), random.uniform(0, 90)
    canvas = Material((0.75, 0.7, 0.58), roughness=0.9)
    for i in range(4):
        sail = [block((0.22, span, 0.16), boards, centre=(0, span / 2, 0))]
        for x in (0.55, 1.1):
            sail.append(block((0.08, span * 0.8, 0.08), boards, centre=(x, span * 0.58, 0)))
        for y in np.linspace(0.2, 0.97, 10) * span:
            sail.append(block((1.2, 0.08, 0.08), boards, centre=(0.55, y, 0)))
        sail.append(block((0.98, span * 0.74, 0.03), canvas, centre=(0.6, span * 0.58, -0.04)))
        parts += [moved(turned(p, "z", start + 90 * i), tuple(hub + [0, 0, 0.2])) for p in sail]
    return parts


@category("snowman", "n04251983")
def snowman(random: np.random.Generator) -> list[Mesh]:
    """Two or three balls of snow with a carrot, coal, twigs, a scarf and a hat."""
    snow = grainy((0.80, 0.82, 0.85))
    coal = Material((0.02, 0.02, 0.02), roughness=0.9)
    scarf, twig = paint(random, gloss=0.1), _bark(random)
    sizes = [0.42, 0.31, 0.22] if random.random() < 0.65 else [0.42, 0.27]
    sizes = [s * random.uniform(0.92, 1.08) for s in sizes]
    parts, y, centres = [], 0.0, []
    for size in sizes:
        y += size * 0.86
        centres.append(np.array([0.0, y, 0.0]))
        parts.append(_lumpy(random, (size, size * 0.95, size), snow, centres[-1], 0.02))
        y += size * 0.78
    head, r = centres[-1], sizes[-1]
    nose = [head + [0, 0, r * 0.9], head + [0, -0.01, r * 0.9 + random.uniform(0.12, 0.22)]]
    parts.append(rod(np.array(nose), (0.032, 0.004), Material((0.85, 0.22, 0.02), 0.6)))
    for x in (-0.35, 0.35):
        parts.append(
            ellipsoid((0.032, 0.036, 0.025), coal, centre=head + np.array([x, 0.3, 0.86]) * r)
        )
    for x in np.linspace(-0.4, 0.4, 5):
        place = head + np.array([x, -0.48 + 0.5 * x * x, 0.80]) * r
        parts.append(ellipsoid((0.016, 0.016, 0.016), coal, centre=place))
    belly = centres[-2]
    for up in (-0.3, 0.1, 0.5):
        place = belly + np.array([0, up, np.sqrt(1 - up * up)]) * sizes[-2] * 0.98
        parts.append(ellipsoid((0.034, 0.034, 0.025), coal, centre=place))
    turn = np.linspace(0, 2 * np.pi, 40)
    neck = head[1] - r * 0.78
    loop = np.stack([r * 0.78 * np.cos(turn), np.full(40, neck), r * 0.78 * np.sin(turn)], -1)
    parts.append(rod(loop, 0.05, scarf, flatten=1.2))
    parts.append(
        rod(
            curve(
                [
                    (0.08, neck, r * 0.75),
                    (0.13, neck - 0.15, r * 1.2),
                    (0.14, neck - 0.34, r * 1.3),
                ],
                10,
            ),
            0.055,
            scarf,
            flatten=0.35,
        )
    )
    for side in (-1, 1):
        arm = curve(
            [
                (side * sizes[-2] * 0.8, belly[1] + 0.1, 0),
                (side * 0.55, belly[1] + 0.2, 0.03),
                (side * 0.8, belly[1] + random.uniform(0.15, 0.5), 0.05),
            ],
            10,
        )
        parts.append(rod(arm, np.linspace(0.022, 0.010, 10), twig, sides=8))
        for spread in (-0.1, 0.08):
            parts.append(
                rod(
                    np.array([arm[-3], arm[-1] + [side * 0.05, spread + 0.04, 0.04]]),
                    0.009,
                    twig,
                    sides=6,
                )
            )
    if random.random() < 0.75:
        felt, low = paint(random, gloss=0.2), head[1] + r * 0.72
        parts.append(
            revolved(
                [
                    (0, low),
                    (r * 1.15, low),
                    (r * 1.15, low + 0.02),
                    (r * 0.72, low + 0.025),
                    (r * 0.68, low + r * 1.1),
                    (0, low + r * 1.1),
                ],
                felt,
            )
        )
    return parts
