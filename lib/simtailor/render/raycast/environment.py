"""Light from all around: an environment map and what shading needs of it, computed once.

Reflections are the map blurred by the GGX lobe at several roughnesses (the prefiltered
half of the split sum, Karis 2013); diffuse light is nine spherical harmonics
(Ramamoorthi and Hanrahan, "An Efficient Representation for Irradiance Environment
Maps", 2001).
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simtailor.files import staged

REFLECTION_LEVELS = 6
REFLECTION_HEIGHT = 32
BRIGHTEST_BACKGROUND = 60.0  # what a pixel can show; the sun itself lights through the other maps


@dataclass(frozen=True, eq=False)
class Environment:
    """A prefiltered environment.

    Attributes:
        background: float16 [H, 2 H, 3], linear radiance, row 0 is straight up.
        reflections: float16 [levels, h, 2 h, 3], level 0 mirrors, the last is roughness 1.
        harmonics: float32 [9, 3], weights of the polynomials in the kernel ``irradiance``.
    """

    background: np.ndarray
    reflections: np.ndarray
    harmonics: np.ndarray


def directions(height: int) -> np.ndarray:
    """Return the unit vectors of an equirectangular map's pixels: [height, 2 height, 3]."""
    polar = (np.arange(height) + 0.5) / height * np.pi
    azimuth = (np.arange(2 * height) + 0.5) / (2 * height) * 2 * np.pi
    polar, azimuth = np.meshgrid(polar, azimuth, indexing="ij")
    return np.stack(
        [np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)], -1
    )


def prefilter(radiance: np.ndarray, cache: str | Path | None = None) -> Environment:
    """Prefilter an environment map.

    Args:
        radiance: float [H, 2 H, 3], linear, at least 0; H a multiple of 32.
        cache: folder that keeps the result under a name made of the map's content.
    """
    radiance = np.ascontiguousarray(radiance, dtype=np.float32)
    if cache is not None:
        digest = hashlib.sha256(radiance.tobytes()).hexdigest()[:20]
        path = Path(cache) / f"environment-{digest}.npz"
        if (stored := _stored(path)) is not None:
            return stored
    environment = Environment(
        background=np.minimum(radiance, BRIGHTEST_BACKGROUND).astype(np.float16),
        reflections=_reflections(radiance).astype(np.float16),
        harmonics=_harmonics(radiance),
    )
    if cache is not None:
        with staged(path) as staging:
            np.savez(staging, **vars(environment))
    return environment


def _stored(path: Path) -> Environment | None:
    """Return a result that was kept, or None where there is none that can be read."""
    try:
        with np.load(path) as stored:
            return Environment(**{name: stored[name] for name in stored.files})
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        return None


def _solid_angles(height: int) -> np.ndarray:
    edges = np.cos(np.linspace(0, np.pi, height + 1))
    return np.repeat((edges[:-1] - edges[1:])[:, None] * np.pi / height, 2 * height, axis=1)


def _shrink(radiance: np.ndarray, height: int) -> np.ndarray:
    factor = radiance.shape[0] // height
    return radiance.reshape(height, factor, 2 * height, factor, 3).mean((1, 3))


def _reflections(radiance: np.ndarray) -> np.ndarray:
    height = REFLECTION_HEIGHT
    source = _shrink(radiance, height)
    incoming = directions(height).reshape(-1, 3)
    weights = _solid_angles(height).reshape(-1)
    colours = source.reshape(-1, 3)
    cosines = np.clip(incoming @ incoming.T, -1, 1)  # row: mirrored direction, column: light
    levels = [source]
    for level in range(1, REFLECTION_LEVELS):
        alpha2 = (level / (REFLECTION_LEVELS - 1)) ** 4
        # With view = normal = mirrored direction (Karis), n.h = sqrt((1 + n.l) / 2).
        half2 = (1 + cosines) / 2
        lobe = alpha2 / (np.pi * (half2 * (alpha2 - 1) + 1) ** 2)
        lobe *= np.maximum(cosines, 0) * weights
        lobe /= lobe.sum(1, keepdims=True)
        levels.append((lobe @ colours).reshape(source.shape))
    return np.minimum(np.stack(levels), 6e4)


def _harmonics(radiance: np.ndarray) -> np.ndarray:
    source = _shrink(radiance, REFLECTION_HEIGHT)
    x, y, z = np.moveaxis(directions(REFLECTION_HEIGHT), -1, 0)
    one = np.ones_like(x)
    polynomials = [one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    scales = [0.282095, *[0.488603] * 3, *[1.092548] * 2, 0.315392, 1.092548, 0.546274]
    lobes = [np.pi, *[2 * np.pi / 3] * 3, *[np.pi / 4] * 5]
    weighted = source * _solid_angles(REFLECTION_HEIGHT)[..., None]
    return np.array(
        [
            lobe * scale**2 * (weighted * polynomial[..., None]).sum((0, 1))
            for polynomial, scale, lobe in zip(polynomials, scales, lobes, strict=True)
        ],
        dtype=np.float32,
    )
