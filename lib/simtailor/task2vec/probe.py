"""The probe network: features of images, and a classifier fitted to a task's features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from simtailor.errors import UserError
from simtailor.metasim.features.networks import make_network, normalisation
from simtailor.network_images import network_input
from simtailor.pretrain.backbone import Backbone
from simtailor.task2vec.inputs import backbone_of, network_of
from simtailor.task2vec.layers import LayerCalls
from simtailor.task2vec.settings import Task2Vec
from simtailor.task2vec.small_maps import SmallMaps

STRENGTHS = (1e-2, 1e-1, 1.0, 10.0)  # inverse regularisation, a unit of squared feature
HELD_OUT = 5  # one image in so many chooses among them
ITERATIONS = 100


class Probe:
    """A network without classifier, in evaluation mode, its weights frozen.

    Args:
        network: of timm; a batch of images [B, 3, S, S] gives features [B, D].
        image_size: pixels that images are resized to.
        mean, std: of each channel, in [0, 1].
    """

    def __init__(
        self,
        network: nn.Module,
        image_size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: str | torch.device = "cpu",
        batch_size: int = 64,
    ) -> None:
        self.device, self.image_size, self.batch_size = torch.device(device), image_size, batch_size
        self.network = network.eval().requires_grad_(False)
        self.network.to(self.device, memory_format=torch.channels_last)
        self._mean, self._std, self._small_maps = mean, std, SmallMaps()

    def __call__(self, prepared: torch.Tensor, calls: LayerCalls | None = None) -> torch.Tensor:
        """Return the features of images, float32 [B, 3, S, S] as of ``prepare``: [B, D].

        Args:
            calls: is told of the layers.
        """
        with self._small_maps, calls or nullcontext():
            return self.network(prepared)

    def prepare(self, images: np.ndarray) -> torch.Tensor:
        """Return images, uint8 [B, H, W, 3], as the network takes them: float32 [B, 3, S, S]."""
        return network_input(images, self.image_size, self._mean, self._std, self.device)

    def features(self, images: np.ndarray) -> torch.Tensor:
        """Return the features of images, uint8 [N, H, W, 3]: float32 [N, D]."""
        with torch.no_grad():
            return torch.cat([self(self.prepare(part)) for part in self.parts(images)])

    def parts(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the images a batch at a time."""
        for first in range(0, len(images), self.batch_size):
            yield images[first : first + self.batch_size]

    def weights(self) -> dict[str, nn.Parameter]:
        """Return the parameters that have a filter or channel a row, by name."""
        return {n: p for n, p in self.network.named_parameters() if n.endswith("weight")}


@dataclass(frozen=True, eq=False)
class Head:
    """A linear classifier on features.

    Attributes:
        weight: float32 [C, D]; bias: float32 [C].
        strength: the inverse regularisation that was chosen.
        accuracy: on the images that chose it, in [0, 1].
    """

    weight: torch.Tensor
    bias: torch.Tensor
    strength: float
    accuracy: float

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits [B, C] of features [B, D]."""
        return features @ self.weight.T + self.bias


def fit_head(
    features: torch.Tensor, labels: np.ndarray, classes: int, random: np.random.Generator
) -> Head:
    """Fit multinomial logistic regression to cached features.

    The regularisation is the one with the least log loss on a fifth of the images, so that
    the classifier's probabilities, from which labels are drawn, are neither too sure nor too
    unsure; it is fitted to all of them then.

    Args:
        features: float32 [N, D]; labels: int64 [N]; classes: number of classes.

    """
    from sklearn.metrics import log_loss  # noqa: PLC0415

    values = features.double().cpu().numpy()
    middle, spread = values.mean(0), values.std(0)
    scale = np.maximum(spread, 1e-3 * spread.max() + 1e-12) * np.sqrt(values.shape[1])
    scaled = (values - middle) / scale  # of mean squared norm 1
    held_out = _held_out(labels, random)
    known = np.unique(labels[~held_out])
    judged = held_out & np.isin(labels, known)
    losses, accuracies = [], []
    for strength in STRENGTHS:
        model = _regression(scaled[~held_out], labels[~held_out], strength)
        chances = model.predict_proba(scaled[judged])
        losses.append(log_loss(labels[judged], chances, labels=known))
        accuracies.append(float((known[chances.argmax(1)] == labels[judged]).mean()))
    best = int(np.argmin(losses))
    model = _regression(scaled, labels, STRENGTHS[best])
    weight, bias = model.coef_, model.intercept_
    if classes == 2:  # scikit-learn keeps one row of logits for two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scale
    bias = bias - weight @ middle
    tensors = (torch.from_numpy(v).to(features) for v in (weight, bias))
    return Head(*tensors, STRENGTHS[best], accuracies[best])


def _regression(features: np.ndarray, labels: np.ndarray, strength: float):
    """Return a fitted regression; a fit that stops early is good enough to draw labels from."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    model = LogisticRegression(C=strength * len(features), max_iter=ITERATIONS, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)


def _held_out(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a fifth of the images, of each class alike: bool [N]."""
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    held_out = np.zeros(len(labels), bool)
    held_out[order[HELD_OUT // 2 :: HELD_OUT]] = True
    return held_out


def make_probe(settings: Task2Vec, device: str, cache: str | Path) -> Probe:
    """Return the probe network of the settings.

    Args:
        cache: folder of fetched packages.

    Raises:
        UserError: there is no such model, or its weights cannot be had or do not fit.
    """
    folder = backbone_of(settings)
    if folder:
        backbone = Backbone.read(folder)
        mean, std = (tuple(backbone.description[key]) for key in ("mean", "std"))
        backbone.network.reset_classifier(0)
        return Probe(backbone.network, settings.image_size, mean, std, device, settings.batch_size)
    try:
        values = network_of(settings)
        network = make_network(values, Path(cache))
    except UserError as error:
        raise UserError(f"task2sim.task2vec, the probe network: {error}") from None
    network.reset_classifier(0)
    mean, std = normalisation(network, values)
    return Probe(network, settings.image_size, mean, std, device, settings.batch_size)
