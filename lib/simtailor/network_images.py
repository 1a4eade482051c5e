"""Images as networks take them: resized with antialiasing, and normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional


def network_input(
    images: np.ndarray,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Return images as a network takes them, in the memory layout in which it is fastest.

    Args:
        images: uint8 [N, H, W, 3].
        size: edge in pixels that they are resized to.
        mean, std: of each channel, in [0, 1].

    Returns:
        float32 [N, 3, size, size] in channels-last order.
    """
    pixels = normalised(resized(unit_images(images, device), size), mean, std)
    return pixels.contiguous(memory_format=torch.channels_last)


def unit_images(images: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return images, uint8 [N, H, W, 3], as float32 [N, 3, H, W] in [0, 1] on a device."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return pixels.permute(0, 3, 1, 2).float() / 255


def resized(pixels: torch.Tensor, size: int | tuple[int, int]) -> torch.Tensor:
    """Return images [N, 3, H, W] resized by antialiased bilinear interpolation.

    Args:
        size: height and width, or the edge of a square.
    """
    size = (size, size) if isinstance(size, int) else size
    if tuple(pixels.shape[2:]) == size:
        return pixels
    return functional.interpolate(pixels, size, mode="bilinear", antialias=True)


def cropped(
    images: torch.Tensor, middles: torch.Tensor, sizes: torch.Tensor, edge: int
) -> torch.Tensor:
    """Return a crop of every image, resized as ``resized`` does, on both axes by a matrix.

    Args:
        images: uint8 [N, H, W, 3].
        middles: of the crops, x and y, from -1 to 1 over the image: [N, 2].
        sizes: of the crops, width and height, as shares of the image: [N, 2]; one that is
            negative mirrors.

    Returns:
        float32 [N, 3, edge, edge] in [0, 1].
    """
    count, height, width, channels = images.shape
    across = _resampling(middles[:, 0], sizes[:, 0], width, edge)
    down = _resampling(middles[:, 1], sizes[:, 1], height, edge)
    # The layout of uint8 images, so that each product reads memory in order.
    rows = torch.bmm(down, images.reshape(count, height, -1).float() / 255)
    rows = rows.view(count, edge, width, channels).permute(0, 3, 1, 2)
    pixels = torch.bmm(rows.reshape(count, channels * edge, width), across.transpose(1, 2))
    return pixels.view(count, channels, edge, edge)


def _resampling(middle: torch.Tensor, size: torch.Tensor, count: int, edge: int) -> torch.Tensor:
    """Return the weights [N, edge, count] of ``count`` pixels in each of ``edge`` of a crop.

    A triangle that is as wide as an output pixel, at least as an input pixel.
    """
    places = torch.arange(edge, device=middle.device) + 0.5
    centres = (middle[:, None] + 1 + size[:, None] * (2 * places / edge - 1)) / 2 * count
    reach = (size.abs() * count / edge).clamp(min=1)[:, None, None]
    pixels = torch.arange(count, device=middle.device) + 0.5
    weights = (1 - (pixels - centres[:, :, None]).abs() / reach).clamp(min=0)
    return weights / weights.sum(2, keepdim=True)


def normalised(
    pixels: torch.Tensor, mean: Sequence[float] | torch.Tensor, std: Sequence[float] | torch.Tensor
) -> torch.Tensor:
    """Return images [N, 3, H, W] in [0, 1] less ``mean`` of each channel, over ``std``."""
    means, spreads = (
        torch.as_tensor(values, dtype=pixels.dtype, device=pixels.device).view(3, 1, 1)
        for values in (mean, std)
    )
    return (pixels - means) / spreads
