"""Pictures on models as textures of ours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import scipy.ndimage
from PIL import Image

from simtailor.assets.model_parts import ModelError, linear

TEXTURE_SIZE = 256  # texels of a texture's longer side, at most
KTX2, BASIS = b"\xabKTX 20\xbb\r\n\x1a\n", b"sB"
CLEAR = 0.5  # of alpha: what is less takes the colour of what is near


def open_picture(content: bytes, name: str) -> Image.Image:
    """Return a picture, decoded.

    Raises:
        ModelError: it cannot be read; names it.
    """
    if content.startswith((KTX2, BASIS)):
        raise ModelError(
            f"its picture {name} is compressed for GPUs (KTX2, Basis), which is not read; export "
            "the model again with PNG or JPEG pictures (gltf-transform: 'ktxdecompress')"
        )
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
    except Exception as error:  # Pillow's readers raise exceptions of many kinds
        raise ModelError(
            f"its picture {name} cannot be read ({type(error).__name__}: {error}); replace it by "
            "a PNG or JPEG file"
        ) from error
    if picture.mode == "F":
        raise ModelError(
            f"its picture {name} holds floating-point numbers, whose range is not known; save it "
            "as a PNG or JPEG file"
        )
    return picture


def read_picture(path: Path) -> Image.Image:
    """Return the picture in a file, decoded.

    Raises:
        ModelError: it cannot be read; names it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"its picture {path} cannot be read: {error.strerror}") from error
    return open_picture(content, str(path))


def has_alpha(image: Image.Image) -> bool:
    """Return whether a picture is transparent anywhere."""
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return int(np.asarray(image.convert("RGBA"))[..., 3].min()) < 255
    return False


def opaque(image: Image.Image) -> Image.Image:
    """Return a picture whose clear parts have the colour of the nearest part that is not.

    What lies under alpha 0 is often noise or black; the ray caster draws no alpha.
    """
    pixels = np.asarray(image.convert("RGBA"))
    clear = pixels[..., 3] < 255 * CLEAR
    if clear.all():
        clear = pixels[..., 3] == 0
    if clear.any() and not clear.all():
        rows, columns = scipy.ndimage.distance_transform_edt(
            clear, return_distances=False, return_indices=True
        )
        pixels = pixels[rows, columns]
    return Image.fromarray(np.ascontiguousarray(pixels[..., :3]))


def texture_of(image: Image.Image, size: int = TEXTURE_SIZE) -> np.ndarray:
    """Return an sRGB picture as a linear texture no larger than ``size``: float16 [h, w, 3]."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip to white
        image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).astype(np.uint8))
    image = image.convert("RGB")
    image.thumbnail((size, size), Image.Resampling.BOX)
    return linear(np.asarray(image, dtype=np.float32) / 255).astype(np.float16)
