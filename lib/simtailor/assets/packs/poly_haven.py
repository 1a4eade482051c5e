"""Environment maps photographed by Poly Haven, as two packages carry them. OpenEXR files."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.assets.content import SKY_HEIGHT, AssetPack, Sky
from simtailor.assets.pack import register_pack
from simtailor.assets.radiance_files import RadianceError, read_radiance
from simtailor.errors import UserError

BRIGHTEST = 6e4  # what half precision can hold; the sun of a few maps is brighter
RADIANCE = ".hdr"
BASE64 = "base64,"


@register_pack("pmndrs", packages=("pmndrs_assets",))
def pmndrs(folders: Mapping[str, Path]) -> AssetPack:
    """Return 18 environments that the package keeps as base64 in JavaScript modules."""
    skies = []
    for path in sorted(folders["pmndrs_assets"].glob("*.exr.js")):
        text = path.read_text(encoding="ascii", errors="replace")
        start = text.find(BASE64)
        end = text.find("'", start)
        if start < 0 or end < 0:
            raise UserError(f"{path}: holds no environment in base64")
        content = base64.b64decode(text[start + len(BASE64) : end])
        with tempfile.NamedTemporaryFile(suffix=".exr") as file:
            file.write(content)
            file.flush()
            skies.append(Sky(path.name.removesuffix(".exr.js"), read_environment(file.name)))
    return AssetPack("pmndrs", environments=_some(skies, folders))


@register_pack("blender", packages=("blender_data",))
def blender(folders: Mapping[str, Path]) -> AssetPack:
    """Return the 8 environments of Blender's viewport."""
    paths = sorted(folders["blender_data"].glob("*.exr"))
    skies = [Sky(path.stem, read_environment(path)) for path in paths]
    return AssetPack("blender", environments=_some(skies, folders))


def _some(skies: list[Sky], folders: Mapping[str, Path]) -> tuple[Sky, ...]:
    if not skies:
        raise UserError(f"{', '.join(map(str, folders.values()))}: holds no environments")
    return tuple(skies)


def read_environment(path: str | Path, height: int = SKY_HEIGHT) -> np.ndarray:
    """Read a panorama as linear radiance: float32 [height, 2 height, 3], row 0 straight up.

    Args:
        path: of an OpenEXR file, or of a Radiance file, whose name ends in ``.hdr``.

    Raises:
        UserError: it cannot be read, has no colours or is not twice as wide as high.
    """
    if Path(path).suffix.lower() == RADIANCE:
        try:
            radiance = read_radiance(path)
        except (OSError, RadianceError) as error:
            raise UserError(f"{path}: cannot be read as Radiance HDR: {error}") from error
    else:
        radiance = _of_openexr(path)
    if radiance.shape[1] != 2 * radiance.shape[0]:
        rows, columns = radiance.shape[:2]
        raise UserError(f"{path}: {columns} x {rows} pixels, expected twice as wide as high")
    radiance = np.nan_to_num(radiance.astype(np.float32), nan=0, posinf=BRIGHTEST)
    return resized(repaired(radiance.clip(0, BRIGHTEST)), height)


def _of_openexr(path: str | Path) -> np.ndarray:
    """Return the colours of an OpenEXR file: [H, W, 3]."""
    import OpenEXR  # noqa: PLC0415  the workflow reads this module while it plans

    try:
        with OpenEXR.File(str(path)) as file:
            channels = {name: np.asarray(c.pixels) for name, c in file.channels().items()}
    except Exception as error:  # OpenEXR raises plain exceptions of many kinds
        raise UserError(f"{path}: cannot be read as OpenEXR: {error}") from error
    if "RGB" in channels or "RGBA" in channels:
        return channels.get("RGB", channels.get("RGBA"))[..., :3]
    if {"R", "G", "B"} <= channels.keys():
        return np.stack([channels[name] for name in "RGB"], -1)
    raise UserError(f"{path}: has no channels R, G and B, but {', '.join(channels)}")


def repaired(radiance: np.ndarray) -> np.ndarray:
    """Return an environment whose damaged suns are grey: float32 [h, 2 h, 3].

    DWA, the lossy compression of these files, leaves single colours and black beside one another
    where the sun is: a blue light thousands of times as bright as the sky. The mean over the spot
    keeps the light that there is.
    """
    from scipy import ndimage  # noqa: PLC0415

    brightest = radiance.max(-1)
    damaged = (brightest > 100) & (radiance.min(-1) < brightest / 100)
    spots, count = ndimage.label(ndimage.binary_dilation(damaged, iterations=3))
    repaired = radiance.copy()
    for spot in range(1, count + 1):
        repaired[spots == spot] = radiance[spots == spot].mean()
    return repaired


def resized(radiance: np.ndarray, height: int) -> np.ndarray:
    """Return an environment with another height, its mean kept: float32 [height, 2 height, 3]."""
    planes = [
        Image.fromarray(np.ascontiguousarray(radiance[..., i])).resize(
            (2 * height, height), Image.Resampling.BOX
        )
        for i in range(3)
    ]
    return np.stack([np.asarray(plane) for plane in planes], -1).astype(np.float32)
