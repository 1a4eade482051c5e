"""Optimiser, learning rates and average of a training."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_swa_avg_fn

from simtailor.metasim.generator import Generator

FINAL_LEARNING_RATE = 0.1  # share of the first one
CURVE_RATE = 0.2  # of widths and shapes, as a share of the rate of shifts
BETAS = (0.9, 0.99)  # of Adam: gradients of few scenes are noisy, and the training is short


def make_optimiser(generator: Generator, rate: float, network_rate: float) -> torch.optim.Adam:
    """Return Adam. Shift and scale are in natural units and step far; network weights do not."""
    parameters = generator.start_training()
    direct, curve = generator.direct_parameters(), generator.curve_parameters()
    apart = {id(parameter) for parameter in (*direct, *curve)}
    network = [parameter for parameter in parameters if id(parameter) not in apart]
    rates = ((direct, rate), (curve, rate * CURVE_RATE), (network, network_rate))
    return torch.optim.Adam([{"params": p, "lr": lr} for p, lr in rates if p], betas=BETAS)


def half_cosine(optimiser: torch.optim.Optimizer, epochs: int, done: int = 0) -> LambdaLR:
    """Return a schedule: the rates fall along a half cosine to a tenth.

    Args:
        epochs: of the whole training.
        done: epochs before; then the optimiser's state has been restored.
    """

    def share(epoch: int) -> float:
        cosine = (1 + math.cos(math.pi * (epoch / epochs))) / 2
        return FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * cosine

    return LambdaLR(optimiser, share, last_epoch=done - 1)


class Averaging:
    """A running mean of the weights, which takes out the noise of the batches.

    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.
    """

    def __init__(self) -> None:
        self._mean: AveragedModel | None = None

    def add(self, generator: Generator) -> Generator:
        """Count the weights of an epoch, and return a generator with their mean so far."""
        if self._mean is None:
            self._mean = AveragedModel(generator, avg_fn=get_swa_avg_fn())
        self._mean.update_parameters(generator)
        return self._mean.module

    def state(self) -> dict[str, Any]:
        """Return what a later process needs to go on with the same mean."""
        return {} if self._mean is None else self._mean.state_dict()

    def load_state(self, generator: Generator, state: dict[str, Any]) -> None:
        """Take over what ``state`` returned."""
        if state:
            self._mean = AveragedModel(generator, avg_fn=get_swa_avg_fn())
            self._mean.load_state_dict(state)
