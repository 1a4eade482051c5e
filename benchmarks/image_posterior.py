"""Posteriors of a scene's attributes given its picture, learnt by the package sbi.

Neural posterior estimation as in Papamakarios and Murray ("Fast epsilon-free inference of
simulation models with Bayesian conditional density estimation", 2016): a mixture of ten Gaussians
whose parameters a network gives, behind a small convolutional network. A neural spline flow behind
the same network without normalisation had learnt no yaw after 690 steps of 500 scenes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from simtailor.files import staged
from simtailor.metasim.features.pyramid import ImagePyramid
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine
from simtailor.metasim.target import CHUNK, TargetImages
from simtailor.render.gradient import images_as_tensor
from simtailor.scene.attributes import wrapped

EDGE = 32  # pixels that the network sees: the finest that the training's own features keep
CHANNELS = 3
RADIUS_SPREAD = 0.1  # of sine and cosine of an angle, so that they have a density
BATCH, RATE, PATIENCE, MOST_EPOCHS = 250, 1e-3, 10, 60
IMAGES_AT_ONCE = 100


@dataclass(frozen=True)
class Box:
    """A uniform prior.

    Attributes:
        middles, halves: [E], in the attributes' own units; half a period is the whole circle.
        periods: [E], 0 of a line.
    """

    middles: np.ndarray
    halves: np.ndarray
    periods: np.ndarray

    @property
    def around(self) -> np.ndarray:
        """Which attributes go all the way round: bool [E]."""
        return (self.periods > 0) & (self.halves >= self.periods / 2)

    def places(self, values: np.ndarray) -> np.ndarray:
        """Return where values [..., E] lie, the ends of the box at -1 and 1."""
        moved = [wrapped(values[..., e] - self.middles[e], float(p))
                 for e, p in enumerate(self.periods)]  # fmt: skip
        return np.stack(moved, -1) / self.halves

    def within(self, values: np.ndarray) -> np.ndarray:
        """Return which of the values [..., E] lie inside: bool [...]."""
        return (np.abs(self.places(values)) <= 1).all(-1)

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Return values, [count, E]."""
        values = self.middles + self.halves * random.uniform(-1, 1, (count, len(self.middles)))
        return np.where(self.periods > 0, values % np.maximum(self.periods, 1), values)

    def truncated(self, middles: np.ndarray, halves: np.ndarray) -> Box:
        """Return a smaller box; what is not smaller stays as it is."""
        smaller = halves < self.halves
        return replace(
            self,
            middles=np.where(smaller, middles, self.middles),
            halves=np.where(smaller, halves, self.halves),
        )

    def encode(self, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return values as the network sees them: a circle as a point at a random radius."""
        places, columns = self.places(values), []
        for e, around in enumerate(self.around):
            if around:
                angle = np.pi * places[:, e]
                radius = 1 + RADIUS_SPREAD * random.standard_normal(len(values))
                columns += [radius * np.cos(angle), radius * np.sin(angle)]
            else:
                columns.append(places[:, e])
        return np.stack(columns, 1).astype(np.float32)

    def decode(self, columns: np.ndarray) -> np.ndarray:
        """Return what ``encode`` was given, [..., E], of columns [..., C]."""
        values, c = [], 0
        for e, around in enumerate(self.around):
            if around:
                place = np.arctan2(columns[..., c + 1], columns[..., c]) / np.pi
            else:
                place = columns[..., c]
            c += 2 if around else 1
            values.append(self.middles[e] + self.halves[e] * place)
        return np.stack(values, -1)


@dataclass(frozen=True)
class Simulated:
    """Scenes of a prior.

    Attributes:
        values: [n, E]; pictures: float16 [n, 3 * EDGE * EDGE]; seconds: of the processor.
    """

    values: np.ndarray
    pictures: np.ndarray
    seconds: float

    def __getitem__(self, chosen: slice | np.ndarray) -> Simulated:
        return replace(self, values=self.values[chosen], pictures=self.pictures[chosen])

    def joined(self, other: Simulated) -> Simulated:
        """Return the scenes of both."""
        return Simulated(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.pictures, other.pictures]),
            self.seconds + other.seconds,
        )


def simulate(
    experiment: Experiment, box: Box, count: int, random: np.random.Generator, file: Path
) -> Simulated:
    """Render ``count`` scenes of a box as the training would, or read them from a file."""
    if not file.exists():
        started = time.process_time()
        grammar = experiment.read_grammar(experiment.grammar)
        graphs, values = grammar.sample(count, random), box.draw(count, random)
        features = graphs.features.copy()
        for e, (node, feature) in enumerate(grammar.layout.entries()):
            features[:, node, feature] = values[:, e] / grammar.layout.maximum[node, feature]
        graphs, pictures = graphs.with_features(features), []
        with Machine("cpu", 1, "resources").renderer(experiment, print, _size(experiment)) as drawn:
            for first in range(0, count, CHUNK):
                pictures.append(_pictures(drawn.render(graphs[first : first + CHUNK]).images))
        seconds = time.process_time() - started
        file.parent.mkdir(parents=True, exist_ok=True)
        with staged(file) as staging, open(staging, "wb") as opened:
            np.savez(opened, values=values, pictures=np.concatenate(pictures), seconds=seconds)
    with np.load(file) as stored:
        return Simulated(stored["values"], stored["pictures"], float(stored["seconds"]))


def target_pictures(experiment: Experiment, target: TargetImages) -> np.ndarray:
    """Return the target as the network sees it, by way of the size that the training sees."""
    size = _size(experiment)
    return _pictures(target.resized((size, size)).images)


def posterior_samples(
    simulated: Simulated,
    box: Box,
    pictures: np.ndarray,
    count: int,
    seed: int,
    epochs: int = MOST_EPOCHS,
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Learn the posterior of scenes of a box, and draw from that of pictures.

    Args:
        pictures: [M, 3 * EDGE * EDGE].
        count: S, of each picture; epochs: at most.

    Returns:
        Values [M, S, E], the logarithm of the prior [M, S], and notes: epochs, the validation's
        loss, and CPU seconds of training and sampling.
    """
    torch.manual_seed(seed)
    started = time.process_time()
    parameters = torch.from_numpy(box.encode(simulated.values, np.random.default_rng(seed)))
    estimator, losses = _learnt(parameters, np.concatenate([simulated.pictures, pictures]), epochs)
    trained, parts = time.process_time(), []
    conditions = _numbers(len(simulated.pictures) + len(pictures))[len(simulated.pictures) :]
    with torch.no_grad():
        for some in conditions.split(IMAGES_AT_ONCE):
            drawn = estimator.sample((count,), condition=some)
            parts.append(drawn.transpose(0, 1).numpy())
    values = box.decode(np.concatenate(parts))
    log_prior = np.where(box.within(values), 0.0, np.inf)
    notes = {
        "epochs": len(losses),
        "loss": min(losses),
        "training": trained - started,
        "sampling": time.process_time() - trained,
    }
    return values, log_prior, notes


def _learnt(parameters: torch.Tensor, pictures: np.ndarray, epochs: int) -> tuple[Any, list[float]]:
    """Return sbi's density estimator, and the validation's loss after each epoch.

    Args:
        parameters: [n, C]; pictures: [n + M, 3 * EDGE * EDGE], of scenes and behind them others.
            The estimator is asked by their numbers.
    """
    from sbi.inference import NPE  # an extra of this benchmark
    from sbi.neural_nets import posterior_nn
    from sbi.utils.tracking import TensorBoardTracker
    from torch.utils.tensorboard.writer import SummaryWriter

    network = posterior_nn("mdn", z_score_x="none", embedding_net=_Embedding(pictures))
    with TemporaryDirectory() as folder:  # else it writes one into the current folder
        tracker = TensorBoardTracker(SummaryWriter(folder))
        inference = NPE(density_estimator=network, tracker=tracker)
        inference.append_simulations(parameters, _numbers(len(parameters)))
        estimator = inference.train(
            training_batch_size=BATCH,
            learning_rate=RATE,
            stop_after_epochs=PATIENCE,
            max_num_epochs=epochs,
        )
    return estimator, [float(loss) for loss in inference.summary["validation_loss"]]


def _size(experiment: Experiment) -> int:
    return min(experiment.training.image_size, experiment.stage.image_size)


def _pictures(images: np.ndarray) -> np.ndarray:
    """Return stored images as float16 [n, 3 * EDGE * EDGE] in [0, 1]."""
    pyramid = ImagePyramid([EDGE])
    parts = [
        pyramid(images_as_tensor(images[i : i + CHUNK], "cpu"))[0]
        for i in range(0, len(images), CHUNK)
    ]
    flat = torch.cat(parts)
    return (flat * flat.shape[1] ** 0.5).numpy().astype(np.float16)


def _numbers(count: int) -> torch.Tensor:
    return torch.arange(count, dtype=torch.float32)[:, None]  # exact up to 2^24


class _Embedding(nn.Module):
    """What a picture says, by its number: sbi takes minutes to look at thousands of columns.

    Args:
        pictures: float16 [n, 3 * EDGE * EDGE].
    """

    def __init__(self, pictures: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("pictures", torch.from_numpy(pictures), persistent=False)
        known = self.pictures[:2000].float()
        self.register_buffer("mean", known.mean(0))
        self.spread = float(known.std())
        self.layers = nn.Sequential(
            nn.Unflatten(1, (CHANNELS, EDGE, EDGE)),
            nn.Conv2d(CHANNELS, 48, 4, stride=4),
            nn.BatchNorm2d(48),
            nn.ReLU(),
            nn.Conv2d(48, 64, 3, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * (EDGE // 8) ** 2, 128),
            nn.ReLU(),
            nn.Linear(128, 64),
        )

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """Map numbers [B, 1] to [B, 64]."""
        pictures = self.pictures[numbers[:, 0].long()].float()
        return self.layers((pictures - self.mean) / self.spread)
