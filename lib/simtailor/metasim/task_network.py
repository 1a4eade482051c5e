"""Task networks: small classifiers that are trained on generated images and tested on real ones.

``digits`` is the network of the published digit experiments (Kar et al., "Meta-Sim:
Learning to Generate Synthetic Datasets", ICCV 2019, section 4.1); ``resnet18`` is that of
He et al., "Deep Residual Learning for Image Recognition", 2016, with no weights loaded.

The accuracy is a reward, and how much it depends on the seed is the reward's noise. So the
learning rate rises over the first quarter and falls to 0, and ``digits`` starts with weights
after He. On 1,000 MNIST images with 5 seeds this reaches 93 +- 0.4 % in batches of 16, the
published constant rate in batches of 8 reaches 88 +- 3 % and takes a third longer. On 500
images of five objects on a table, torch's own initial weights gave 83 +- 18 % in place of
99.9 +- 0.2 %.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from simtailor.metasim.features import CHUNK
from simtailor.metasim.task_settings import NetworkTraining
from simtailor.render.gradient import images_as_tensor
from simtailor.seeds import generator
from simtailor.torchvision_compat import import_torchvision

DIGITS_CHANNELS = (32, 64)
DIGITS_WIDTHS = (256, 100)
DIGITS_KERNEL = 5
FIRST_SCORES = 0.1  # factor on the last layer's weights: no class is preferred at first
RISING_SHARE = 0.25  # of the steps, in which the learning rate rises


class TaskNetwork(nn.Module):
    """A classifier with its own preparation of images.

    Args:
        body: maps float32 [B, 3, S, S] to scores [B, class_count].
        largest: images with longer edges are averaged down to so many pixels.
        images: uint8 [n, H, W, 3]; their mean and spread standardise all images.
    """

    def __init__(self, body: nn.Module, largest: int, images: np.ndarray) -> None:
        super().__init__()
        self.body, self.largest = body, largest
        self.register_buffer("mean", torch.tensor(float(images.mean()) / 255))
        self.register_buffer("spread", torch.tensor(max(float(images.std()) / 255, 1e-3)))

    def prepare(self, images: np.ndarray) -> torch.Tensor:
        """Return uint8 [n, H, W, 3] as standardised float32 [n, 3, S, S], S at most ``largest``."""
        size = min(*images.shape[1:3], self.largest)
        parts = []
        for start in range(0, len(images), CHUNK):
            part = images_as_tensor(images[start : start + CHUNK], self.mean.device)
            if part.shape[-2:] != (size, size):
                part = functional.adaptive_avg_pool2d(part, size)
            parts.append((part - self.mean) / self.spread)
        return torch.cat(parts).contiguous(memory_format=torch.channels_last)

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Return scores [B, class_count] of prepared images."""
        return self.body(prepared)

    @torch.no_grad()
    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the class of each image, int64 [n], for images uint8 [n, H, W, 3]."""
        self.eval()
        parts = [
            self(self.prepare(images[i : i + CHUNK])).argmax(1)
            for i in range(0, len(images), CHUNK)
        ]
        return torch.cat(parts).cpu().numpy()


def train_task_network(
    kind: str,
    images: np.ndarray,
    labels: np.ndarray,
    class_count: int,
    settings: NetworkTraining,
    seed: int,
    device: str = "cpu",
) -> TaskNetwork:
    """Train a classifier by stochastic gradient descent with Nesterov's momentum.

    On the CPU the same arguments give the same weights, bit for bit.

    Args:
        kind: ``digits`` or ``resnet18``.
        images: uint8 [n, H, W, 3]; ``digits`` needs H of at least 16.
        labels: int64 [n] in [0, class_count).
        seed: decides initial weights and the order of the images.
    """
    size = min(*images.shape[1:3], settings.image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, "task network", "weights").integers(2**31)))
        body = _digits(size, class_count) if kind == "digits" else _resnet18(class_count)
    network = TaskNetwork(body, size, images).to(device)
    network = network.to(memory_format=torch.channels_last)
    prepared = network.prepare(images)
    wanted = torch.from_numpy(np.asarray(labels, dtype=np.int64)).to(device)
    batches = _batches(len(images), settings, seed)
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
    )
    network.train()
    for step, batch in enumerate(batches):
        done = step / len(batches)
        rise = (step + 1) / (RISING_SHARE * len(batches))
        factor = min(rise, (1 - done) / (1 - RISING_SHARE))
        optimiser.param_groups[0]["lr"] = settings.learning_rate * factor
        chosen = batch.to(device)
        loss = functional.cross_entropy(network(prepared[chosen]), wanted[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network


def accuracy(network: TaskNetwork, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images, uint8 [n, H, W, 3], whose class, int64 [n], is found."""
    return float((network.predict(images) == labels).mean())


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, class_count: int) -> np.ndarray:
    """Return how often class i was taken for class j: int64 [class_count, class_count]."""
    flat = np.bincount(labels * class_count + predictions, minlength=class_count**2)
    return flat.reshape(class_count, class_count)


def class_accuracies(confusion: np.ndarray) -> np.ndarray:
    """Return the accuracy of each class, float64 [class_count]; NaN where there is no image."""
    counts = confusion.sum(1)
    return np.where(counts > 0, confusion.diagonal() / np.maximum(counts, 1), np.nan)


def _batches(count: int, settings: NetworkTraining, seed: int) -> list[torch.Tensor]:
    """Return the indices of the images of every step, all epochs one after another."""
    batches: list[torch.Tensor] = []
    for epoch in range(settings.epochs):
        order = torch.from_numpy(generator(seed, "task network", epoch).permutation(count))
        # Batch statistics of a single image do not exist: a rest of one is left out.
        batches += [b for b in order.split(settings.batch_size) if len(b) > 1]
    return batches


def _digits(size: int, class_count: int) -> nn.Sequential:
    """Two convolutions with pooling, then three fully connected layers, as published."""
    side = size
    for _ in DIGITS_CHANNELS:
        side = (side - DIGITS_KERNEL + 1) // 2
    first, second = DIGITS_CHANNELS
    wide, narrow = DIGITS_WIDTHS
    body = nn.Sequential(
        nn.Conv2d(3, first, DIGITS_KERNEL),
        nn.MaxPool2d(2),
        nn.ReLU(),  # after the pooling: the same values at a quarter of the work
        nn.Conv2d(first, second, DIGITS_KERNEL),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(second * side * side, wide),
        nn.ReLU(),
        nn.Linear(wide, narrow),
        nn.ReLU(),
        nn.Linear(narrow, class_count),
    )
    # He et al. 2015. With torch's own, smaller weights some seeds hardly learn in so few steps.
    for module in body:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        body[-1].weight.mul_(FIRST_SCORES)
    return body


def _resnet18(class_count: int) -> nn.Module:
    return import_torchvision().models.resnet18(weights=None, num_classes=class_count)
