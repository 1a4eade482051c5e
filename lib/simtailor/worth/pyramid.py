"""The body of all small networks: the first blocks of EfficientNet-Lite0, and a pyramid.

The pyramid is that of Lin et al., "Feature Pyramid Networks" (CVPR 2017).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from simtailor.metasim.features.networks import PACKAGED, make_network
from simtailor.metasim.settings import PACKAGED_MODEL, Features
from simtailor.network_images import normalised

STRIDE = 4  # pixels of a cell of the finest map
COARSEST = 16  # pixels of a cell of the coarsest map: pictures are filled up to whole ones
BLOCKS, FROZEN = 5, 2  # blocks of the network that are used, and those of them that stay
LEVELS = {1: 24, 2: 40, 4: 112}  # channels of the blocks that the pyramid is made of
CHANNELS = 32


class PyramidNetwork(nn.Module):
    """A network of some task, but for its heads.

    Args:
        cache: folder of fetched packages, with the weights of EfficientNet-Lite0; None starts the
            network at random, for weights that are loaded afterwards.
    """

    def __init__(self, cache: str | Path | None) -> None:
        super().__init__()
        weights = "random" if cache is None else "package"
        settings = Features(kind="timm", model=PACKAGED_MODEL, weights=weights)
        network = make_network(settings, Path(cache or "."))
        self.stem = nn.Sequential(network.conv_stem, network.bn1)
        self.blocks = nn.ModuleList(list(network.blocks)[:BLOCKS])
        self.lateral = nn.ModuleDict(
            {str(n): nn.Conv2d(width, CHANNELS, 1) for n, width in LEVELS.items()}
        )
        self.smooth = smooth_layer()
        mean, deviation = (torch.tensor(values) for values in PACKAGED)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.train()

    def train(self, mode: bool = True) -> PyramidNetwork:
        """Set the mode; the normalisation of the packaged blocks and the first of them stay."""
        super().train(mode)
        self.stem.eval().requires_grad_(False)
        for number, block in enumerate(self.blocks):
            block.eval().requires_grad_(number >= FROZEN)
        return self

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return maps [B, CHANNELS, H/4, W/4].

        Args:
            images: float32 [B, 3, H, W] in [0, 1], edges multiples of 16.
        """
        maps = self.stem(normalised(images, self.mean, self.deviation))
        levels = []
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number in LEVELS:
                levels.append(self.lateral[str(number)](maps))
        joined = levels.pop()
        while levels:
            joined = functional.interpolate(joined, scale_factor=2.0) + levels.pop()
        return self.smooth(joined)


def filled_up(images: torch.Tensor) -> torch.Tensor:
    """Return images [B, 3, H, W] with edges of multiples of 16, repeating the last pixels."""
    height, width = images.shape[2:]
    fill = (0, -width % COARSEST, 0, -height % COARSEST)
    return functional.pad(images, fill, mode="replicate") if any(fill) else images


def smooth_layer() -> nn.Sequential:
    """Return a convolution of CHANNELS maps with what makes it learn."""
    return nn.Sequential(
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False),
        nn.GroupNorm(8, CHANNELS),
        nn.ReLU(inplace=True),
    )
