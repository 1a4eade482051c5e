"""Training of the published controller, exactly, at a fraction of its cost.

Source: Mishra et al., "Task2Sim" (CVPR 2022), section 3.2 and algorithm 1: a network with two
hidden layers and a softmax head a parameter is trained by REINFORCE with the reward of the
most likely parameters as baseline, with exploration noise on the probabilities and, later,
self-imitation of the best parameters seen.

Why it is fast. The gradient of the first layer's weights is a combination of the training
tasks' vectors, so throughout the training

    weights = shrinkage * initial weights + coefficients^T @ vectors,

and stochastic gradient descent with momentum and weight decay needs only the coefficients
[T, H], the initial pre-activations [T, H] and the vectors' Gram matrix [T, T]: no sum over the
F features. All networks of a batch take their steps together along one more axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from simtailor.controller.settings import Reinforce
from simtailor.seeds import generator

LEARNING_RATE_STEPS = (0.1, 500)  # times 0.1 after every 500 epochs
STARTING_RATE = 1e-6
MOMENTUM = 0.9
LARGEST_SHARE_OF_NOISE = 0.8  # of the likeliest value's probability: it stays positive


@dataclass(frozen=True)
class Problem:
    """What one batch of networks learns.

    Attributes:
        vectors: float64 [T, F], task vectors of length 1.
        rewards: float64 [T, S], no gaps.
        values: int64 [S, P], each set's value of each head's parameter, counted from 0.
    """

    vectors: np.ndarray
    rewards: np.ndarray
    values: np.ndarray

    @property
    def levels(self) -> np.ndarray:
        """Number of values of every parameter, int64 [P]."""
        return self.values.max(axis=0) + 1

    def table(self) -> np.ndarray:
        """Return the rewards of all combinations of values, float64 [T, product of levels].

        A combination of which there is no set earns the task's mean: neither praised nor
        avoided.
        """
        table = np.repeat(self.rewards.mean(axis=1, keepdims=True), self.levels.prod(), axis=1)
        table[:, self.values @ strides(self.levels)] = self.rewards
        return table


def strides(levels: np.ndarray) -> np.ndarray:
    """Return what each parameter's value counts in a combination's number, int64 [P]."""
    return np.append(np.cumprod(levels[::-1])[-2::-1], 1).astype(np.int64)


@dataclass
class Draws:
    """All random numbers of one network's training.

    Attributes:
        order: int64 [epochs, T], order of the tasks.
        uniform: float32 [epochs, T, P], in [0, 1), to draw parameters with.
    """

    order: np.ndarray
    uniform: np.ndarray

    @classmethod
    def of(cls, seed: int, epochs: int, tasks: int, parameters: int) -> Draws:
        rng = generator(seed, "controller", "training")
        order = rng.permuted(np.tile(np.arange(tasks), (epochs, 1)), axis=1)
        return cls(order, rng.random((epochs, tasks, parameters), dtype=np.float32))


def initial_weights(
    seed: int, layer: str, outputs: int, inputs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a layer's weights [outputs, inputs] and biases [outputs], float32.

    Uniform within 1 / sqrt(inputs), torch's default for a linear layer.
    """
    rng = generator(seed, "controller", layer)
    bound = np.float32(1 / np.sqrt(inputs))
    weights = rng.random((outputs, inputs), dtype=np.float32)
    biases = rng.random(outputs, dtype=np.float32)
    return (2 * weights - 1) * bound, (2 * biases - 1) * bound


def learning_rate(settings: Reinforce, epoch: int) -> float:
    """Return the rate of an epoch, counted from 0.

    As published, the schedule's value of one epoch earlier.
    """
    before = max(epoch - 1, 0)
    if before < settings.warmup_epochs:
        rise = (settings.learning_rate - STARTING_RATE) / settings.warmup_epochs
        return STARTING_RATE + before * rise
    factor, length = LEARNING_RATE_STEPS
    return settings.learning_rate * factor ** (before // length)


def exploration_noise(settings: Reinforce, epoch: int) -> float:
    """Return the probability taken from the likeliest value in an epoch, counted from 0."""
    return settings.noise / np.ceil((epoch + 1) / settings.noise_epochs)


class Networks:
    """A batch of controllers, one a seed, trained on the same tasks.

    Args:
        index_defect: pair every task of a batch with every task's choice, as the published
            loss does by its indexing.
    """

    def __init__(
        self,
        problem: Problem,
        settings: Reinforce,
        seeds: Sequence[int],
        index_defect: bool = False,
    ) -> None:
        self.problem, self.settings, self.seeds = problem, settings, list(seeds)
        self.index_defect = index_defect
        tasks, hidden = len(problem.vectors), settings.hidden
        levels = problem.levels
        self.shape = (len(levels), int(levels.max()))  # heads, padded to the widest
        self.real = self._tensor(np.arange(self.shape[1]) < levels[:, None])
        self.gram = self._tensor(problem.vectors @ problem.vectors.T)
        self.table = self._tensor(problem.table())
        self.strides = self._tensor(strides(levels))
        self.others = self._tensor(levels - 1)
        first = [self._first_layer(seed) for seed in self.seeds]
        self.start = self._tensor(np.stack([problem.vectors @ w.T for w, _ in first]))
        second = [initial_weights(seed, "second", hidden, hidden) for seed in self.seeds]
        heads = [
            initial_weights(seed, "heads", self.shape[0] * self.shape[1], hidden)
            for seed in self.seeds
        ]
        self.shrinkage, self.shrinkage_velocity = 1.0, 0.0
        zeros = np.zeros((len(self.seeds), tasks, hidden))
        self.weights = {
            "coefficients": self._tensor(zeros),
            "first": self._tensor(np.stack([b for _, b in first]))[:, None],
            "second": self._tensor(np.stack([w for w, _ in second])),
            "second bias": self._tensor(np.stack([b for _, b in second]))[:, None],
            "heads": self._tensor(np.stack([w for w, _ in heads])),
            "heads bias": self._tensor(np.stack([b for _, b in heads]))[:, None],
        }
        self.velocity = {name: torch.zeros_like(w) for name, w in self.weights.items()}
        self.lanes = torch.arange(len(self.seeds))[:, None]

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        values = np.asarray(values)
        kind = np.float32 if values.dtype.kind == "f" else values.dtype
        return torch.as_tensor(values.astype(kind))

    def _first_layer(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return initial_weights(seed, "first", self.settings.hidden, self.problem.vectors.shape[1])

    def train(self, watch: Callable[[int, Networks], None] | None = None) -> None:
        """Run the whole training; ``watch`` is called after every epoch."""
        settings, (tasks, parameters) = self.settings, (len(self.gram), self.shape[0])
        draws = [Draws.of(seed, settings.epochs, tasks, parameters) for seed in self.seeds]
        order = self._tensor(np.stack([d.order for d in draws], axis=1))  # [epochs, N, T]
        uniform = self._tensor(np.stack([d.uniform for d in draws], axis=1))
        self.best = torch.full((len(self.seeds), tasks), -torch.inf)
        self.best_set = torch.zeros_like(self.best, dtype=torch.int64)
        for epoch in range(settings.epochs):
            rate = learning_rate(settings, epoch)
            noise = exploration_noise(settings, epoch)
            for start in range(0, tasks, settings.batch_size):
                batch = order[epoch, :, start : start + settings.batch_size]
                drawn = uniform[epoch, :, start : start + settings.batch_size]
                self._step(batch, rate, noise, drawn)
                if epoch >= settings.imitation_from:
                    for _ in range(settings.imitation_steps):
                        self._step(batch, rate)
            if watch:
                watch(epoch, self)

    def _step(
        self,
        batch: torch.Tensor,
        rate: float,
        noise: float = 0.0,
        uniform: torch.Tensor | None = None,
    ) -> None:
        """Take one step on the tasks ``batch`` [N, B]: drawn parameters, or the best seen."""
        weights = self.weights
        inputs = self.shrinkage * self.start[self.lanes, batch]
        inputs += self.gram[batch] @ weights["coefficients"]
        first = (inputs + weights["first"]).relu_()
        second = torch.baddbmm(weights["second bias"], first, weights["second"].mT).relu_()
        probabilities = self._probabilities(second)  # [N, B, P, L]
        likeliest = probabilities.argmax(-1, keepdim=True)
        noisy = probabilities
        if uniform is not None:
            noisy = self._with_noise(probabilities, likeliest, noise)
            chosen = self._draw(noisy, uniform)
        else:
            chosen = self.best_set[self.lanes, batch]
        baseline_set = (likeliest[..., 0] * self.strides).sum(-1)
        reward, baseline = self.table[batch, chosen], self.table[batch, baseline_set]
        self._remember(batch, chosen, reward)
        self._remember(batch, baseline_set, baseline)

        picked = self._one_hot(chosen) * (reward - baseline)[..., None, None]
        if self.index_defect:
            picked = picked.mean(1, keepdim=True)
        # Of the logarithm's derivative; 1 where there is no noise, however small the probability.
        ratio = torch.where(noisy > 0, probabilities / noisy, 1.0)
        picked = torch.where(self.real, picked * ratio / batch.shape[1], 0.0)
        slopes = (probabilities * picked.sum(-1, keepdim=True) - picked).flatten(2)

        to_second = (slopes @ weights["heads"]) * (second > 0)
        to_first = (to_second @ weights["second"]) * (first > 0)
        coefficients = torch.zeros_like(weights["coefficients"])
        coefficients[self.lanes, batch] = to_first
        decay = self.settings.weight_decay
        for name, gradient in (
            ("coefficients", coefficients),
            ("first", to_first.sum(1, keepdim=True)),
            ("second bias", to_second.sum(1, keepdim=True)),
            ("heads", slopes.mT @ second),
            ("heads bias", slopes.sum(1, keepdim=True)),
        ):
            self.velocity[name].mul_(MOMENTUM).add_(weights[name], alpha=decay).add_(gradient)
            weights[name].sub_(self.velocity[name], alpha=rate)
        velocity = self.velocity["second"]  # the largest by far: fewest passes over it
        velocity.baddbmm_(to_second.mT, first, beta=MOMENTUM)
        velocity.add_(weights["second"], alpha=decay)
        weights["second"].sub_(velocity, alpha=rate)
        self.shrinkage_velocity = MOMENTUM * self.shrinkage_velocity + decay * self.shrinkage
        self.shrinkage -= rate * self.shrinkage_velocity

    def _probabilities(self, second: torch.Tensor) -> torch.Tensor:
        logits = torch.baddbmm(self.weights["heads bias"], second, self.weights["heads"].mT)
        logits = logits.unflatten(-1, self.shape)
        return logits.masked_fill(~self.real, -torch.inf).softmax(-1)

    def _with_noise(
        self, probabilities: torch.Tensor, likeliest: torch.Tensor, noise: float
    ) -> torch.Tensor:
        """Take ``noise`` from the likeliest value and share it among the others."""
        highest = probabilities.gather(-1, likeliest)
        taken = (LARGEST_SHARE_OF_NOISE * highest).clamp(max=noise)
        given = (taken / self.others[:, None]).expand_as(probabilities)
        return (probabilities + given).scatter(-1, likeliest, highest - taken)

    def _draw(self, probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        """Draw parameters: the number of their combination, int64 [N, B]."""
        below = torch.where(self.real, probabilities, 0.0).cumsum(-1)
        values = (uniform[..., None] >= below).sum(-1).minimum(self.others)
        return (values * self.strides).sum(-1)

    def _one_hot(self, combination: torch.Tensor) -> torch.Tensor:
        values = combination[..., None] // self.strides % (self.others + 1)
        return values[..., None] == torch.arange(self.shape[1])

    def _remember(self, batch: torch.Tensor, chosen: torch.Tensor, reward: torch.Tensor) -> None:
        before, best = self.best[self.lanes, batch], self.best_set[self.lanes, batch]
        self.best[self.lanes, batch] = torch.maximum(before, reward)
        self.best_set[self.lanes, batch] = torch.where(reward > before, chosen, best)

    def begin(self, vectors: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the first layer needs of task vectors, float64 [M, F] of length 1.

        Returns:
            Pre-activations under the initial weights, float32 [N, M, H], and products with
            the training tasks' vectors, float32 [M, T].
        """
        starts = np.stack([vectors @ self._first_layer(seed)[0].T for seed in self.seeds])
        return self._tensor(starts), self._tensor(vectors @ self.problem.vectors.T)

    def probabilities(self, begun: tuple[torch.Tensor, torch.Tensor]) -> np.ndarray:
        """Return each head's probabilities for the tasks of ``begin``, training's or new.

        Returns:
            float64 [N, M, P, L]; 0 beyond a parameter's values.
        """
        starts, products = begun
        inputs = self.shrinkage * starts + products @ self.weights["coefficients"]
        first = (inputs + self.weights["first"]).relu()
        second = torch.baddbmm(self.weights["second bias"], first, self.weights["second"].mT)
        return self._probabilities(second.relu()).double().cpu().numpy()
