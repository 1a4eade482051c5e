"""Light on a relief: sun with shadows, and the sky where neighbours leave it free."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from simtailor.render.forest.canvas import Canvas
from simtailor.render.forest.growth import Growth
from simtailor.render.forest.planting import Trees

SUN, SKY = np.float32([1.08, 1.0, 0.88]), np.float32([0.72, 0.92, 1.40])
STEEPNESS = 0.30  # share of a slope that shades: needles shine through and scatter
THROUGH = 0.25  # light on a side that is turned away
# Light of the air between ground and camera: as Rayleigh's law has it, 1 / wavelength ** 4, at 690,
# 550 and 470 nanometres.
AIR = np.float32([0.4, 1.0, 1.9])
SOFT = 0.12  # metres that edges of shadows are blurred by
STEEPEST = math.radians(89)
GAMMA = 1 / 2.2
WHITE = 0.62  # linear brightness in full sun that a picture shows as white


def lit(
    growth: Growth, light: Mapping[str, float], camera: Mapping[str, float], canvas: Canvas
) -> np.ndarray:
    """Return the picture, uint8 [S, S, 3].

    Args:
        light, camera: the attributes of the nodes ``Light`` and ``Camera``.
    """
    to_sun, rise = sun_direction(light)
    flat = rise / math.hypot(1, rise)  # sine of the sun's height
    sunlit = 1 - _shadows(growth.height, to_sun, rise, canvas)
    sunlit = gaussian_filter(sunlit, SOFT / canvas.pixel)
    smooth = gaussian_filter(growth.height[canvas.around(1)], 0.1 / canvas.pixel)
    scale = STEEPNESS / (2 * canvas.pixel)
    right = scale * (smooth[1:-1, 2:] - smooth[1:-1, :-2])
    down = scale * (smooth[2:, 1:-1] - smooth[:-2, 1:-1])
    facing = flat - math.sqrt(1 - flat**2) * (right * to_sun[0] + down * to_sun[1])
    facing /= np.sqrt(1 + right**2 + down**2)
    facing = (np.maximum(facing, 0) * (1 - THROUGH) + THROUGH * flat) / flat
    height = growth.height[canvas.inside]
    hollow = np.clip((gaussian_filter(height, 0.7 / canvas.pixel) - height) / 2.0, 0, 1)
    open_sky = 1 - 0.6 * hollow
    direct = (facing * sunlit)[..., None] * SUN * (1 - light["shade"])
    linear = growth.colour[canvas.inside] * (direct + open_sky[..., None] * SKY * light["shade"])
    linear += (WHITE * camera["haze"]) * AIR
    balance = math.sqrt(camera["white_balance"])
    linear *= np.float32([balance, 1, 1 / balance]) * (camera["exposure"] / WHITE)
    if camera["blur"] > 0:
        deviation = camera["blur"] / canvas.pixel
        linear = gaussian_filter(linear, (deviation, deviation, 0))
    return np.rint(255 * np.clip(linear, 0, 1) ** GAMMA).astype(np.uint8)


def sun_direction(light: Mapping[str, float]) -> tuple[tuple[float, float], float]:
    """Return where the sun is, to the right and down in the picture, and how it rises per metre."""
    azimuth, elevation = math.radians(light["azimuth"]), math.radians(light["elevation"])
    return (math.sin(azimuth), -math.cos(azimuth)), math.tan(min(elevation, STEEPEST))


def reaching(trees: Trees, light: Mapping[str, float], canvas: Canvas) -> np.ndarray:
    """Return which trees, or their shadows, reach the picture: bool [n]."""
    to_sun, rise = sun_direction(light)
    ends = trees.place - (trees.height / rise)[:, None] * np.array(to_sun)
    wide = 1.6 * trees.radius[:, None]
    low, high = np.minimum(trees.place, ends) - wide, np.maximum(trees.place, ends) + wide
    return ((high > 0) & (low < canvas.width)).all(1)


def _shadows(
    height: np.ndarray, to_sun: tuple[float, float], rise: float, canvas: Canvas
) -> np.ndarray:
    """Return where a neighbour stands before the sun, float32 [S, S].

    Goes towards the sun step by step, at first by a pixel, and looks whether the relief is above
    the ray there.

    Args:
        rise: metres that the ray rises in a metre.
    """
    start, size = canvas.border, canvas.size
    ground = height[canvas.inside]
    shadow = np.zeros(ground.shape, bool)
    longest = min((float(height.max()) - float(ground.min())) / rise, canvas.margin)
    reach = canvas.pixel
    while reach < longest:
        across, down = (round(part * reach / canvas.pixel) for part in to_sun)
        rows = slice(start + down, start + down + size)
        columns = slice(start + across, start + across + size)
        shadow |= height[rows, columns] > ground + (reach * rise + 0.05)
        reach += max(canvas.pixel, min(0.04 * reach, 0.4))
    return shadow.astype(np.float32)
