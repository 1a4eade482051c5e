"""Features of images in which distributions are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from simtailor.render.gradient import images_as_tensor

CHUNK = 256  # images that are held as floats at a time


def image_pyramid(images: torch.Tensor, sizes: tuple[int, ...]) -> list[torch.Tensor]:
    """Return the images averaged down to several sizes; needs no weights.

    Coarse levels see an object that is far from its goal, fine ones its details.

    Args:
        images: float32 [B, 3, H, W] in [0, 1].
        sizes: edge lengths, largest first.

    Returns:
        One float32 [B, 3 size size] a level, divided by the root of its length so that
        distances of all levels compare.
    """
    levels = []
    for size in sizes:
        if images.shape[-1] != size:
            images = functional.adaptive_avg_pool2d(images, size)
        flat = images.flatten(1)
        levels.append(flat / flat.shape[1] ** 0.5)
    return levels


def pyramid_of(
    images: np.ndarray, sizes: Sequence[int], device: torch.device | str = "cpu"
) -> list[torch.Tensor]:
    """Return the pyramid of images as they are stored, uint8 [n, H, W, 3], in little memory."""
    parts = [
        image_pyramid(images_as_tensor(images[i : i + CHUNK]).to(device), tuple(sizes))
        for i in range(0, len(images), CHUNK)
    ]
    return [torch.cat(level) for level in zip(*parts, strict=True)]
