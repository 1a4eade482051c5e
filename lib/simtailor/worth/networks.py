"""The networks: the body that all share, with a head for each kind of task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from simtailor.network_images import unit_images
from simtailor.seeds import generator
from simtailor.worth.examples import Examples
from simtailor.worth.fitting import fit_network
from simtailor.worth.pyramid import CHANNELS, PyramidNetwork, filled_up, smooth_layer
from simtailor.worth.recolouring import recoloured
from simtailor.worth.regression import KNOWN, VALUES, spreads_of
from simtailor.worth.segmentation import MASKS
from simtailor.worth.settings import REGRESSION, SEGMENTATION, WorthTraining

GRID, WIDTH = 6, 128  # cells along an edge that attributes are told from; width of the layer there
LEAST_ANGLE = 1e-3  # radians that angles of a source spread at least
AT_A_TIME = 64  # pictures


class WorthNetwork(PyramidNetwork):
    """A network of one kind of task.

    Attributes:
        recolours: whether pictures of other colours have the same labels.
    """

    recolours = True

    @abstractmethod
    def loss(self, outputs: torch.Tensor, labels: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the loss of outputs of a batch."""

    @abstractmethod
    def told(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what outputs of a batch say, as the task's labels have it."""

    @torch.no_grad()
    def guess(self, images: np.ndarray) -> np.ndarray:
        """Return what pictures uint8 [n, H, W, 3] show: [n, ...]."""
        self.eval()
        parts = [
            self.told(self(unit_images(images[i : i + AT_A_TIME], self.mean.device)))
            for i in range(0, len(images), AT_A_TIME)
        ]
        return torch.cat(parts).cpu().numpy()


class AttributeNetwork(WorthNetwork):
    """Tells the attributes of a scene.

    An attribute on a line is one output, in spreads of the source about its mean. An angle is two,
    sine and cosine of what it is off the mean, so that there is no seam where it goes round.

    Args:
        examples: that it will train on.
        cache: see ``PyramidNetwork``.
    """

    def __init__(self, examples: Examples, cache: str | Path | None) -> None:
        super().__init__(cache)
        means, spreads = spreads_of(examples)
        periods = np.array([about["period"] for about in examples.about])
        spreads = np.where(np.isnan(spreads), 1.0, spreads)
        radians = np.where(periods > 0, 2 * np.pi / np.where(periods > 0, periods, 1), 0)
        angles = np.clip(spreads * radians, LEAST_ANGLE, 1.0)
        scales = np.where(periods > 0, angles, spreads)
        for name, values in (("centre", means), ("scale", scales), ("radians", radians)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        self.recolours = not any(about["look"] for about in examples.about)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(CHANNELS * GRID**2, WIDTH),
            nn.ReLU(inplace=True),
            nn.Linear(WIDTH, 2 * len(means)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return two outputs an attribute, [B, E, 2], of images float32 [B, 3, H, W] in [0, 1]."""
        maps = functional.adaptive_avg_pool2d(self.maps(filled_up(images)), GRID)
        return self.head(maps).unflatten(1, (-1, 2))

    def loss(self, outputs: torch.Tensor, labels: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the squared error of the nearest of the values that look alike."""
        off = labels[VALUES].float() - self.centre
        angle = off * self.radians
        sine = torch.where(self.radians > 0, angle.sin(), off) / self.scale
        cosine = torch.where(self.radians > 0, angle.cos() - 1, 0 * off) / self.scale
        wanted = torch.stack([sine, cosine], -1)
        error = (outputs[:, None] - wanted).square().sum(-1)
        of_values = (error * labels[KNOWN][:, None]).sum(-1)
        return of_values.amin(1).mean() / len(self.centre)

    def told(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return values in the attributes' own units, [B, E]."""
        first, second = (outputs * self.scale[:, None]).unbind(-1)
        around = torch.atan2(first, 1 + second) / torch.where(self.radians > 0, self.radians, 1)
        return self.centre + torch.where(self.radians > 0, around, first)


class MaskNetwork(WorthNetwork):
    """Tells which class each pixel shows.

    Args:
        examples: that it will train on.
        cache: see ``PyramidNetwork``.
    """

    def __init__(self, examples: Examples, cache: str | Path | None) -> None:
        super().__init__(cache)
        classes = len(examples.about) + 1  # and what is none of them
        self.head = nn.Sequential(smooth_layer(), nn.Conv2d(CHANNELS, classes, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [B, K + 1, H, W] of images float32 [B, 3, H, W] in [0, 1]."""
        filled, (height, width) = filled_up(images), images.shape[2:]
        scores = functional.interpolate(
            self.head(self.maps(filled)), filled.shape[2:], mode="bilinear", align_corners=False
        )
        return scores[:, :, :height, :width]

    def loss(self, outputs: torch.Tensor, labels: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the cross-entropy of the pixels."""
        return functional.cross_entropy(outputs, labels[MASKS].long())

    def told(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the likeliest class of each pixel, uint8 [B, H, W]."""
        return outputs.argmax(1).byte()


NETWORKS: dict[str, Callable[..., WorthNetwork]] = {
    REGRESSION: AttributeNetwork,
    SEGMENTATION: MaskNetwork,
}


def train_network(
    kind: str,
    examples: Examples,
    settings: WorthTraining,
    seed: int,
    cache: str | Path | None,
    report: Callable[[str], None],
    device: str = "cpu",
) -> WorthNetwork:
    """Return a network that was trained on examples.

    Args:
        kind: of the task; cache: see ``PyramidNetwork``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NETWORKS[kind](examples, cache).to(device).train()
    network = network.to(memory_format=torch.channels_last)  # a quarter faster on a CPU

    def loss_of(step: int) -> torch.Tensor:
        random = generator(seed, "pictures", step)
        chosen = examples[random.integers(len(examples), size=settings.batch_size)]
        images: Any = chosen.images
        if network.recolours:
            images = np.stack([recoloured(image, random) for image in images])
        pixels = unit_images(images, device).contiguous(memory_format=torch.channels_last)
        labels = {n: torch.from_numpy(part).to(device) for n, part in chosen.labels.items()}
        return network.loss(network(pixels), labels)

    fit_network(network, loss_of, settings.steps, settings.learning_rate, report)
    return network.eval()
