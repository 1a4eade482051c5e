"""The task term of the training: a score-function gradient of a task network's accuracy.

Kar et al., "Meta-Sim: Learning to Generate Synthetic Datasets", ICCV 2019, section 3.3:
features are sampled around what the generator gives, a task network is trained on the
images of the sample and tested on the labelled target, and its accuracy r is the reward of
the sample x. The gradient of the expected reward is that of (r - b) log p(x), with x held
fixed (REINFORCE, Williams 1992). If x is left in the graph (``rsample``), log p does not
depend on the generator any more and the gradient is exactly 0.

One reward judges a whole set of scenes. Noise that is drawn for every scene by itself, as
published, averages out over the set: its mean moves by the noise over the root of the number
of scenes, and the reward hardly depends on it. Noise that is common to all scenes of a set
moves the reward by as much as it can, and the log-probability is that of the set's location
and spread. Signal-to-noise ratio (mean over standard deviation of a step's gradient, 40
steps) for the angle of a drawn bar, 8 groups of 300 scenes, noise of 0.02 of a full turn:

    ============================  ==============  ==============
    noise                         20 degrees off  10 degrees off
    ============================  ==============  ==============
    scene, moving average              0.5             0.1
    scene, other groups                0.6             0.2
    group, independent                 1.7             1.1
    group, stratified                  3.5             2.2
    ============================  ==============  ==============
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from simtailor.metasim.generator import Generator
from simtailor.metasim.labels import LabelledImages, scene_labels
from simtailor.metasim.target import render_images
from simtailor.metasim.task_network import accuracy, train_task_network
from simtailor.metasim.task_settings import Task
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch
from simtailor.seeds import generator as random_generator

AVERAGE_KEPT = 0.9  # of the moving average, a step
LEAST_SPREAD = 1e-4  # of features; narrower sets have no spread to change

Samples = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class TaskStep:
    """One step on the task.

    Attributes:
        loss: scalar whose backward gives the gradient; its value means nothing.
        rewards: accuracy of each group's task network on the target.
        renders: scenes rendered.
    """

    loss: torch.Tensor
    rewards: list[float]
    renders: int


class TaskLoss:
    """Rewards of generated sets of scenes, and the gradient towards better ones.

    Args:
        settings: of the task.
        names: sorted class names that labels index.
        renderer: draws the scenes.
        target: the labelled training part of the target.
        seed: decides noise and task networks, each by epoch and step.
        device: of the task networks.
    """

    def __init__(
        self,
        settings: Task,
        names: Sequence[str],
        renderer: Renderer,
        target: LabelledImages,
        seed: int,
        device: str = "cpu",
    ) -> None:
        self.settings, self.names, self.renderer = settings, tuple(names), renderer
        self.target, self.seed, self.device = target, seed, device
        self.average: float | None = None

    def step(
        self, generator: Generator, graphs: SceneGraphBatch, epoch: int, step: int
    ) -> TaskStep:
        """Return the loss of one step.

        All groups share the prior's sample ``graphs``, the renderer's noise and the seed of
        the task network (common random numbers), so rewards differ by the noise on the
        features alone.

        Args:
            generator: maps graphs to features [B, N, F].
            graphs: B graphs of the prior.
            epoch, step: tell this step's random numbers from those of others.
        """
        mean = generator(graphs)
        samples, log_probabilities = SAMPLERS[self.settings.noise](
            generator, mean, self.settings, self._random("task noise", epoch, step)
        )
        network_seed = int(self._random("task network", epoch, step).integers(2**31))
        labels = scene_labels(graphs, self.names)
        rewards = []
        for features in within_range(generator, samples).cpu().numpy():
            images = render_images(self.renderer, graphs.with_features(features))
            rewards.append(self._reward(images, labels, network_seed))
        advantages = torch.tensor(
            self._advantages(np.array(rewards)), dtype=mean.dtype, device=mean.device
        )
        loss = -self.settings.weight * (advantages * log_probabilities).mean()
        return TaskStep(loss, rewards, len(graphs) * self.settings.groups)

    def state(self) -> dict[str, float]:
        """Return what a later process needs to go on with the same numbers."""
        return {} if self.average is None else {"average": self.average}

    def load_state(self, state: dict[str, float]) -> None:
        """Take over what ``state`` returned."""
        self.average = state.get("average")

    def _random(self, *purpose: str | int) -> np.random.Generator:
        return random_generator(self.seed, *purpose)

    def _reward(self, images: np.ndarray, labels: np.ndarray, network_seed: int) -> float:
        network = train_task_network(
            self.settings.network,
            images,
            labels,
            len(self.names),
            self.settings.training,
            network_seed,
            self.device,
        )
        return accuracy(network, self.target.images, self.target.labels)

    def _advantages(self, rewards: np.ndarray) -> np.ndarray:
        """Return the rewards less their baseline: float64 [G].

        The baseline is the mean of the other groups, or the moving average over the steps
        before. The first lags behind nothing and contains what the groups of a step share.
        """
        others = (rewards.sum() - rewards) / (len(rewards) - 1)
        before = self.average
        mean = float(rewards.mean())
        self.average = mean if before is None else before + (1 - AVERAGE_KEPT) * (mean - before)
        if self.settings.baseline == "moving_average" and before is not None:
            return rewards - before
        return rewards - others


def scene_samples(
    generator: Generator, mean: torch.Tensor, settings: Task, random: np.random.Generator
) -> Samples:
    """Sample every entry of every scene by itself, as published.

    Args:
        mean: features [B, N, F] of the generator, with their graph.

    Returns:
        A sample for each group [G, B, N, F], detached, and the logarithms of their
        probability densities up to a constant, [G], which depend on ``mean``.
    """
    noise = random.standard_normal((settings.groups, *mean.shape), np.float32)
    noise = torch.from_numpy(noise).to(mean) * generator.mutable
    samples = mean.detach() + settings.noise_share * noise
    distance = (samples - mean) / settings.noise_share
    return samples, -distance.square().flatten(1).sum(1) / 2


def group_samples(
    generator: Generator, mean: torch.Tensor, settings: Task, random: np.random.Generator
) -> Samples:
    """Move and stretch all scenes of a group alike.

    What is sampled is the location of the whole set and the logarithm of its spread, one
    number an entry each. Arguments and results are those of ``scene_samples``.
    """
    mutable, shape = generator.mutable, generator.mutable.shape
    centre = _centre(generator, mean.detach())
    deviation = generator.short_way(mean - centre)  # angles have no seam here
    location = deviation.mean(0)
    deviation = deviation - location
    log_spread = deviation.square().mean(0).clamp_min(LEAST_SPREAD**2).log() / 2
    shifts, stretches = (
        share * mutable * stratified_normal(random, settings.groups, shape).to(mean)
        for share in (settings.noise_share, settings.spread_noise)
    )
    samples = (
        (centre + location.detach() + shifts)[:, None]
        + deviation.detach() * stretches.exp()[:, None]
    )  # fmt: skip
    # Distances of the sampled locations and spreads, held fixed, to those of the generator.
    distance = (location.detach() + shifts - location) / settings.noise_share
    log_probabilities = -distance.square().flatten(1).sum(1) / 2
    if settings.spread_noise:
        distance = (log_spread.detach() + stretches - log_spread) / settings.spread_noise
        log_probabilities = log_probabilities - distance.square().flatten(1).sum(1) / 2
    return torch.where(mutable, samples, mean.detach()), log_probabilities


def stratified_normal(
    random: np.random.Generator, count: int, shape: tuple[int, ...]
) -> torch.Tensor:
    """Draw standard normal numbers, float32 [count, *shape], evenly spread along the first axis.

    Latin hypercube sampling (McKay, Beckman and Conover 1979): of each entry's numbers one
    lies in each of ``count`` equally likely intervals, in random order.
    """
    order = random.permuted(
        np.broadcast_to(np.arange(count).reshape(-1, *[1] * len(shape)), (count, *shape)), axis=0
    )
    uniform = (order + random.uniform(0.001, 0.999, order.shape)) / count
    return torch.special.ndtri(torch.from_numpy(uniform)).float()


SAMPLERS: dict[str, Callable[..., Samples]] = {"scene": scene_samples, "group": group_samples}


def within_range(generator: Generator, features: torch.Tensor) -> torch.Tensor:
    """Wrap mutable angles into [0, 1), clamp other mutable entries to [0, 1]."""
    return generator.finish(features, features)


def _centre(generator: Generator, features: torch.Tensor) -> torch.Tensor:
    """Return the mean over the scenes, for angles around the circle: [N, F]."""
    turn = torch.where(generator.turn > 0, generator.turn, torch.ones_like(generator.turn))
    phase = features * (2 * torch.pi / turn)
    around = torch.atan2(phase.sin().mean(0), phase.cos().mean(0)) * turn / (2 * torch.pi)
    return torch.where(generator.turn > 0, around, features.mean(0))
