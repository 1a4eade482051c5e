"""Linear probing and fine-tuning: a head on a backbone, trained on a task.

Source of the head (dropout, batch normalisation without weights, a linear layer), of the
optimiser and of the schedule in steps: Task2Sim (CVPR 2022), section 4, whose evaluation
follows Islam et al., "A Broad Study on the Transferability of Visual Representations with
Contrastive Learning" (ICCV 2021). As published: 50 epochs, a tenth of the rate after 25 and
37, batches of 128 (linear) or 32, learning rate by task from 0.1 to 0.001, weight decay 0 or
1e-5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from simtailor.evaluate.settings import FineTuning, HeadTraining
from simtailor.pretrain.backbone import Backbone
from simtailor.seeds import generator

VALIDATION_SHARE = 0.1
EVALUATION_BATCH = 256

# From indices int64 [B] and whether for training to inputs on the device.
Batches = Callable[[np.ndarray, bool], torch.Tensor]


class Head(nn.Sequential):
    """Dropout, batch normalisation without weights, a linear layer."""

    def __init__(self, width: int, class_count: int, dropout: float) -> None:
        super().__init__(
            nn.Dropout(dropout),
            nn.BatchNorm1d(width, affine=False),
            nn.Linear(width, class_count),
        )


def linear_accuracy(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    settings: HeadTraining,
    seed: int,
    device: str = "cpu",
) -> float:
    """Return the percentage that a linear classifier on features float32 [N, D] gets right."""
    class_count = int(max(np.max(train_labels), np.max(test_labels))) + 1
    held, asked = (torch.from_numpy(np.ascontiguousarray(f)).to(device) for f in (train, test))
    trained = _best_of(
        lambda: Head(held.shape[1], class_count, settings.dropout).to(device),
        lambda indices, training: held[indices],
        np.asarray(train_labels),
        settings,
        seed,
    )
    return _accuracy(trained, lambda indices, training: asked[indices], np.asarray(test_labels))


def finetuned_accuracy(
    backbone: Backbone,
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    settings: FineTuning,
    seed: int,
) -> float:
    """Return the percentage that the whole network gets right after training on the task.

    Args:
        train, test: images uint8 [N, H, W, 3], which may be memory-mapped.
    """
    class_count = int(max(np.max(train_labels), np.max(test_labels))) + 1
    random = generator(seed, "augmentation")

    def network() -> nn.Module:
        head = Head(backbone.width, class_count, settings.dropout)
        return nn.Sequential(backbone.copy_of_network(), head).to(backbone.device)

    def train_batch(indices: np.ndarray, training: bool) -> torch.Tensor:
        images = backbone.inputs(train[indices])
        return _augmented(images, settings, random) if training else images

    trained = _best_of(network, train_batch, np.asarray(train_labels), settings, seed)
    return _accuracy(
        trained, lambda indices, training: backbone.inputs(test[indices]), np.asarray(test_labels)
    )


def _best_of(
    make: Callable[[], nn.Module],
    batches: Batches,
    labels: np.ndarray,
    settings: HeadTraining,
    seed: int,
) -> nn.Module:
    """Train with the learning rate that does best on a held-out part of the training images."""
    everything = np.arange(len(labels))
    rate = settings.learning_rates[0]
    if len(settings.learning_rates) > 1:
        order = generator(seed, "validation").permutation(everything)
        held_out, kept = np.split(order, [max(1, round(VALIDATION_SHARE * len(order)))])
        accuracies = [
            _accuracy(
                _trained(make, batches, labels, kept, settings, rate, seed),
                batches, labels, held_out,
            )
            for rate in settings.learning_rates
        ]  # fmt: skip
        rate = settings.learning_rates[int(np.argmax(accuracies))]
    return _trained(make, batches, labels, everything, settings, rate, seed)


def _trained(
    make: Callable[[], nn.Module],
    batches: Batches,
    labels: np.ndarray,
    indices: np.ndarray,
    settings: HeadTraining,
    rate: float,
    seed: int,
) -> nn.Module:
    random = generator(seed, "head")
    with torch.random.fork_rng():
        torch.manual_seed(int(random.integers(2**31)))
        model = make()
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        milestones = [round(share * settings.epochs) for share in settings.decay_at]
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma=0.1)
        # Batch normalisation needs two images, so an incomplete last batch is left out.
        size = min(settings.batch_size, len(indices))
        model.train()
        for _ in range(settings.epochs):
            order = random.permutation(indices)
            for start in range(0, len(order) - size + 1, size):
                batch = order[start : start + size]
                inputs = batches(batch, True)
                wanted = torch.from_numpy(labels[batch]).to(inputs.device)
                loss = nn.functional.cross_entropy(model(inputs), wanted)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
            schedule.step()
    return model


@torch.no_grad()
def _accuracy(
    model: nn.Module, batches: Batches, labels: np.ndarray, indices: np.ndarray | None = None
) -> float:
    """Return the percentage of right answers."""
    model.eval()
    indices = np.arange(len(labels)) if indices is None else indices
    right = 0
    for start in range(0, len(indices), EVALUATION_BATCH):
        batch = indices[start : start + EVALUATION_BATCH]
        right += int((model(batches(batch, False)).argmax(1).cpu().numpy() == labels[batch]).sum())
    return 100 * right / len(indices)


def _augmented(
    images: torch.Tensor, settings: FineTuning, random: np.random.Generator
) -> torch.Tensor:
    """Crop (square, then back to size) and mirror each image [B, 3, S, S] by chance."""
    count = len(images)
    scale = random.uniform(settings.crop, 1, count)
    shift = random.uniform(-1, 1, (2, count)) * (1 - scale)
    mirror = np.where(settings.flip & (random.random(count) < 0.5), -1.0, 1.0)
    zero = np.zeros(count)
    rows = np.array([[scale * mirror, zero, shift[0]], [zero, scale, shift[1]]])
    transform = torch.tensor(rows.transpose(2, 0, 1), dtype=images.dtype, device=images.device)
    grid = nn.functional.affine_grid(transform, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
