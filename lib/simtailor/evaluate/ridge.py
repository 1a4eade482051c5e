"""Ridge regression on features: a closed-form classifier that few labels suffice for.

Features are standardised on the labelled images and scaled to a mean squared norm of 1,
classes coded as 0 and 1. The penalty is a fixed share of the number of labelled images: what
leave-one-out chooses is too small where labels are few.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

PENALTY = 0.003  # a labelled image
FLAT = 1e-6  # a feature whose spread is below this share of the largest says nothing
BLOCK_VALUES = 2**25  # of features held at a time, 256 MiB in double precision


def draw_labelled(
    labels: np.ndarray, a_class: int, fewest: int, random: np.random.Generator
) -> np.ndarray:
    """Return sorted indices of labelled images: so many of every class, chosen at random.

    Args:
        labels: int64 [N].
        a_class: images of a class; ``fewest`` where the smallest class has fewer. A class
            that has fewer than even those gives all.
    """
    order = random.permutation(len(labels))
    members = [order[labels[order] == label] for label in np.unique(labels)]
    count = a_class if min(map(len, members)) >= a_class else fewest
    return np.sort(np.concatenate([of_class[:count] for of_class in members]))


def balanced_accuracy(answers: np.ndarray, labels: np.ndarray) -> float:
    """Return the percentage of right answers, the mean over the classes: int64 [M] each.

    It equals the plain one where the classes are even.
    """
    right = np.bincount(labels, weights=answers == labels)
    counts = np.bincount(labels)
    return 100 * float((right[counts > 0] / counts[counts > 0]).mean())


def ridge_answers(
    train: np.ndarray,
    labels: np.ndarray,
    episodes: list[np.ndarray],
    test: np.ndarray,
    device: torch.device | str = "cpu",
) -> Iterator[np.ndarray]:
    """Yield the classes int64 [M] that the test images are taken for, episode by episode.

    Args:
        train: float32 [N, D]; labels: int64 [N]; test: float32 [M, D].
        episodes: indices of the labelled images of each, alike many.
    """
    held, asked = (torch.from_numpy(values).to(device) for values in (train, test))
    targets = torch.nn.functional.one_hot(torch.from_numpy(labels).to(device)).double()
    chosen = torch.from_numpy(np.stack(episodes)).to(device)
    together = max(1, BLOCK_VALUES // (chosen.shape[1] * train.shape[1]))
    for part in chosen.split(together):
        weights, offsets = _fitted(held[part].double(), targets[part])
        for weight, offset in zip(weights, offsets, strict=True):
            scores = asked @ weight.to(asked.dtype) + offset.to(asked.dtype)
            yield scores.argmax(1).cpu().numpy()


def ridge_head(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the linear classifier of all images: weights float64 [D, C] and offsets [C].

    Args:
        features: float32 [N, D]; labels: int64 [N], of every class at least one.
    """
    targets = torch.nn.functional.one_hot(torch.from_numpy(labels)).double()
    weights, offsets = _fitted(torch.from_numpy(features).double()[None], targets[None])
    return weights[0].numpy(), offsets[0].numpy()


def _fitted(features: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weights [E, D, C] and offsets [E, C] of features [E, n, D] and targets [E, n, C]."""
    count, width = features.shape[1:]
    means = features.mean(1, keepdim=True)
    spreads = features.std(1, keepdim=True, unbiased=False)
    flat = spreads <= FLAT * spreads.amax(2, keepdim=True)
    spreads = spreads.masked_fill(flat, torch.inf) * (~flat).sum(2, keepdim=True).sqrt()
    scaled = (features - means) / spreads
    middles = targets.mean(1, keepdim=True)
    penalty = PENALTY * count
    if count <= width:  # of the two equal forms, the one with the smaller system
        system = scaled @ scaled.mT
        system.diagonal(dim1=1, dim2=2).add_(penalty)
        weights = scaled.mT @ torch.linalg.solve(system, targets - middles)
    else:
        system = scaled.mT @ scaled
        system.diagonal(dim1=1, dim2=2).add_(penalty)
        weights = torch.linalg.solve(system, scaled.mT @ (targets - middles))
    weights = weights / spreads.mT
    return weights, (middles - means @ weights)[:, 0]
