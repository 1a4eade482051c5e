"""Pictures of other colours and sharpness, so that a network does not rely on those it saw."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

BRIGHTNESS, CONTRAST, CHANNEL = 0.25, 0.25, 0.08  # largest changes, shares
BLURRED, BLUR = 0.3, 1.0  # how often, and up to which standard deviation in pixels
NOISE = 6.0  # standard deviation in levels, at most


def recoloured(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a picture uint8 [H, W, 3] of another brightness, contrast, colour and sharpness."""
    pixels = image.astype(np.float32)
    if random.random() < BLURRED:
        deviation = random.uniform(0, BLUR)
        pixels = gaussian_filter(pixels, (deviation, deviation, 0))
    factor = 1 + random.uniform(-BRIGHTNESS, BRIGHTNESS)
    contrast = 1 + random.uniform(-CONTRAST, CONTRAST)
    channels = factor * (1 + random.uniform(-CHANNEL, CHANNEL, 3))
    mean = pixels.mean()
    pixels = ((pixels - mean) * contrast + mean) * channels
    pixels += random.standard_normal(pixels.shape) * random.uniform(0, NOISE)
    return np.rint(pixels.clip(0, 255)).astype(np.uint8)
