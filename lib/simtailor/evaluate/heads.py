"""Linear probing and fine-tuning: a head on a backbone, trained on a task.

Source of the head (dropout, batch normalisation without weights, a linear layer), of the
optimiser and of the schedule in steps: Task2Sim (CVPR 2022), section 4, whose evaluation
follows Islam et al., "A Broad Study on the Transferability of Visual Representations with
Contrastive Learning" (ICCV 2021). The published numbers are those of config/paper.yaml.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from simtailor.evaluate.features import middle
from simtailor.evaluate.settings import HeadTraining
from simtailor.pretrain.augmentation import draw_variations
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.network import timm
from simtailor.pretrain.settings import Augmentation
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


class FineTuned(nn.Module):
    """A copy of a timm network with a head of its own in place of the classifier."""

    def __init__(self, network: nn.Module, class_count: int, dropout: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.network.reset_classifier(0)
        self.head = Head(self.network.head_hidden_size, class_count, dropout)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return logits [B, classes] of normalised pixels [B, 3, S, S]."""
        return self.head(self.network(pixels))


class Probed(FineTuned):
    """The same of which only the head is trained: the network stays as it is."""

    def __init__(self, network: nn.Module, class_count: int, dropout: float) -> None:
        super().__init__(network, class_count, dropout)
        self.network.requires_grad_(False)

    def train(self, mode: bool = True) -> Probed:
        super().train(mode)
        self.network.eval()
        return self


def linear_accuracy(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    settings: HeadTraining,
    seed: int,
    device: str = "cpu",
) -> float:
    """Return the percentage that a linear classifier on features float32 [N, D] gets right.

    NaN where its training diverges with every learning rate.
    """
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
    images: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    settings: HeadTraining,
    seed: int,
    *,
    centre: float = 1.0,
    only_head: bool = False,
) -> float:
    """Return the percentage that a network gets right after training on varied images of a task.

    NaN where its training diverges with every learning rate.

    Args:
        images: uint8 [N, H, H, 3], which may be mapped from a file; labels: int64 [N].
        train, test: indices of the two parts.
        centre: share of the edge of a test image that the network sees.
        only_head: leave the network as it is.
    """
    class_count = int(np.max(labels)) + 1
    random = generator(seed, "augmentation")
    varied = Augmentation(
        crop=settings.crop, flip=0.5 if settings.flip else 0.0, colour=0.0, grey=0.0
    )

    def batches_of(part: np.ndarray) -> Batches:
        def batch(indices: np.ndarray, training: bool) -> torch.Tensor:
            chosen = images[part[indices]]
            if not training:
                return backbone.prepared(middle(chosen, centre))
            variations = draw_variations(varied, len(indices), random)
            pixels = torch.from_numpy(chosen).to(backbone.device)
            return backbone.varied(pixels, variations)

        return batch

    kind = Probed if only_head else FineTuned
    trained = _best_of(
        lambda: kind(backbone.network, class_count, settings.dropout).to(backbone.device),
        batches_of(train),
        labels[train],
        settings,
        seed,
    )
    return _accuracy(trained, batches_of(test), labels[test])


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
        rate = settings.learning_rates[int(np.argmax(np.nan_to_num(accuracies, nan=-1)))]
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
            timm().optim.param_groups_weight_decay(model, settings.weight_decay),
            lr=rate,
            momentum=settings.momentum,
            nesterov=settings.momentum > 0,
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
    """Return the percentage of right answers; NaN if a score is not finite, as of class 0."""
    model.eval()
    indices = np.arange(len(labels)) if indices is None else indices
    right = 0
    for start in range(0, len(indices), EVALUATION_BATCH):
        batch = indices[start : start + EVALUATION_BATCH]
        scores = model(batches(batch, False))
        if not scores.isfinite().all():
            return float("nan")
        right += int((scores.argmax(1).cpu().numpy() == labels[batch]).sum())
    return 100 * right / len(indices)
