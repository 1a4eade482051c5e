"""Tableware and kitchen things made by code. Handles and spouts point along x."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simtailor.assets.mesh import Material, Mesh
from simtailor.assets.procedural.catalogue import category
from simtailor.assets.procedural.finishes import (
    BLACK,
    STEEL,
    WHITE,
    ceramic,
    hued,
    metal,
    paint,
    wood,
)
from simtailor.assets.shapes import curve, ellipsoid, lofted, revolved, rod

Profile = list[tuple[float, float]]


def vessel(outside: np.ndarray, wall: float) -> Profile:
    """Return the closed profile of an open vessel from its outside [n, 2], lowest point first."""
    inside = [(max(r - wall, 0.0), max(y, outside[0][1] + wall)) for r, y in outside[::-1]]
    return [(0.0, outside[0][1]), *map(tuple, outside), *inside, (0.0, outside[0][1] + wall)]


def _handle(points: list[tuple[float, float]], radius: float, material: Material) -> Mesh:
    path = [(x, y, 0) for x, y in curve(points, 28)]
    return rod(path, radius, material, flatten=0.7)


@category("mug", "n03797390")
def mug(random: np.random.Generator) -> list[Mesh]:
    """A mug, straight, waisted or bellied, with a large handle."""
    glaze = ceramic(random)
    radius, high = random.uniform(0.038, 0.046), random.uniform(0.085, 0.115)
    belly, foot = random.uniform(-0.004, 0.006), random.uniform(0.82, 1.0)
    side = [(radius * foot, 0), (radius + belly, high * 0.5), (radius, high)]
    outside = np.array([(radius * foot - 0.004, 0), *curve(side, 20)])
    inner = glaze if random.random() < 0.5 else WHITE
    grip, out = random.uniform(0.25, 0.33) * high, radius + random.uniform(0.024, 0.034)
    middle = high * 0.52
    loop = [
        (radius - 0.004, middle + grip),
        (out - 0.006, middle + grip * 0.95),
        (out, middle),
        (out - 0.010, middle - grip * 0.95),
        (radius - 0.006, middle - grip * 1.1),
    ]
    parts = [revolved(vessel(outside, 0.004), glaze), _handle(loop, 0.0065, glaze)]
    if inner is not glaze:
        lining = [(max(r - 0.0042, 0), max(y, 0.006)) for r, y in outside[1:]]
        parts.append(revolved([(0, 0.006), *lining], inner))
    return parts


@category("bottle", "n02876657")
def bottle(random: np.random.Generator) -> list[Mesh]:
    """A bottle of dark glass or plastic with a label and a cap or cork."""
    tints = [(0.01, 0.06, 0.02), (0.10, 0.035, 0.01), (0.03, 0.05, 0.09), (0.25, 0.3, 0.28)]
    glass = Material(tints[random.integers(len(tints))], roughness=0.08)
    radius, high = random.uniform(0.033, 0.042), random.uniform(0.24, 0.33)
    neck, shoulder = random.uniform(0.012, 0.015), random.uniform(0.5, 0.66) * high
    steep = random.uniform(0.06, 0.2)
    slope = curve(
        [
            (radius, shoulder),
            (radius * 0.75, shoulder + steep * high * 0.7),
            (neck, shoulder + steep * high + 0.02),
        ],
        14,
    )
    body = [(0, 0), (radius - 0.004, 0), (radius, 0.006), *map(tuple, slope), (neck, high - 0.02)]
    lip = [(neck + 0.002, high - 0.019), (neck + 0.002, high - 0.006), (0, high - 0.006)]
    low, top = 0.18 * high, shoulder - random.uniform(0.02, 0.05)
    label = Material(hued(random, saturation=(0.1, 0.7), value=(0.7, 0.95)), roughness=0.7)
    band = [(radius + 0.0006, low), (radius + 0.0006, top)]
    stripe = [
        (radius + 0.0009, low + 0.3 * (top - low)),
        (radius + 0.0009, low + 0.55 * (top - low)),
    ]
    cap = [(neck + 0.003, high - 0.022), (neck + 0.003, high), (0, high)]
    return [
        revolved([*body, *lip], glass),
        revolved(band, label),
        revolved(stripe, paint(random, gloss=0.3)),
        revolved(cap, paint(random)),
    ]


@category("bowl", "n02881193")
def bowl(random: np.random.Generator) -> list[Mesh]:
    """A round bowl on a small foot."""
    glaze = ceramic(random) if random.random() < 0.75 else wood(random)
    radius, deep = random.uniform(0.07, 0.14), random.uniform(0.40, 0.62)
    high = radius * deep
    foot = radius * random.uniform(0.35, 0.5)
    flare = random.uniform(0.0, 0.12) * radius
    side = curve(
        [
            (foot, 0.006),
            (radius * 0.82, high * 0.42),
            (radius, high),
            (radius + flare, high + 0.004),
        ],
        26,
    )
    outside = np.array([(foot * 0.95, 0), *side])
    parts = [revolved(vessel(outside, 0.005), glaze, sections=56, crease=50)]
    if random.random() < 0.5:
        band = [(r + 0.0008, y) for r, y in side if 0.62 * high < y < 0.86 * high]
        parts.append(revolved(band, ceramic(random), sections=56))
    return parts


@category("vase", "n04522168")
def vase(random: np.random.Generator) -> list[Mesh]:
    """A tall vase with belly, neck and rim, often with bands."""
    glaze = ceramic(random)
    high, belly = random.uniform(0.24, 0.42), random.uniform(0.065, 0.11)
    foot, neck = random.uniform(0.5, 0.7) * belly, random.uniform(0.28, 0.5) * belly
    rim, at = random.uniform(1.25, 1.8) * neck, random.uniform(0.32, 0.6)
    side = curve([(foot, 0), (belly, high * at), (neck, high * 0.86), (rim, high)], 44)
    parts = [revolved(vessel(side, 0.004), glaze, sections=48)]
    accent = ceramic(random)
    for low, top in ((at - 0.07, at + 0.07), (0.9, 0.94), (0.04, 0.09))[: random.integers(0, 4)]:
        band = [(r + 0.0012, y) for r, y in side if low * high <= y <= top * high]
        if len(band) > 1:
            parts.append(revolved(band, accent, sections=48))
    return parts


@category("teapot", "n04398044")
def teapot(random: np.random.Generator) -> list[Mesh]:
    """A round pot with spout, handle and a lid with a knob."""
    glaze = ceramic(random) if random.random() < 0.75 else metal(random)
    radius, high = random.uniform(0.075, 0.09), random.uniform(0.10, 0.15)
    at = random.uniform(0.38, 0.5)
    side = curve([(radius * 0.6, 0), (radius, high * at), (radius * 0.5, high)], 26)
    lid = curve([(radius * 0.54, high), (radius * 0.35, high + 0.018), (0.008, high + 0.025)], 12)
    knob = [
        (0, high + 0.02),
        (0.007, high + 0.02),
        (0.013, high + 0.035),
        (0.008, high + 0.046),
        (0, high + 0.047),
    ]
    spout = curve(
        [
            (radius * 0.8, high * 0.3, 0),
            (radius * 1.35, high * 0.45, 0),
            (radius * 1.55, high * 0.8, 0),
            (radius * 1.95, high * 1.02, 0),
        ],
        24,
    )
    out = -radius * random.uniform(1.55, 1.75)
    loop = [
        (-radius * 0.7, high * 0.85),
        (out * 0.92, high * 0.95),
        (out, high * 0.5),
        (-radius * 0.93, high * 0.3),
    ]
    return [
        revolved([(0, 0), *map(tuple, side), (0, high)], glaze),
        revolved([*map(tuple, lid), (0, high + 0.026)], glaze),
        revolved(knob, glaze if random.random() < 0.5 else BLACK),
        rod(spout, np.linspace(0.024, 0.010, 24), glaze),
        _handle(loop, 0.0085, glaze),
    ]


@category("teacup", "n04397452")
def teacup(random: np.random.Generator) -> list[Mesh]:
    """A low, flared cup that stands on its saucer."""
    glaze, trim = ceramic(random), ceramic(random)
    radius, high = random.uniform(0.042, 0.052), random.uniform(0.045, 0.06)
    side = curve(
        [(radius * 0.45, 0.010), (radius * 0.85, 0.010 + high * 0.45), (radius, 0.010 + high)], 20
    )
    saucer = [(radius * 0.5, 0), (radius * 1.1, 0.006), (radius * 1.65, 0.016)]
    out = radius + random.uniform(0.018, 0.026)
    loop = [
        (radius * 0.94, high),
        (out, high * 0.95),
        (out - 0.004, high * 0.62),
        (radius * 0.8, high * 0.45),
    ]
    rim = [(radius + 0.0006, high + 0.005), (radius + 0.0012, high + 0.0105)]
    edge = [(radius * 1.52, 0.0145), (radius * 1.65, 0.0172)]
    tea = Material((0.10, 0.035, 0.01), roughness=0.05)
    level = 0.010 + high * 0.8
    return [
        revolved(vessel(side, 0.0025), glaze),
        revolved(vessel(curve(saucer, 12), 0.003), glaze),
        _handle(loop, 0.0035, glaze),
        revolved(rim, trim),
        revolved(edge, trim),
        revolved([(0, level), (radius * 0.93, level)], tea),
    ]


@category("wineglass", "n04592099")
def wineglass(random: np.random.Generator) -> list[Mesh]:
    """A bowl of wine on a thin stem and a round foot."""
    clear = Material((0.55, 0.62, 0.66), roughness=0.05)
    wines = [(0.12, 0.004, 0.012), (0.62, 0.48, 0.10), (0.6, 0.2, 0.15)]
    wine = Material(wines[random.integers(3)], roughness=0.08)
    radius, tall = random.uniform(0.034, 0.046), random.uniform(0.075, 0.11)
    stem = random.uniform(0.07, 0.10)
    foot = random.uniform(0.032, 0.04)
    cup = curve(
        [
            (0.004, stem),
            (radius * 0.9, stem + tall * 0.3),
            (radius, stem + tall * 0.55),
            (radius * 0.78, stem + tall),
        ],
        26,
    )
    base = [
        (0, 0),
        (foot, 0),
        (foot, 0.002),
        (0.008, 0.008),
        (0.0035, 0.02),
        (0.0035, stem - 0.004),
    ]
    filled = [(r + 0.0005, y) for r, y in cup if y < stem + 0.55 * tall]
    return [
        revolved([*base, *vessel(cup, 0.0015)[1:]], clear),
        revolved([*filled, (0, filled[-1][1])], wine),
    ]


def _cutlery_handle(random: np.random.Generator, length: float) -> tuple[Mesh, Material]:
    """Return a flat handle from x = 0 to -length, and the material of the other end."""
    finish = metal(random) if random.random() < 0.7 else wood(random)
    steel = finish if finish.metallic else STEEL
    x = np.linspace(0, -length, 24)
    bend = 0.010 * np.sin(np.pi * x / length) ** 2
    width = np.interp(-x / length, [0, 0.25, 0.85, 0.97, 1], [0.0045, 0.005, 0.012, 0.010, 0.002])
    width = width * random.uniform(0.85, 1.25)
    path = np.stack([x, bend, 0 * x], -1)
    return _flat(path, width, 0.0017, finish), steel


def _flat(path: np.ndarray, half_width: np.ndarray, thickness: float, material: Material) -> Mesh:
    """Return a flat rod in the plane of x and y whose width lies along z."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rings = np.repeat(path[:, None], 16, axis=1).astype(np.float64)
    rings[..., 2] += half_width[:, None] * np.cos(angle)
    rings[..., 1] += thickness * np.sin(angle)
    return lofted(rings, material, crease=60)


@category("spoon", "n04284002")
def spoon(random: np.random.Generator) -> list[Mesh]:
    """A spoon with a hollow oval bowl."""
    length = random.uniform(0.10, 0.14)
    handle, steel = _cutlery_handle(random, length)
    long, wide = random.uniform(0.052, 0.066), random.uniform(0.020, 0.026)
    x = 1 - np.cos(np.linspace(0, np.pi, 22))
    x = 0.5 * x * long
    half = wide * np.sqrt(np.clip(1 - (2 * x / long - 1) ** 2, 1e-4, 1)) ** 0.9
    across = np.linspace(-1, 1, 21)
    deep = random.uniform(0.008, 0.013)
    drop = -deep * (half / wide)[:, None] ** 2 * (1 - across**2)[None]
    z = half[:, None] * across
    top = np.stack([np.broadcast_to(x[:, None], z.shape), drop + 0.001, z], -1)
    below = top - [0, 0.0016, 0]
    rings = np.concatenate([top, below[:, ::-1]], axis=1)
    return [handle, lofted(rings, steel, crease=55)]


@category("fork", "n03383948")
def fork(random: np.random.Generator) -> list[Mesh]:
    """A fork with three or four prongs."""
    length = random.uniform(0.10, 0.14)
    handle, steel = _cutlery_handle(random, length)
    count, wide = random.integers(3, 5), random.uniform(0.013, 0.016)
    x = np.linspace(0, 0.022, 10)
    half = np.interp(x, [0, 0.012, 0.022], [0.0035, wide, wide])
    neck = _flat(np.stack([x, -0.25 * x, 0 * x], -1), half, 0.0014, steel)
    long = random.uniform(0.04, 0.055)
    prongs = []
    for z in np.linspace(-1, 1, count) * (wide - 0.0016):
        path = curve(
            [(0.02, -0.005, z), (0.02 + long * 0.5, -0.009, z), (0.02 + long, -0.002, z)], 10
        )
        prongs.append(rod(path, np.r_[np.full(8, 0.0022), 0.0016, 0.0006], steel, sides=8))
    return [handle, neck, *prongs]


@category("frying_pan", "n03400231")
def frying_pan(random: np.random.Generator) -> list[Mesh]:
    """A flat round pan with one long handle."""
    iron = BLACK if random.random() < 0.5 else metal(random)
    radius, high = random.uniform(0.11, 0.15), random.uniform(0.035, 0.055)
    side = np.array([(radius * 0.82, 0), (radius * 0.86, 0.004), (radius, high)])
    coat = Material((0.03, 0.03, 0.033), roughness=0.35)
    grip = (
        paint(random)
        if random.random() < 0.4
        else (wood(random) if random.random() < 0.5 else BLACK)
    )
    grip = replace(grip, roughness=0.45)
    long = random.uniform(0.16, 0.21)
    path = curve(
        [
            (radius * 0.94, high * 0.75, 0),
            (radius + 0.05, high + 0.01, 0),
            (radius + long, high + 0.03, 0),
        ],
        18,
    )
    neck = curve([(radius * 0.92, high * 0.7, 0), (radius + 0.05, high + 0.01, 0)], 8)
    return [
        revolved(vessel(side, 0.003), iron, sections=56),
        revolved(
            [(0, 0.0036), (radius * 0.83, 0.0036), (radius * 0.96, high * 0.93)], coat, sections=56
        ),
        rod(path[5:], np.r_[np.linspace(0.010, 0.0135, 11), 0.010, 0.004], grip, flatten=1.5),
        rod(neck, 0.006, STEEL, flatten=1.6),
    ]


@category("saucepan", "n04138977")
def saucepan(random: np.random.Generator) -> list[Mesh]:
    """A deep round pan with a lid and a handle."""
    steel = metal(random) if random.random() < 0.5 else paint(random, gloss=0.8)
    radius, high = random.uniform(0.08, 0.11), random.uniform(0.09, 0.14)
    side = np.array(
        [(radius - 0.006, 0), (radius, 0.006), (radius, high), (radius + 0.004, high + 0.003)]
    )
    dome = curve(
        [(radius + 0.004, high + 0.004), (radius * 0.7, high + 0.018), (0.01, high + 0.026)], 14
    )
    grip = BLACK if random.random() < 0.6 else wood(random)
    knob = [
        (0, high + 0.02),
        (0.008, high + 0.024),
        (0.017, high + 0.043),
        (0.013, high + 0.05),
        (0, high + 0.052),
    ]
    long = random.uniform(0.15, 0.2)
    path = [
        (radius - 0.002, high * 0.8, 0),
        (radius + 0.03, high * 0.84, 0),
        (radius + long, high * 0.95, 0),
    ]
    return [
        revolved([(0, 0), *map(tuple, side), (0, high + 0.003)], steel, sections=56),
        revolved([*map(tuple, dome), (0, high + 0.0265)], steel, sections=56),
        revolved(knob, grip),
        rod(curve(path, 16), np.r_[np.full(4, 0.007), np.full(12, 0.011)], grip),
        ellipsoid((0.012, 0.007, 0.02), grip, centre=(-radius - 0.004, high * 0.8, 0)),
    ]
