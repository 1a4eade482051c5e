"""What procedural objects are made of: wood, metal, paint and the like, in varied colours."""

from __future__ import annotations

import colorsys
from functools import lru_cache

import numpy as np

from simtailor.assets.mesh import Material
from simtailor.seeds import generator

SIZE = 128  # texels of a texture's side


def linear(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return an sRGB colour in linear RGB (the power of 2.2 is near enough)."""
    red, green, blue = (float(c) ** 2.2 for c in colour)
    return red, green, blue


def hued(
    random: np.random.Generator,
    hue: tuple[float, float] = (0.0, 1.0),
    saturation: tuple[float, float] = (0.35, 0.82),
    value: tuple[float, float] = (0.3, 0.85),
) -> tuple[float, float, float]:
    """Return a random colour, linear RGB; hue, saturation and value as ranges in [0, 1]."""
    h, s, v = (random.uniform(*limits) for limits in (hue, saturation, value))
    return linear(colorsys.hsv_to_rgb(h % 1, s, v))


def paint(random: np.random.Generator, *, gloss: float = 0.7) -> Material:
    """Return lacquer of any colour, now and then white or black."""
    kind = random.random()
    if kind < 0.12:
        colour = linear((0.93, 0.92, 0.9))
    elif kind < 0.2:
        colour = linear((0.13, 0.13, 0.14))
    else:
        colour = hued(random)
    return Material(colour, roughness=1 - gloss)


def metal(random: np.random.Generator, *, dark: bool = False) -> Material:
    """Return steel, aluminium, brass or copper; dark iron if asked."""
    choices = [(0.56, 0.57, 0.58), (0.91, 0.92, 0.92), (0.80, 0.62, 0.32), (0.93, 0.62, 0.50)]
    odds = [0.45, 0.3, 0.15, 0.1]
    colour = (0.18, 0.18, 0.19) if dark else choices[random.choice(4, p=odds)]
    return Material(colour, roughness=random.uniform(0.2, 0.4), metallic=1.0)


STEEL = Material((0.62, 0.62, 0.63), roughness=0.25, metallic=1.0)
BRASS = Material((0.82, 0.62, 0.28), roughness=0.25, metallic=1.0)
RUBBER = Material((0.018, 0.018, 0.02), roughness=0.85)
GLASS = Material((0.05, 0.075, 0.10), roughness=0.06)
WHITE = Material((0.80, 0.79, 0.76), roughness=0.5)
BLACK = Material((0.02, 0.02, 0.022), roughness=0.4)


def wood(random: np.random.Generator, *, value: tuple[float, float] = (0.35, 0.8)) -> Material:
    """Return wood with grain, from dark to light."""
    colour = hued(random, (0.06, 0.10), (0.4, 0.65), value)
    return Material(colour, roughness=random.uniform(0.35, 0.6), texture=grain())


def cloth(random: np.random.Generator) -> Material:
    """Return woven cloth of any colour."""
    colour = hued(random, saturation=(0.2, 0.8), value=(0.3, 0.85))
    return Material(colour, roughness=0.95, texture=weave())


def ceramic(random: np.random.Generator) -> Material:
    """Return glazed ware, often white or blue."""
    colour = linear((0.93, 0.92, 0.88)) if random.random() < 0.3 else hued(random)
    return Material(colour, roughness=random.uniform(0.1, 0.3))


def mottled(colour: tuple[float, float, float], roughness: float = 0.8) -> Material:
    """Return an irregular surface such as leaves or bark."""
    return Material(colour, roughness=roughness, texture=blotches())


def grainy(colour: tuple[float, float, float], roughness: float = 0.9) -> Material:
    """Return a rough surface such as plaster, clay or snow."""
    return Material(colour, roughness=roughness, texture=specks())


def assorted(count: int = 60, seed: int = 0) -> tuple[Material, ...]:
    """Return so many finishes of all kinds and colours."""

    def brickwork(random: np.random.Generator) -> Material:
        return Material(hued(random, (0.0, 0.12)), roughness=0.9, texture=bricks())

    kinds = (
        paint,
        wood,
        cloth,
        ceramic,
        metal,
        lambda random: mottled(hued(random)),
        lambda random: grainy(hued(random)),
        brickwork,
    )
    return tuple(kinds[i % len(kinds)](generator(seed, "finish", i)) for i in range(count))


def _noise(seed: int, width_x: float, width_y: float) -> np.ndarray:
    """Return smooth noise of mean 0 and spread 1 that tiles: [SIZE, SIZE]."""
    noise = np.random.default_rng(seed).standard_normal((SIZE, SIZE))
    y, x = np.meshgrid(*[np.fft.fftfreq(SIZE)] * 2, indexing="ij")
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((x * width_x) ** 2 + (y * width_y) ** 2)))
    return smooth.real / smooth.real.std()


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(values, 0, 2)[..., None], 3, -1).astype(np.float32)


@lru_cache(maxsize=1)
def grain() -> np.ndarray:
    """Return wood grain that runs along the texture's rows: float32 [SIZE, SIZE, 3]."""
    row = np.mgrid[0:SIZE, 0:SIZE][0] / SIZE
    rings = np.sin(2 * np.pi * (9 * row + 0.35 * _noise(3, 60, 12)))
    return _grey(1 + 0.14 * rings + 0.07 * _noise(4, 30, 1.5))


@lru_cache(maxsize=1)
def weave() -> np.ndarray:
    """Return over-and-under threads: float32 [SIZE, SIZE, 3]."""
    row, column = np.mgrid[0:SIZE, 0:SIZE] / SIZE * 32 * np.pi
    return _grey(1 + 0.16 * np.sin(row) * np.sin(column) + 0.06 * _noise(5, 8, 8))


@lru_cache(maxsize=1)
def blotches() -> np.ndarray:
    """Return irregular blotches: float32 [SIZE, SIZE, 3]."""
    return _grey(1 + 0.22 * _noise(6, 9, 9) + 0.10 * _noise(7, 2.5, 2.5))


@lru_cache(maxsize=1)
def specks() -> np.ndarray:
    """Return fine specks: float32 [SIZE, SIZE, 3]."""
    return _grey(1 + 0.05 * _noise(9, 4, 4) + 0.03 * _noise(10, 20, 20))


@lru_cache(maxsize=1)
def bricks() -> np.ndarray:
    """Return brickwork, eight courses high: float32 [SIZE, SIZE, 3]."""
    row, column = np.mgrid[0:SIZE, 0:SIZE] / SIZE * np.array([8, 4])[:, None, None]
    column = column + 0.5 * (np.floor(row) % 2)
    joint = (row % 1 < 0.14) | (column % 1 < 0.07)
    tint = np.random.default_rng(8).uniform(0.75, 1.15, (8, 8))
    stones = tint[row.astype(int) % 8, column.astype(int) % 4]
    return _grey(np.where(joint, 1.45, stones))
