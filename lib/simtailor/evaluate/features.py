"""Features that backbones are judged by, and those of raw pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from simtailor.metasim.features.networks import make_network, normalisation
from simtailor.metasim.settings import PACKAGED_MODEL, Features
from simtailor.network_images import unit_images
from simtailor.pretrain.backbone import Backbone

PIXEL_EDGE = 32
CHUNK = 1024  # images read at a time

# From images uint8 [N, H, W, 3] to pooled features [N, D] and those of all stages [N, E].
Extractor = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class TaskFeatures:
    """Features of a task's images, float32.

    Attributes:
        pooled_train, pooled_test: the network's output before the classifier, as published.
        train, test: means and maxima of the last four stages.
    """

    pooled_train: np.ndarray
    pooled_test: np.ndarray
    train: np.ndarray
    test: np.ndarray


def task_features(
    extract: Extractor, images: np.ndarray, train: np.ndarray, test: np.ndarray
) -> TaskFeatures:
    """Return the features of some images, a part at a time from a mapped file.

    Args:
        images: uint8 [N, H, W, 3]; train, test: int64, indices of the two parts.
    """
    found = []
    for indices in (train, test):
        parts = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
        found.append(zip(*(extract(images[part]) for part in parts), strict=True))
    (pooled_train, stages_train), (pooled_test, stages_test) = (
        [np.concatenate(values) for values in of_part] for of_part in found
    )
    return TaskFeatures(pooled_train, pooled_test, stages_train, stages_test)


def middle(images: np.ndarray, share: float) -> np.ndarray:
    """Return the middle of images [N, S, S, 3], of so large a share of their edge."""
    edge = images.shape[1]
    kept = max(round(share * edge), 1)
    first = (edge - kept) // 2
    return images[:, first : first + kept, first : first + kept]


def raw_pixels(images: np.ndarray) -> np.ndarray:
    """Return the pixels of images, uint8 [N, H, W, 3], averaged to an edge of at most 32.

    Returns:
        float32 [N, D], in [0, 1].
    """
    edge = min(PIXEL_EDGE, *images.shape[1:3])
    return functional.adaptive_avg_pool2d(unit_images(images), edge).flatten(1).numpy()


def centred_pixels(images: np.ndarray) -> np.ndarray:
    """Return ``raw_pixels`` of every image less their mean: without its brightness."""
    pixels = raw_pixels(images)
    return pixels - pixels.mean(1, keepdims=True)


def imagenet_backbone(cache: str | Path, image_size: int, device: torch.device | str) -> Backbone:
    """Return the packaged network, EfficientNet-Lite0 trained on the photographs of ImageNet.

    Args:
        cache: folder of fetched packages.

    Raises:
        UserError: the package is absent or holds something else.
    """
    settings = Features(kind="timm", model=PACKAGED_MODEL, weights="package")
    network = make_network(settings, Path(cache))
    mean, std = normalisation(network, settings)
    description = {"model": PACKAGED_MODEL, "mean": mean, "std": std}
    return Backbone(network, description, device, image_size)
