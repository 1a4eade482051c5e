"""Training of the detector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from simtailor.detector.network import STRIDE, CentreDetector, loss_of, targets_of
from simtailor.detector.pictures import LabelledPicture
from simtailor.detector.settings import DetectorTraining
from simtailor.detector.variation import draw_crop
from simtailor.network_images import unit_images
from simtailor.seeds import generator

SECONDS = 15.0  # between two lines of progress
WEIGHT_DECAY = 1e-4
HEADS = 4.0  # times the packaged blocks' rate
WARMING = 0.1  # share of the steps in which the rate rises


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
    packaged = [p for p in detector.blocks.parameters() if p.requires_grad]
    known = {id(p) for p in packaged}
    heads = [p for p in detector.parameters() if p.requires_grad and id(p) not in known]
    groups = [
        {"params": packaged, "lr": settings.learning_rate},
        {"params": heads, "lr": HEADS * settings.learning_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: _rate(n, settings.steps))
    begun = told = time.monotonic()
    losses: list[float] = []
    for step in range(settings.steps):
        images, targets = draw_batch(pictures, classes, settings, generator(seed, "crops", step))
        pixels = unit_images(images, device).contiguous(memory_format=torch.channels_last)
        centre, sides = detector(pixels)
        loss = loss_of(centre, sides, tuple(torch.from_numpy(t).to(device) for t in targets))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*packaged, *heads], 10.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        now = time.monotonic()
        if now - told > SECONDS or step + 1 == settings.steps:
            told = now
            left = (now - begun) / (step + 1) * (settings.steps - step - 1)
            mean = np.mean(losses[-50:])
            report(f"step {step + 1} of {settings.steps}: loss {mean:.3f}, {left:.0f} s left")
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


def _rate(step: int, steps: int) -> float:
    """Return the share of the highest rate: a rise, then half a cosine to a hundredth."""
    warming = max(1, round(WARMING * steps))
    if step < warming:
        return (step + 1) / warming
    return 0.01 + 0.99 * (1 + np.cos(np.pi * (step - warming) / max(steps - warming, 1))) / 2
