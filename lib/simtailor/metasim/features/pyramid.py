"""The images themselves, averaged down to several sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


class ImagePyramid:
    """Averages images down to several sizes; needs no weights.

    They become squares, whatever form the images have.

    Coarse levels see an object that is far from its goal, fine ones its details.

    Args:
        sizes: edge lengths, largest first.
        grey: all images are grey, so one of their three equal channels says everything.
    """

    def __init__(self, sizes: Sequence[int], grey: bool = False) -> None:
        self.sizes, self._channels = tuple(sizes), 1 if grey else 3

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return one [B, C size size] a level, divided by the root of its length.

        So distances are root mean squares of pixels, which compare between levels, and are
        the same for C = 1 and C = 3 channels of a grey image.
        """
        levels, images = [], images[:, : self._channels]
        for size in self.sizes:
            if images.shape[-2:] != (size, size):
                images = functional.adaptive_avg_pool2d(images, size)
            flat = images.flatten(1)
            levels.append(flat / flat.shape[1] ** 0.5)
        return levels
