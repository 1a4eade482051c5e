"""Training of the detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from simtailor.detector.network import CentreDetector, loss_of, targets_of
from simtailor.detector.pictures import LabelledPicture
from simtailor.detector.settings import DetectorTraining
from simtailor.detector.variation import draw_crop
from simtailor.network_images import unit_images
from simtailor.seeds import generator
from simtailor.worth.fitting import fit_network
from simtailor.worth.pyramid import STRIDE


def train_detector(
    pictures: Sequence[LabelledPicture],
    classes: int,
    settings: DetectorTraining,
    seed: int,
    cache: str | Path | None,
    report: Callable[[str], None],
    device: str = "cpu",
) -> CentreDetector:
    """Return a detector that was trained on pictures.

    Args:
        classes: number of the objects' classes.
        cache: folder of fetched packages; None starts without ImageNet's weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        detector = CentreDetector(classes, cache).to(device).train()
    detector = detector.to(memory_format=torch.channels_last)  # a quarter faster on a CPU

    def loss_of_step(step: int) -> torch.Tensor:
        images, targets = draw_batch(pictures, classes, settings, generator(seed, "crops", step))
        pixels = unit_images(images, device).contiguous(memory_format=torch.channels_last)
        return loss_of(*detector(pixels), tuple(torch.from_numpy(t).to(device) for t in targets))

    fit_network(detector, loss_of_step, settings.steps, settings.learning_rate, report)
    return detector.eval()


def draw_batch(
    pictures: Sequence[LabelledPicture],
    classes: int,
    settings: DetectorTraining,
    random: np.random.Generator,
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return crops uint8 [B, S, S, 3], and what ``targets_of`` says of each, stacked."""
    crops = [draw_crop(pictures, settings.crop, random) for _ in range(settings.batch_size)]
    cells = (settings.crop // STRIDE,) * 2
    targets = [targets_of(c.boxes, c.labels, classes, cells) for c in crops]
    return np.stack([c.image for c in crops]), tuple(map(np.stack, zip(*targets, strict=True)))
