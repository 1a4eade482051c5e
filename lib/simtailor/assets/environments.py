"""Built-in environments: radiance maps made by formula. Row 0 is straight up."""

from __future__ import annotations

import numpy as np

from simtailor.render.raycast.environment import directions


def soft_room(height: int = 64) -> np.ndarray:
    """Return a dim room with one wide lamp overhead: float32 [height, 2 height, 3]."""
    up = directions(height)[..., 1:2]
    walls = np.array([0.30, 0.33, 0.38]) * (0.55 + 0.45 * np.clip(up, -1, 1))
    lamp = np.array([1.0, 0.98, 0.94]) * 3.0 * np.exp(-((1 - up) / 0.08))
    return (walls + lamp).astype(np.float32)


def sky(
    height: int = 128,
    *,
    sun_elevation: float = 40.0,
    sun_azimuth: float = 60.0,
    haze: float = 0.3,
    ground: tuple[float, float, float] = (0.32, 0.27, 0.22),
) -> np.ndarray:
    """Return a daylight sky over plain ground: float32 [height, 2 height, 3].

    Args:
        sun_elevation, sun_azimuth: degrees. A low sun reddens the horizon.
        haze: in [0, 1], whitens the sky and widens the sun's glow.
        ground: linear RGB of the ground.
    """
    view = directions(height)
    up = view[..., 1:2]
    elevation, azimuth = np.radians([sun_elevation, sun_azimuth])
    sun = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.sin(azimuth),
        ]
    )
    low = np.clip(1 - np.sin(elevation) / 0.5, 0, 1)
    zenith = np.array([0.16, 0.36, 0.85]) * (1 - 0.5 * low)
    horizon = (1 - low) * np.array([0.75, 0.85, 1.0]) + low * np.array([1.1, 0.65, 0.4])
    blend = np.exp(-np.clip(up, 0, 1) * (5 - 3.5 * haze))
    above = zenith * (1 - blend) + horizon * blend
    towards_sun = np.clip((view @ sun)[..., None], -1, 1)
    glow = np.array([1.0, 0.85 - 0.3 * low, 0.65 - 0.4 * low])
    sharpness = 400 * (1 - haze) + 20
    above = above + glow * (1.2 * np.exp((towards_sun - 1) * sharpness / 8))
    above = above + glow * 40 * np.exp((towards_sun - 1) * 6000)
    below = np.array(ground) * (0.5 + 0.7 * np.sin(elevation)) * np.ones_like(up)
    share = 1 / (1 + np.exp(-up * 60))
    return (above * share + below * (1 - share)).astype(np.float32)
