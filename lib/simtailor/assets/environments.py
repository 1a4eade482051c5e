"""Built-in environments: radiance maps made by formula. Row 0 is straight up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from simtailor.assets.content import SKY_HEIGHT, Sky
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


def _layer(view: np.ndarray, seed: int) -> np.ndarray:
    """Return fractal noise over the point where a view meets a level layer: [height, width]."""
    place = view[..., [0, 2]] / (np.abs(view[..., 1]) + 0.12)[..., None]
    random = np.random.default_rng(seed)
    noise = np.zeros(view.shape[:2])
    for octave in range(5):
        waves = random.normal(0, 1.3 * 1.9**octave, (24, 2))
        phases = random.uniform(0, 2 * np.pi, 24)
        noise += 0.62**octave * np.sqrt(2 / 24) * np.cos(place @ waves.T + phases).sum(-1)
    return noise


def clouds(height: int, *, cover: float, seed: int) -> np.ndarray:
    """Return how much of a cloud each direction sees: [height, 2 height, 1] in [0, 1].

    Args:
        cover: share of the sky that is covered, in [0, 1].
    """
    view = directions(height)
    up = view[..., 1]
    noise = _layer(view, seed)
    threshold = np.quantile(noise[up > 0.05], 1 - cover)
    density = np.clip((noise - threshold) / 1.6, 0, 1) ** 0.8 * np.clip(up / 0.06, 0, 1)
    return density[..., None]


def cloudy_sky(height: int, *, cover: float, seed: int, **of_sky: object) -> np.ndarray:
    """Return ``sky`` with clouds before it: float32 [height, 2 height, 3]."""
    clear = sky(height, **of_sky)
    density = clouds(height, cover=cover, seed=seed)
    horizon = clear[int(0.46 * height)].mean(0)
    white = 0.35 * horizon + 0.65 * horizon.mean()
    shade = white * (1.9 - 0.9 * density)
    return (clear * (1 - density) + shade * density).astype(np.float32)


def overcast(
    height: int = 128,
    *,
    brightness: float = 0.9,
    ground: tuple[float, float, float] = (0.25, 0.25, 0.24),
    seed: int = 0,
) -> np.ndarray:
    """Return a closed cover of clouds, three times as bright overhead as at the horizon.

    Source of the brightness: Moon and Spencer's overcast sky (1942).
    """
    up = directions(height)[..., 1:2]
    texture = 1 - 0.25 * clouds(height, cover=0.6, seed=seed)
    above = brightness * (1 + 2 * np.clip(up, 0, 1)) / 2 * texture * np.array([0.93, 0.97, 1.03])
    below = 0.7 * brightness * np.array(ground) * np.ones_like(up)
    share = 1 / (1 + np.exp(-up * 60))
    return (above * share + below * (1 - share)).astype(np.float32)


def studio(
    height: int = 128,
    *,
    lamps: Sequence[tuple[float, float, float, float]],
    backdrop: tuple[float, float, float] = (0.35, 0.35, 0.36),
    tints: Sequence[tuple[float, float, float]] = ((1.0, 1.0, 1.0),),
) -> np.ndarray:
    """Return a room of one colour with soft rectangular lamps: float32 [height, 2 height, 3].

    Args:
        lamps: (azimuth, elevation, half width, radiance) of each; degrees.
        tints: colours of the lamps, repeated in turn.
    """
    view = directions(height)
    elevation = np.degrees(np.arcsin(np.clip(view[..., 1], -1, 1)))
    azimuth = np.degrees(np.arctan2(view[..., 2], view[..., 0]))
    room = np.array(backdrop) * (0.65 + 0.35 * view[..., 1:2])
    for index, (centre, above, width, radiance) in enumerate(lamps):
        off = np.abs((azimuth - centre + 180) % 360 - 180) * np.cos(np.radians(elevation))
        distance = np.maximum(off, np.abs(elevation - above)) - width
        share = 1 / (1 + np.exp(np.clip(distance / 1.5, -30, 30)))
        room = room + share[..., None] * radiance * np.array(tints[index % len(tints)])
    return room.astype(np.float32)


GRASS, SAND, SNOW = (0.16, 0.24, 0.07), (0.55, 0.42, 0.26), (0.85, 0.87, 0.92)
SEA, CONCRETE, EARTH = (0.05, 0.13, 0.20), (0.38, 0.37, 0.36), (0.24, 0.17, 0.11)

INDOORS = ("white_studio", "dark_studio", "stage", "room_with_windows")


@lru_cache(maxsize=1)
def built_in_skies(height: int = SKY_HEIGHT) -> tuple[Sky, ...]:
    """Return daylight, dusk, overcast and studio environments, told apart at a glance."""
    view = directions(height)
    patches = 1 + np.where(view[..., 1] < 0, 0.16 * _layer(view, 7).clip(-3, 3), 0)
    made = {
        "clear_noon": sky(height, sun_elevation=62, haze=0.15, ground=GRASS),
        "morning": sky(height, sun_elevation=22, sun_azimuth=150, haze=0.35, ground=CONCRETE),
        "desert": sky(height, sun_elevation=48, sun_azimuth=-40, haze=0.5, ground=SAND),
        "snow_field": sky(height, sun_elevation=18, sun_azimuth=100, haze=0.2, ground=SNOW),
        "low_sun": sky(height, sun_elevation=5, sun_azimuth=-120, haze=0.5, ground=EARTH),
        "dusk": 0.45 * sky(height, sun_elevation=1, sun_azimuth=20, haze=0.9, ground=SEA),
        "fair_weather": cloudy_sky(
            height, cover=0.35, seed=1, sun_elevation=45, sun_azimuth=-80, ground=GRASS
        ),
        "broken_clouds": cloudy_sky(
            height, cover=0.65, seed=2, sun_elevation=35, sun_azimuth=170, haze=0.5, ground=SEA
        ),
        "evening_clouds": cloudy_sky(
            height, cover=0.5, seed=3, sun_elevation=6, sun_azimuth=70, haze=0.7, ground=EARTH
        ),
        "overcast": overcast(height, seed=4),
        "rain": overcast(height, brightness=0.45, ground=SEA, seed=5),
        "white_studio": studio(
            height, lamps=[(60, 40, 22, 4), (-100, 30, 30, 2)], backdrop=(0.8, 0.8, 0.8)
        ),
        "dark_studio": studio(
            height,
            lamps=[(0, 55, 16, 7), (130, 20, 14, 5), (-130, 20, 9, 4)],
            backdrop=(0.05, 0.05, 0.06),
        ),
        "stage": studio(
            height,
            lamps=[(30, 35, 14, 6), (150, 25, 14, 6), (-90, 45, 18, 5)],
            backdrop=(0.10, 0.08, 0.13),
            tints=((1.0, 0.45, 0.25), (0.3, 0.55, 1.0), (0.9, 0.35, 0.85)),
        ),
        "room_with_windows": studio(
            height,
            lamps=[(-30, 12, 13, 5), (15, 12, 13, 5), (60, 12, 13, 5)],
            backdrop=(0.42, 0.35, 0.27),
            tints=((0.95, 1.0, 1.08),),
        ),
    }
    return tuple(
        Sky(name, (radiance * (1 if name in INDOORS else patches[..., None])).astype(np.float32))
        for name, radiance in made.items()
    )
