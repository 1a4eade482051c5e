"""Furniture made by code. Seats look towards +z."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from simtailor.assets.mesh import Material, Mesh
from simtailor.assets.procedural.catalogue import category
from simtailor.assets.procedural.finishes import BLACK, WHITE, cloth, hued, metal, paint, wood
from simtailor.assets.shapes import block, curve, revolved, rod


def _finish(random: np.random.Generator) -> Material:
    return wood(random) if random.random() < 0.65 else paint(random)


def _legs(
    random: np.random.Generator,
    width: float,
    depth: float,
    height: float,
    material: Material,
    thickness: float,
) -> list[Mesh]:
    """Return four legs under a plate, square and upright or round and splayed."""
    square = random.random() < 0.5
    splay = 0 if square else random.uniform(0.0, 0.16) * height
    legs = []
    for x in (-1, 1):
        for z in (-1, 1):
            top = np.array([x * (width / 2 - thickness), height, z * (depth / 2 - thickness)])
            foot = top * [1, 0, 1] + [x * splay, 0, z * splay]
            if square:
                middle = (top + foot) / 2
                legs.append(block((thickness, height, thickness), material, centre=middle))
            else:
                radii = np.array([0.35, 0.62]) * thickness
                legs.append(rod([foot, top], radii, material))
    return legs


@category("chair", "n03001627")
def chair(random: np.random.Generator) -> list[Mesh]:
    """A seat for one with four legs and a back of slats, rungs or one board."""
    frame = _finish(random)
    width, depth = random.uniform(0.40, 0.48), random.uniform(0.40, 0.46)
    seat, back = random.uniform(0.43, 0.48), random.uniform(0.40, 0.58)
    thickness = random.uniform(0.030, 0.045)
    parts = _legs(random, width, depth, seat, frame, thickness)
    cushion = cloth(random) if random.random() < 0.5 else frame
    high = 0.07 if cushion is not frame else 0.03
    parts.append(
        block((width, high, depth), cushion, centre=(0, seat + high / 2, 0), bevel=high * 0.3)
    )
    lean, z = random.uniform(0.05, 0.11), -depth / 2 + thickness / 2

    def at(x: float, share: float) -> tuple[float, float, float]:
        return x, seat + share * back, z - lean * share

    side = width / 2 - thickness / 2
    parts += [rod([at(x, 0), at(x, 1)], thickness / 2, frame) for x in (-side, side)]
    style = random.choice(3)
    if style == 0:  # rungs
        for share in np.linspace(0.42, 0.95, random.integers(3, 5)):
            parts.append(rod([at(-side, share), at(side, share)], 0.028, frame, flatten=0.45))
    elif style == 1:  # upright slats
        for x in np.linspace(-side, side, random.integers(5, 8))[1:-1]:
            parts.append(rod([at(x, 0), at(x, 0.95)], 0.009, frame))
        parts.append(rod([at(-side, 0.96), at(side, 0.96)], thickness * 0.7, frame))
    else:
        middle = np.add(at(0, 0.62), (0, 0, 0.004))
        parts.append(block((width - 0.02, back * 0.7, 0.03), cushion, centre=middle, bevel=0.014))
    return parts


@category("table", "n04379243")
def table(random: np.random.Generator) -> list[Mesh]:
    """A dining or coffee table, square or round, on four legs or one column."""
    finish = _finish(random)
    high = random.uniform(0.70, 0.78) if random.random() < 0.7 else random.uniform(0.40, 0.5)
    length = random.uniform(1.1, 1.9)
    width = random.uniform(0.65, 0.9)
    top = random.uniform(0.025, 0.05)
    if random.random() < 0.4:  # round, on a column
        radius = random.uniform(0.45, 0.65)
        column = random.uniform(0.03, 0.05)
        profile = [(0, 0), (radius * 0.6, 0), (radius * 0.55, 0.03), (column, 0.08)]
        parts = [revolved([*profile, (column, high), (0, high)], metal(random, dark=True))]
        edge = [(0, high), (radius - 0.01, high), (radius, high + top / 2)]
        parts.append(revolved([*edge, (radius - 0.01, high + top), (0, high + top)], finish))
        return parts
    thickness = random.uniform(0.05, 0.08)
    parts = _legs(random, length, width, high, finish, thickness)
    parts.append(block((length, top, width), finish, centre=(0, high + top / 2, 0), bevel=0.008))
    for z in (-1, 1):
        rail = (0, high - 0.05, z * (width / 2 - thickness))
        parts.append(block((length - 2 * thickness, 0.09, 0.02), finish, centre=rail))
    return parts


@category("stool", "n04326896")
def stool(random: np.random.Generator) -> list[Mesh]:
    """A round seat without a back, high or low, with rungs or on a column."""
    high, radius = random.uniform(0.42, 0.78), random.uniform(0.15, 0.2)
    finish, seat = _finish(random), _finish(random)
    cushion = [(0, 0), (radius * 0.9, 0), (radius, 0.02), (radius * 0.93, 0.045), (0, 0.05)]
    parts = [revolved([(r, y + high) for r, y in cushion], seat, crease=60)]
    if random.random() < 0.35:
        steel = metal(random)
        base = radius * 1.1
        column = [(0, 0), (base, 0), (base * 0.95, 0.02), (0.03, 0.05), (0.025, high), (0, high)]
        parts.append(revolved(column, steel))
        parts.append(_placed_ring(radius * 0.85, high * 0.4, 0.01, steel))
        return parts
    count, spread = random.integers(3, 5), random.uniform(1.15, 1.5)
    foot = []
    for angle in 2 * np.pi * np.arange(count) / count + 0.4:
        out = np.array([np.cos(angle), 0, np.sin(angle)]) * radius
        parts.append(rod([out * spread, out * 0.7 + [0, high, 0]], (0.014, 0.02), finish))
        foot.append((out * spread) * 0.65 + (out * 0.7 + [0, high, 0]) * 0.35)
    for first, second in zip(foot, [*foot[1:], foot[0]], strict=True):
        parts.append(rod([first, second], 0.009, finish))
    return parts


def _placed_ring(radius: float, height: float, thickness: float, material: Material) -> Mesh:
    angle = np.linspace(0, 2 * np.pi, 40)
    path = np.stack([radius * np.cos(angle), np.full(40, height), radius * np.sin(angle)], -1)
    return rod(path, thickness, material, sides=10)


@category("bench", "n02828884")
def bench(random: np.random.Generator) -> list[Mesh]:
    """A park bench: boards as seat and back between iron sides."""
    boards, iron = wood(random), metal(random, dark=True)
    if random.random() < 0.3:
        boards = paint(random, gloss=0.4)
    length, seat = random.uniform(1.3, 1.9), random.uniform(0.42, 0.46)
    lean, back = random.uniform(0.08, 0.16), random.uniform(0.36, 0.48)
    parts = []
    for z in np.linspace(-0.16, 0.2, random.integers(3, 5)):
        parts.append(block((length, 0.03, 0.095), boards, centre=(0, seat, z), bevel=0.006))
    for share in np.linspace(0.35, 1, random.integers(2, 4)):
        centre = (0, seat + share * back, -0.21 - lean * share)
        parts.append(block((length, 0.1, 0.03), boards, centre=centre, bevel=0.006))
    for x in (-0.42 * length, 0.42 * length):
        parts.append(
            rod([(x, 0, -0.24), (x, seat, -0.2), (x, seat + back, -0.235 - lean)], 0.024, iron)
        )
        parts.append(rod([(x, 0, 0.22), (x, seat - 0.03, 0.2)], 0.024, iron))
        parts.append(rod([(x, seat - 0.03, -0.2), (x, seat - 0.03, 0.22)], 0.022, iron))
        arm = curve([(x, seat, 0.21), (x, seat + 0.2, 0.2), (x, seat + 0.22, -0.2)], 12)
        parts.append(rod(arm, 0.018, iron))
    return parts


@category("bed", "n02818832")
def bed(random: np.random.Generator) -> list[Mesh]:
    """A bed with mattress, blanket and pillows between two boards."""
    frame, blanket = _finish(random), cloth(random)
    width, length = random.uniform(0.95, 1.8), random.uniform(1.95, 2.1)
    head, foot = random.uniform(0.75, 1.15), random.uniform(0.35, 0.55)
    parts = [
        block((width + 0.06, 0.12, length), frame, centre=(0, 0.27, 0)),
        block((width, 0.22, length - 0.04), WHITE, centre=(0, 0.42, 0), bevel=0.05),
        block(
            (width + 0.07, 0.19, length * 0.64),
            blanket,
            centre=(0, 0.46, length * 0.17),
            bevel=0.05,
        ),
        block(
            (width + 0.08, head - 0.1, 0.05),
            frame,
            centre=(0, head / 2 + 0.05, -length / 2),
            bevel=0.02,
        ),
        block(
            (width + 0.08, foot - 0.1, 0.05),
            frame,
            centre=(0, foot / 2 + 0.05, length / 2),
            bevel=0.02,
        ),
    ]
    for x in (-width / 2, width / 2):
        for z in (-length / 2, length / 2):
            parts.append(block((0.07, 0.3, 0.07), frame, centre=(x, 0.15, z)))
    count = 1 if width < 1.3 else 2
    for x in np.linspace(-width / 4, width / 4, count) if count > 1 else [0.0]:
        size = (min(0.62, width / count * 0.86), 0.13, 0.4)
        parts.append(block(size, WHITE, centre=(x, 0.57, -length * 0.36), bevel=0.064))
    return parts


@category("bookcase", "n02870880")
def bookcase(random: np.random.Generator) -> list[Mesh]:
    """An open case with shelves, most of them full of books."""
    finish = _finish(random)
    width, high, depth = random.uniform(0.6, 1.1), random.uniform(1.1, 2.0), 0.28
    shelves = random.integers(3, 6)
    parts = [
        block((0.025, high, depth), finish, centre=(x, high / 2, 0))
        for x in (-width / 2, width / 2)
    ]
    parts.append(block((width, high, 0.01), finish, centre=(0, high / 2, -depth / 2)))
    levels = np.linspace(0.06, high - 0.015, shelves + 1)
    covers = [Material(hued(random), roughness=0.6) for _ in range(7)]
    for level in levels:
        parts.append(block((width, 0.025, depth), finish, centre=(0, level, 0)))
    for level, above in pairwise(levels):
        x = -width / 2 + 0.02
        until = width / 2 - random.uniform(0.03, 0.3)
        while x < until:
            wide = random.uniform(0.025, 0.06)
            tall = (above - level) * random.uniform(0.6, 0.88)
            centre = (x + wide / 2, level + 0.0125 + tall / 2, -0.02)
            cover = covers[random.integers(len(covers))]
            parts.append(block((wide * 0.94, tall, 0.2), cover, centre=centre))
            x += wide
    return parts


@category("lamp", "n03636649")
def lamp(random: np.random.Generator) -> list[Mesh]:
    """A table lamp: foot, stem and a shade of cloth."""
    foot = metal(random) if random.random() < 0.5 else paint(random)
    shade = Material(hued(random, saturation=(0.05, 0.6), value=(0.75, 0.98)), roughness=0.9)
    radius, high = random.uniform(0.07, 0.11), random.uniform(0.24, 0.4)
    style = random.choice(3)
    if style == 0:  # thin stem on a plate
        profile = [(0, 0), (radius, 0), (radius, 0.015), (0.012, 0.03), (0.010, high), (0, high)]
    elif style == 1:  # bulbous body
        body = curve([(0.05, 0), (radius, high * 0.3), (0.05, high * 0.7), (0.014, high)], 24)
        profile = [(0, 0), *map(tuple, body), (0, high)]
    else:  # cone
        profile = [(0, 0), (radius, 0), (radius * 0.95, 0.02), (0.015, high), (0, high)]
    below, above = random.uniform(0.13, 0.19), random.uniform(0.06, 0.12)
    tall = random.uniform(0.15, 0.23)
    low = high - 0.03
    skin = [(below, low), (above, low + tall), (above - 0.004, low + tall), (below - 0.004, low)]
    parts = [revolved(profile, foot), revolved([*skin, skin[0]], shade, sections=56)]
    bulb = [(0, low), (0.02, low), (0.03, low + 0.07), (0.018, low + 0.1), (0, low + 0.105)]
    parts.append(revolved(bulb, WHITE))
    parts.append(rod([(0, low + tall * 0.9, 0), (above, low + tall * 0.9, 0)], 0.003, BLACK))
    return parts
