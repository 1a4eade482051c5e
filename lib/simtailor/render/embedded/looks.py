"""How things look beside their shape: colours, the camera's white balance, blur and noise."""

from __future__ import annotations

import numpy as np

from simtailor.seeds import generator

NOISE_WIDTH = 128  # pixels of the width for which noise is given


def recolouring(hue: np.ndarray, saturation: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Return what takes linear colours to others: float [B, 3, 3].

    Args:
        hue: [B] degrees about the grey axis, from red to green to blue.
        saturation: [B] factor of the distance from that axis; brightness: [B] factor of all.
    """
    angle = np.radians(hue)[:, None, None]
    grey = np.full((3, 3), 1 / 3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    # Rodrigues' rotation about (1, 1, 1), which leaves grey and the mean of a colour as they are.
    turned = np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * across
    return brightness[:, None, None] * (grey + saturation[:, None, None] * turned)


def gains(warmth: np.ndarray, green: np.ndarray) -> np.ndarray:
    """Return factors of red, green and blue whose product is 1: float [B, 3].

    Args:
        warmth: [B] factor of red over blue; green: [B] factor of green over both; above 0.
    """
    warm, green = np.sqrt(warmth), np.cbrt(green)
    return np.stack([warm / green, green**2, 1 / (warm * green)], -1)


def sensed(
    images: np.ndarray, blur: np.ndarray, noise: np.ndarray, seeds: np.ndarray
) -> np.ndarray:
    """Return pictures as a sensor gives them: uint8 [B, H, W, 3].

    Args:
        images: uint8 [B, H, W, 3].
        blur: [B] standard deviation of a Gaussian, percent of the width.
        noise: [B] standard deviation in levels of pictures NOISE_WIDTH wide, whose pixels are
            independent; of smaller ones it is as much less as if they were shrunk.
        seeds: int [B], of the noise.
    """
    height, width = images.shape[1:3]
    levels = images.astype(np.float32)
    blurred = np.flatnonzero(blur > 0)
    if len(blurred):
        deviation = blur[blurred] / 100 * width
        down, across = (_blurring(deviation, size) for size in (height, width))
        some = np.einsum("bij,bjxc->bixc", down, levels[blurred], optimize=True)
        levels[blurred] = np.einsum("bij,byjc->byic", across, some, optimize=True)
    for image in np.flatnonzero(noise > 0):  # each has random numbers of its own
        random = generator(int(seeds[image]), "sensor")
        deviation = noise[image] * width / NOISE_WIDTH
        levels[image] += deviation * random.standard_normal(levels.shape[1:], dtype=np.float32)
    return np.rint(levels).clip(0, 255).astype(np.uint8)


def _blurring(deviation: np.ndarray, size: int) -> np.ndarray:
    """Return the blur of a row as matrices, float32 [B, size, size]; edges repeat themselves."""
    place = np.arange(size)
    reach = int(np.ceil(4 * deviation.max())) + 1
    offset = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offset / np.maximum(deviation, 1e-3)[:, None]) ** 2)
    weights /= weights.sum(1, keepdims=True)
    source = (place[:, None] + offset).clip(0, size - 1)
    matrices = np.zeros((len(deviation), size, size), np.float32)
    rows = np.broadcast_to(place[:, None], source.shape)
    for matrix, weight in zip(matrices, weights, strict=True):
        np.add.at(matrix, (rows, source), np.broadcast_to(weight, source.shape))
    return matrices
