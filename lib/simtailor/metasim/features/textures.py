"""What a picture's texture is like, wherever its parts lie.

For scenes in which place means nothing, such as a forest or a heap: how the colours are spread, how
strong each is at every size, which way edges run and on which side they are dark. All are averages
over the picture, as in the statistics of Portilla and Simoncelli, "A Parametric Texture Model Based
on Joint Statistics of Complex Wavelet Coefficients" (IJCV 2000). How large bright and dark parts
are is their pattern spectrum: Maragos, "Pattern Spectrum and Multiscale Shape Representation"
(PAMI 1989).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch.nn import functional

from simtailor.metasim.features.colours import opponent

BINS, RANGES = 8, ((0.0, 1.0), (-0.15, 0.15), (-0.15, 0.15))
SMALLEST = 4  # pixels of the coarsest level
ORIENTATIONS = 6
FLOOR = 1e-5


class Textures:
    """Averages of colours, sizes, orientations and sides of edges; needs no weights."""

    def __init__(self) -> None:
        angles = 2 * math.pi * torch.arange(ORIENTATIONS) / ORIENTATIONS  # of twice the direction
        self._waves = torch.stack([angles.cos(), angles.sin()], 1)

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return moments, shares of colours, strengths, orientations, sides, sizes: [B, D] each."""
        colours = opponent(images)
        levels = _levels(colours)
        parts = [_moments(colours), _shares(colours)]
        parts.append(torch.cat([_strengths(band) for band in _bands(levels)], 1))
        edges = [self._edges(level[:, 0]) for level in levels[:-1]]
        parts += [torch.cat(some, 1) for some in zip(*edges, strict=True)]
        return [*parts, _spectrum(colours[:, :1])]

    def _edges(self, brightness: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the shares of orientations, [B, 6], and how edges differ by side, [B, 4]."""
        across = brightness[:, 1:-1, 2:] - brightness[:, 1:-1, :-2]
        down = brightness[:, 2:, 1:-1] - brightness[:, :-2, 1:-1]
        squares = across.square() + down.square() + FLOOR
        cosine, sine = (across.square() - down.square()) / squares, 2 * across * down / squares
        strength = squares.sqrt()
        shares = torch.stack(
            [
                (strength * functional.relu(cosine * c + sine * s).square()).mean((1, 2))
                for c, s in self._waves.to(brightness)
            ],
            1,
        )
        scale = squares.mean((1, 2)).pow(1.5)
        cubes = [across.pow(3), across.square() * down, across * down.square(), down.pow(3)]
        sides = torch.stack([c.mean((1, 2)) / scale for c in cubes], 1)
        shares = shares + FLOOR
        return (shares / shares.sum(1, keepdim=True)).sqrt(), sides


def _spectrum(brightness: torch.Tensor) -> torch.Tensor:
    """Return how much of the brightness is in bright, then in dark parts of each size, [B, 2 n].

    The roots of what openings with growing squares take away; the largest square is narrower than
    half of the picture.
    """
    parts = []
    for signed in (brightness, -brightness):
        last, size = signed, 3
        while size < brightness.shape[-1] / 2:
            opened = _largest(-_largest(-signed, size), size)
            parts.append((functional.relu(last - opened).mean((1, 2, 3)) + FLOOR).sqrt())
            last, size = opened, 2 * size - 1
    return torch.stack(parts, 1)


def _largest(values: torch.Tensor, size: int) -> torch.Tensor:
    """Return the largest value in a square around each pixel, of an odd ``size``."""
    rows = functional.max_pool2d(values, (size, 1), 1, (size // 2, 0))
    return functional.max_pool2d(rows, (1, size), 1, (0, size // 2))


def _levels(colours: torch.Tensor) -> list[torch.Tensor]:
    """Return images averaged down by two again and again, the largest first."""
    levels = [colours]
    while levels[-1].shape[-1] >= 2 * SMALLEST:
        levels.append(functional.avg_pool2d(levels[-1], 2))
    return levels


def _bands(levels: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return what each level has that the next has not."""
    return [
        fine - functional.interpolate(coarse, fine.shape[-2:], mode="bilinear")
        for fine, coarse in itertools.pairwise(levels)
    ]


def _strengths(band: torch.Tensor) -> torch.Tensor:
    """Return logarithms of the deviations of a band's colours, and how sparse it is: [B, 6]."""
    squares = band.square().mean((2, 3)) + FLOOR
    sparse = (band.square() + FLOOR).sqrt().mean((2, 3)).log() - squares.log() / 2
    return torch.cat([squares.log() / 2, 2 * sparse], 1)


def _moments(colours: torch.Tensor) -> torch.Tensor:
    """Return means, deviations and correlations of colours, [B, 9]."""
    flat = colours.flatten(2)
    mean = flat.mean(2)
    away = flat - mean[..., None]
    covariance = away @ away.transpose(1, 2) / away.shape[2]
    deviation = (covariance.diagonal(dim1=1, dim2=2) + FLOOR).sqrt()
    related = covariance / (deviation[:, :, None] * deviation[:, None])
    rows, columns = torch.triu_indices(3, 3, 1)
    colour = torch.cat([2 * mean[:, :1], 6 * mean[:, 1:]], 1)
    return torch.cat([colour, deviation.log() / 2, related[:, rows, columns] / 2], 1)


def _shares(colours: torch.Tensor) -> torch.Tensor:
    """Return the roots of the shares of pixels in bins of each colour, [B, 24]."""
    parts = []
    for colour, (low, high) in zip(colours.unbind(1), RANGES, strict=True):
        place = ((colour.flatten(1) - low) / (high - low) * (BINS - 1)).clamp(0, BINS - 1)
        parts += [functional.relu(1 - (place - n).abs()).mean(1) for n in range(BINS)]
    return (torch.stack(parts, 1) + FLOOR).sqrt()
