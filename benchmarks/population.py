"""The distribution of attributes over many images, from posteriors of each image.

A posterior q(a | x) was learnt under a wide prior p(a). What is wanted is the distribution f(a)
that the attributes of M images have together. With samples a_ij of the posteriors its likelihood is

    log L(f) = sum_i log ( 1/S sum_j f(a_ij) / p(a_ij) ),

by Hogg, Myers and Bovy ("Inferring the eccentricity distribution", 2010). Here f is a product over
the attributes of mixtures of Gaussians, and expectation maximisation (Dempster, Laird and Rubin,
1977) climbs. With one Gaussian, a Gaussian prior and Gaussian noise it is the known closed form.
"""

from __future__ import annotations

import numpy as np

from simtailor.scene.attributes import mean_and_spread, wrapped

ROUNDS = 200  # at most
SETTLED = 1e-3  # of a spread: no attribute moves by more in a round, and it ends
NARROWEST = 0.02  # of the samples' spread: a narrower Gaussian would sit on single samples


def population_weights(
    samples: np.ndarray, log_prior: np.ndarray, periods: np.ndarray, gaussians: int = 1
) -> np.ndarray:
    """Return the weights of samples that make them a sample of the population: float64 [M, S].

    Each image's weights sum to 1.

    Args:
        samples: [M, S, D], S samples of the posterior of each of M images, D attributes.
        log_prior: [M, S], under which the posterior was learnt, up to a constant; infinite where
            a sample lies where the prior has nothing, which gives it no weight.
        periods: [D], of an attribute that goes round, 0 of one on a line.
        gaussians: of each attribute's mixture.
    """
    samples = np.asarray(samples, np.float64)
    marginals = [
        _Mixture(samples[..., d], float(period), gaussians) for d, period in enumerate(periods)
    ]
    for _ in range(ROUNDS):
        weights = _weights(sum(marginal.log_density() for marginal in marginals) - log_prior)
        moves = [marginal.fit(weights) for marginal in marginals]
        if max(moves) < SETTLED:
            break
    return _weights(sum(marginal.log_density() for marginal in marginals) - log_prior)


def standard_errors(samples: np.ndarray, weights: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return standard errors of the mean, in spreads, and of the logarithm of the spread: [D, 2].

    By the scatter of the images' scores of one Gaussian an attribute (Berndt, Hall, Hall and
    Hausman, 1974). They hold for the choice of the images, if the posteriors are right.

    Args:
        samples, weights, periods: as ``population_weights`` takes and returns them.
    """
    scores = []
    for d, period in enumerate(periods):
        values = np.asarray(samples[..., d], np.float64)
        mean, spread = _moments(values, weights, float(period))
        deviation = wrapped(values - mean, float(period)) / spread
        scores += [(weights * deviation).sum(1), (weights * (np.square(deviation) - 1)).sum(1)]
    stacked = np.stack(scores, 1)
    return np.sqrt(np.diag(np.linalg.inv(stacked.T @ stacked))).reshape(-1, 2)


def weighted_draw(
    samples: np.ndarray, weights: np.ndarray, count: int, random: np.random.Generator
) -> np.ndarray:
    """Return ``count`` samples of the population, [count, D], drawn by their weights."""
    shares = weights.ravel() / weights.sum()
    return samples.reshape(-1, samples.shape[-1])[random.choice(len(shares), count, p=shares)]


def _weights(logarithms: np.ndarray) -> np.ndarray:
    """Return weights that sum to 1 in each row, from their logarithms; zeros where none has any."""
    top = logarithms.max(1, keepdims=True)
    weights = np.exp(logarithms - np.where(np.isfinite(top), top, 0))
    return weights / np.maximum(weights.sum(1, keepdims=True), 1e-300)


def _moments(values: np.ndarray, weights: np.ndarray, period: float) -> tuple[float, float]:
    """Return mean and spread of weighted values; of angles the mean is within a period."""
    total, middle = weights.sum(), 0.0
    if period:
        phase = (weights * np.exp(2j * np.pi * values / period)).sum()
        middle = float(np.angle(phase) * period / (2 * np.pi))
    deviation = wrapped(values - middle, period)
    moved = float((weights * deviation).sum() / total)
    spread = np.sqrt((weights * np.square(deviation - moved)).sum() / total)
    return middle + moved, float(spread)


class _Mixture:
    """A mixture of Gaussians of one attribute, fitted to weighted samples [M, S]."""

    def __init__(self, values: np.ndarray, period: float, gaussians: int) -> None:
        self.values, self.period = values, period
        mean, spread = mean_and_spread(values.ravel(), period)
        self.narrowest = NARROWEST * spread
        places = np.linspace(-1, 1, gaussians) if gaussians > 1 else np.zeros(1)
        self.means = mean + places * spread
        self.spreads = np.full(gaussians, spread / gaussians**0.5)
        self.shares = np.full(gaussians, 1 / gaussians)

    def _logarithms(self) -> np.ndarray:
        """Return the logarithm of each Gaussian's part of the density, [K, M, S]."""
        parts = []
        for mean, spread, share in zip(self.means, self.spreads, self.shares, strict=True):
            deviation = wrapped(self.values - mean, self.period) / spread
            parts.append(np.log(share / spread) - np.square(deviation) / 2)
        return np.stack(parts)

    def log_density(self) -> np.ndarray:
        """Return the logarithm of the density at the samples, up to a constant: [M, S]."""
        return np.logaddexp.reduce(self._logarithms(), axis=0)

    def fit(self, weights: np.ndarray) -> float:
        """Fit to the samples by their weights; return how far it moved, in spreads."""
        logarithms = self._logarithms()
        belong = weights * np.exp(logarithms - np.logaddexp.reduce(logarithms, axis=0))
        total = np.maximum(belong.sum((1, 2)), 1e-12)
        moved = 0.0
        for k, amount in enumerate(total):
            deviation = wrapped(self.values - self.means[k], self.period)
            step = (belong[k] * deviation).sum() / amount
            variance = (belong[k] * np.square(deviation - step)).sum() / amount
            spread = max(float(np.sqrt(variance)), self.narrowest)
            moved = max(moved, abs(step) / spread, abs(np.log(spread / self.spreads[k])))
            self.means[k] += step
            self.spreads[k] = spread
        self.shares = np.maximum(total / total.sum(), 1e-9)
        return moved
