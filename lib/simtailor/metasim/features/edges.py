"""Where edges are and how they lie, whatever the colours, the light and the exposure.

Gradients of the image are sorted by their orientation and gathered over a grid, and each image is
scaled to the same strength, as in histograms of oriented gradients: Dalal and Triggs, "Histograms
of Oriented Gradients for Human Detection", CVPR 2005. Opposite directions count as one, for what is
brighter than the ground under one light may be darker under another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from simtailor.metasim.features.colours import opponent

ORIENTATIONS = 6
FINE = 64  # pixels of the longer edge at which gradients are taken, at most
SMOOTHING = (0.25, 0.5, 0.25)  # taken twice along each axis: noise has no edges
# A gradient as strong as the root mean square of its image counts about 0.7 of its strength, a
# weak one much less: grain of the ground, noise, JPEG's blocks.
FLOOR = 1e-6


class OrientedEdges:
    """Strength of edges of six orientations, averaged over grids of several sizes.

    Args:
        sizes: cells along an edge of each grid, largest first.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        angles = 2 * math.pi * torch.arange(ORIENTATIONS) / ORIENTATIONS  # of twice the direction
        self._waves = torch.stack([angles.cos(), angles.sin()])

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return one [B, 6 size size] a level of images [B, 3, H, W]; all have length 1."""
        across, down = _gradients(_smoothed(_shrunk(images)))
        squares = across.square() + down.square()  # [B, 3, H, W]
        mean = squares.mean((1, 2, 3), keepdim=True)
        strength = squares / (squares + mean + FLOOR).sqrt()
        # Cosine and sine of twice the direction, so that opposite ones are the same.
        cosine, sine = (across.square() - down.square()), 2 * across * down
        scale = 1 / (squares + FLOOR)
        waves = self._waves.to(images)
        parts = [
            (strength * functional.relu((cosine * c + sine * s) * scale).square()).sum(1)
            for c, s in waves.T
        ]
        edges = torch.stack(parts, 1)  # [B, 6, H, W]
        levels = [functional.adaptive_avg_pool2d(edges, size).flatten(1) for size in self.sizes]
        return [functional.normalize(level, dim=1, eps=FLOOR) for level in levels]


class EdgesAndColours(OrientedEdges):
    """Edges, and the mean colour of the whole image, which tells of looks and hardly of a pose.

    Exposure, white balance and tint can reach any mean colour. More of the colours, such as how
    they scatter, a renderer of other materials cannot reach; then it would tell nothing.
    """

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the levels of the edges and one of the mean colour, [B, 3]."""
        return [*super().__call__(images), opponent(images).mean((2, 3))]


def _shrunk(images: torch.Tensor) -> torch.Tensor:
    scale = FINE / max(images.shape[-2:])
    if scale >= 1:
        return images
    return functional.adaptive_avg_pool2d(images, [round(n * scale) for n in images.shape[-2:]])


def _smoothed(images: torch.Tensor) -> torch.Tensor:
    """Smooth each channel, the border repeated."""
    weights = images.new_tensor(SMOOTHING)
    kernel = torch.outer(weights, weights).expand(images.shape[1], 1, 3, 3)
    for _ in range(2):
        padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
        images = functional.conv2d(padded, kernel, groups=images.shape[1])
    return images


def _gradients(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return central differences along the rows and along the columns, 0 beyond the border."""
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    return across, padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
