"""A Gaussian process over tasks and sets, and what it believes of a new task.

The standardised reward of task t on set s is modelled as a mean of the set plus a deviation with

    cov[(t, s), (t', s')] = C[s, s'] (b k(t, t') + (1 - b) [t = t']),

with C a covariance of the sets learned from the known tasks, k a kernel on the task vectors,
exp(-d / l) of Task2Vec's symmetric distance d of their directions, and b the part that like tasks
share. b and l maximise the likelihood of the known tasks, with weak priors. The vectors' lengths
depend on how they were computed as much as on the task, and play no part.

What is measured is C and the noise of an evaluation: the noise is taken out of the covariance,
and the known tasks' deviations are shrunk towards what it leaves (Wiener's filter).

Source of the model: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006),
sections 2.2 and 5.4; of the product over tasks and inputs: Bonilla et al., "Multi-task Gaussian
Process Prediction" (NIPS 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, special

from simtailor.controller.belief import Belief
from simtailor.controller.database import Study
from simtailor.controller.policies.policy import register
from simtailor.controller.settings import Controller
from simtailor.task2vec.distances import symmetric, unit

STRUCTURED_SHARES = (0.05, 0.1, 0.2, 0.4, 1.0)
SAME_TASK = 1e-9  # distance below which two vectors are one task's
JITTER = 1e-6
MOST_SHARED = 0.9  # few known tasks may agree by chance; a new one's evaluations must count
LEAST_SIGNAL = 1e-3  # variance left in every direction of the sets, in standardised units


def order_kernels(values: np.ndarray) -> np.ndarray:
    """Return the covariances of sets from effects of one, two, three and more parameters.

    Effects of a parameter sum to 0 over its values; those of several parameters are products,
    summed over all pairs and triples (Newton's identities). The rest is white.

    Args:
        values: int64 [S, P], each parameter's values counted from 0.

    Returns:
        float64 [at most 4, S, S], each of mean diagonal 1.
    """
    levels = values.max(axis=0) + 1
    same = values[:, None] == values[None]  # [S, S, P]
    single = (same * levels - 1) / (levels - 1)
    first, second, third = (np.sum(single**power, axis=-1) for power in (1, 2, 3))
    pairs = (first**2 - second) / 2
    triples = (first**3 - 3 * first * second + 2 * third) / 6
    kernels = [*[first, pairs, triples][: values.shape[1]], np.eye(len(values))]
    return np.stack([k / np.trace(k) * len(k) for k in kernels])


def empirical_and_structure(
    scores: np.ndarray, kernels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return two covariances of the sets [S, S]: what the tasks show, and its structure.

    The structure is the sum of the order kernels nearest to what the tasks show (least
    squares, no weight negative).

    Args:
        scores: float64 [T, S], standardised rewards.
        kernels: from ``order_kernels``.
    """
    empirical = scores.T @ scores / len(scores)
    flat = kernels.reshape(len(kernels), -1)
    weights, _ = optimize.nnls(flat @ flat.T, flat @ empirical.ravel())
    return empirical, np.tensordot(weights, kernels, axes=1) + JITTER * np.eye(len(empirical))


def choose_structured_share(scores: np.ndarray, kernels: np.ndarray) -> float:
    """Return the share of the structure under which each task is likeliest given the others.

    Tasks are few and sets are many, so what the tasks show has few directions; the structure
    fills the others.
    """
    if len(scores) < 3:
        return STRUCTURED_SHARES[-1]
    likelihoods = np.zeros(len(STRUCTURED_SHARES))
    for place, row in enumerate(scores):
        others = np.delete(scores, place, axis=0)
        mean = others.mean(axis=0)
        empirical, structure = empirical_and_structure(others - mean, kernels)
        for number, share in enumerate(STRUCTURED_SHARES):
            factor = linalg.cholesky((1 - share) * empirical + share * structure, lower=True)
            white = linalg.solve_triangular(factor, row - mean, lower=True)
            # The scale is free: a task farther from the mean than usual is no less alike.
            likelihoods[number] -= (
                len(row) / 2 * np.log(white @ white + JITTER) + np.log(np.diag(factor)).sum()
            )
    return STRUCTURED_SHARES[int(likelihoods.argmax())]


@register("transfer")
@dataclass(frozen=True)
class Transfer:
    """The Gaussian process as a policy; it can also take in evaluations of the new task."""

    settings: Controller

    def fit(self, study: Study, seeds: Sequence[int] = (0,)) -> FittedProcess:
        return FittedProcess(study)


class FittedProcess:
    """The Gaussian process, fitted to the known tasks.

    Attributes:
        study: the known tasks.
        structured: share of the structure in the covariance of the sets.
        sets: covariance of the measured rewards over sets, [S, S], in standardised units.
        signal: the same of the true rewards.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        scores, _, self.spreads = study.standardised()
        self.mean = scores.mean(axis=0)
        self.deviations = scores - self.mean
        kernels = order_kernels(study.values()[1])
        self.structured = choose_structured_share(scores, kernels)
        empirical, structure = empirical_and_structure(self.deviations, kernels)
        self.sets = (1 - self.structured) * empirical + self.structured * structure
        factor = linalg.cholesky(self.sets, lower=True)
        white = linalg.solve_triangular(factor, self.deviations.T, lower=True)
        self.products = white.T @ white  # of the tasks' whitened deviations, [T, T]
        self.directions = unit(study.vectors)
        self.distances = symmetric(self.directions, self.directions)
        between = ~np.eye(len(study.tasks), dtype=bool)
        start = np.array([0.0, np.log(max(np.median(self.distances[between]), JITTER))])
        self.found = optimize.minimize(self._loss, start, args=(start,), method="L-BFGS-B").x
        self._take_out_noise()

    def _take_out_noise(self) -> None:
        """Set ``signal`` and ``true_deviations``, what the noise of the rewards leaves."""
        shares = self.study.noise_shares()
        values, directions = np.linalg.eigh(self.sets)
        signal = np.maximum(values - shares.mean(), LEAST_SIGNAL)
        self.signal = (directions * signal) @ directions.T
        kept = signal / (signal + shares[:, None])  # [T, S]
        self.true_deviations = ((self.deviations @ directions) * kept) @ directions.T

    def _tasks(self, found: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Return the covariance of tasks at some distances from one another; own 1."""
        shared = min(special.expit(found[0]), MOST_SHARED)
        alike = np.exp(-np.exp(-found[1]) * distances)
        return shared * alike + (1 - shared) * (distances < SAME_TASK)

    def _loss(self, found: np.ndarray, prior: np.ndarray) -> float:
        """Return the negative logarithm of the posterior density, up to a constant.

        The deviations are matrix-normal with a free scale. Only the T - 1 directions that they
        span count as observations, for C was learned from the same tasks. The priors are
        normal, of standard deviation 1.
        """
        count = len(self.study.tasks)
        tasks = self._tasks(found, self.distances) + JITTER * np.eye(count)
        quadratic = np.trace(np.linalg.solve(tasks, self.products))
        value = count * np.log(quadratic + JITTER) + np.linalg.slogdet(tasks)[1]
        return 0.5 * (count - 1) * value + 0.5 * ((found - prior) ** 2).sum()

    def belief(self, vector: np.ndarray) -> Belief:
        """Return what is believed of a task's rewards, from its vector [F] alone."""
        count = len(self.study.tasks)
        tasks = self._tasks(self.found, self.distances) + JITTER * np.eye(count)
        cross = self._tasks(self.found, symmetric(unit(vector[None]), self.directions)[0])
        weights = np.linalg.solve(tasks, cross)
        own = max(1 - weights @ cross, JITTER)
        mean = self.mean + weights @ self.true_deviations
        return Belief.of(mean, own * self.signal, self.study.noise_of_one(), self.spreads)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        return np.stack([self.belief(vector).mean for vector in vectors])[None]
