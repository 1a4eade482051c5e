"""Features of images in which distributions are compared.

A new kind is a class with the method of ``FeatureExtractor``, a line in ``_FACTORIES`` and a
name in ``simtailor.metasim.settings.Features``.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from simtailor.devices import cores_here
from simtailor.metasim.features.edges import EdgesAndColours, OrientedEdges
from simtailor.metasim.features.networks import make_inception, make_timm
from simtailor.metasim.features.pyramid import ImagePyramid
from simtailor.metasim.features.textures import Textures
from simtailor.metasim.settings import Features
from simtailor.render.gradient import images_as_tensor

CHUNK = 32  # stored images that go through a network at a time


class FeatureExtractor(Protocol):
    """Turns images into features."""

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return one float32 [B, D_l] a level of images, float32 [B, 3, H, W] in [0, 1].

        Differentiable in the images. What a level's unit is does not matter: the
        discrepancies take their scales from the target's own distances, level by level.
        """
        ...


@dataclass(frozen=True)
class Seen:
    """What is known of the images that are to be described.

    Attributes:
        grey: all are grey, which some features can be computed faster for.
        looks: they differ in colours and light that are to be told.
    """

    grey: bool = False
    looks: bool = False


def _edges(settings: Features, seen: Seen) -> FeatureExtractor:
    return (EdgesAndColours if seen.looks else OrientedEdges)(settings.pyramid)


_FACTORIES: dict[str, Callable[[Features, torch.device, Path, Seen], FeatureExtractor]] = {
    "pyramid": lambda settings, device, cache, seen: ImagePyramid(settings.pyramid, seen.grey),
    "edges": lambda settings, device, cache, seen: _edges(settings, seen),
    "textures": lambda settings, device, cache, seen: Textures(),
    "inception": lambda settings, device, cache, seen: make_inception(settings, device, cache),
    "timm": lambda settings, device, cache, seen: make_timm(settings, device, cache),
}


def make_features(
    settings: Features,
    device: torch.device | str = "cpu",
    cache: str | Path = "resources",
    seen: Seen | None = None,
) -> FeatureExtractor:
    """Return the feature extractor that the settings name, on ``device``.

    Args:
        settings: the experiment's section ``features``.
        cache: folder of fetched packages.
        seen: what is known of the images, if anything.

    Raises:
        UserError: there is no such model, or its weights cannot be had or do not fit.
    """
    return _FACTORIES[settings.kind](settings, torch.device(device), Path(cache), seen or Seen())


def features_of(
    extractor: FeatureExtractor, images: np.ndarray, device: torch.device | str = "cpu"
) -> list[torch.Tensor]:
    """Return the features, without gradient, of images as they are stored, uint8 [n, H, W, 3]."""

    def features(first: int) -> list[torch.Tensor]:
        with torch.no_grad():  # holds for one thread
            return extractor(images_as_tensor(images[first : first + CHUNK], device))

    starts = range(0, len(images), CHUNK)
    # Jobs let torch work on one core, so that sums keep their order; so a chunk a core.
    if torch.device(device).type == "cpu" and torch.get_num_threads() == 1:
        parts = list(_pool().map(features, starts))
    else:
        parts = list(map(features, starts))
    return [torch.cat(level) for level in zip(*parts, strict=True)]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores_here())
