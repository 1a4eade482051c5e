"""Epochs of gradient descent on the objective."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from simtailor.metasim.generator import Generator
from simtailor.metasim.objective import Objective
from simtailor.metasim.optimisation import half_cosine, make_optimiser
from simtailor.metasim.prior_scenes import PriorScenes
from simtailor.metasim.settings import WEIGHED, Training
from simtailor.metasim.task_loss import TaskLoss

SHARES_RATE = 0.5  # of the way to the best shares that an epoch goes, in their logarithms


@dataclass(frozen=True)
class EpochOutcome:
    """What an epoch came to.

    Attributes:
        loss: mean discrepancy of its batches.
        blind: share of the steps of the differences that changed no pixel.
    """

    loss: float
    blind: float


class Descent:
    """Takes the steps of an epoch; its batches depend on the seed and the epoch alone.

    Args:
        generator: is trained.
        objective: is made small.
        scenes: of the prior.
        settings: of the training.

    Attributes:
        pull: weight of what the search saw.
    """

    def __init__(
        self, generator: Generator, objective: Objective, scenes: PriorScenes, settings: Training
    ) -> None:
        self.generator, self.objective = generator, objective
        self.scenes, self.settings = scenes, settings
        self.pull = 0.0

    def optimiser(self, rate: float | None = None) -> torch.optim.Optimizer:
        """Return a fresh optimiser; ``rate``: of shifts, the training's where None."""
        rate = self.settings.learning_rate if rate is None else rate
        return make_optimiser(self.generator, rate, self.settings.network_learning_rate)

    def epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> EpochOutcome:
        """Take all steps of an epoch on the discrepancy."""
        losses: list[float] = []
        changed: list[np.ndarray] = []
        for step in range(self.settings.scenes_per_epoch // self.settings.batch_size):
            loss = self._loss(epoch, step, losses, changed)
            _take(optimiser, loss + self.pull * self.generator.pull())
        self.weigh(epoch)
        return _outcome(losses, changed)

    def weigh(self, epoch: int, rate: float = SHARES_RATE) -> None:
        """Learn how often classes and counts come, if the grammar lets them change."""
        shares = self.generator.shares
        if shares is None:
            return
        graphs = self.scenes.to_weigh(
            WEIGHED * self.settings.scenes_per_epoch, epoch, self.generator
        )
        features = self.objective.features_of(self.generator.changed(graphs))
        shares.fit(graphs, features, self.objective.target, rate)

    def task_epoch(
        self, epoch: int, optimiser: torch.optim.Optimizer, task: TaskLoss
    ) -> EpochOutcome:
        """Take the one step of an epoch on discrepancy and task."""
        losses: list[float] = []
        changed: list[np.ndarray] = []
        loss = self._loss(epoch, 0, losses, changed)
        scenes = self.scenes.sample("task", task.settings.scenes, epoch)
        _take(optimiser, loss + task.step(self.generator, scenes, epoch, 0).loss)
        return _outcome(losses, changed)

    def trial(self, epochs: int) -> None:
        """Train for a few epochs with an optimiser of their own."""
        optimiser = self.optimiser()
        schedule = half_cosine(optimiser, epochs)
        for epoch in range(epochs):
            self.epoch(epoch, optimiser)
            schedule.step()

    def _loss(
        self, epoch: int, step: int, losses: list[float], changed: list[np.ndarray]
    ) -> torch.Tensor:
        """Return the discrepancy of a batch, and note its value and what its pictures did."""
        graphs = self.scenes.batch(
            "training", self.settings.batch_size, epoch, step, generator=self.generator
        )
        noise = self.scenes.random("noise", epoch, step)
        loss = self.objective.loss(graphs, self.generator(graphs, noise), changed)
        losses.append(float(loss.detach()))
        return loss


def _take(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _outcome(losses: list[float], changed: list[np.ndarray]) -> EpochOutcome:
    blind = 1 - float(np.mean(changed)) if changed else 0.0
    return EpochOutcome(float(np.mean(losses)), blind)
