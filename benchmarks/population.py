"""The distribution of attributes over many images, from posteriors of each image.

A posterior q(a | x) was learnt under a wide prior p(a). What is wanted is the distribution f(a)
that the attributes of M images have together. With samples a_ij of the posteriors its likelihood is

    log L(f) = sum_i log ( 1/S sum_j f(a_ij) / p(a_ij) ),

by Hogg, Myers and Bovy ("Inferring the eccentricity distribution", 2010). Here f is a Gaussian for
each attribute, and L-BFGS climbs: expectation maximisation takes hundreds of rounds for spreads
narrower than the posteriors. The samples by their weights keep what shape the images show.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from simtailor.scene.attributes import mean_and_spread, wrapped

NARROWEST = 0.02  # of the samples' spread: a narrower Gaussian would sit on single samples


def population_weights(
    samples: np.ndarray, log_prior: np.ndarray, periods: np.ndarray
) -> np.ndarray:
    """Return the weights of samples that make them a sample of the population: float64 [M, S].

    Each image's weights sum to 1, or to 0 where the prior has none of its samples.

    Args:
        samples: [M, S, D], S samples of the posterior of each of M images, D attributes.
        log_prior: [M, S], under which the posterior was learnt, up to a constant; infinite where
            a sample lies where the prior has nothing, which gives it no weight.
        periods: [D], of an attribute that goes round, 0 of one on a line.
    """
    places = []  # in spreads of all samples together, around their mean
    for d, period in enumerate(periods):
        values = np.asarray(samples[..., d], np.float64)
        mean, spread = mean_and_spread(values.ravel(), float(period))
        places.append(wrapped(values - mean, float(period)) / spread)
    place, count = np.stack(places, -1), len(periods)

    def looked_at(numbers: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return minus the logarithm of the likelihood, an image, its gradient, and the weights."""
        means, spreads = numbers[:count], np.exp(numbers[count:])
        deviation = (place - means) / spreads
        logarithms = -np.square(deviation).sum(-1) / 2 - numbers[count:].sum() - log_prior
        top = logarithms.max(1)
        seen = np.isfinite(top)
        weights = np.exp(logarithms - np.where(seen, top, 0)[:, None])
        total = weights.sum(1)
        weights /= np.maximum(total, 1e-300)[:, None]
        likelihood = (top[seen] + np.log(total[seen])).sum()
        slopes = [
            np.einsum("ij,ijd->d", weights, deviation) / spreads,
            np.einsum("ij,ijd->d", weights, np.square(deviation)) - seen.sum(),
        ]
        return -likelihood / len(place), -np.concatenate(slopes) / len(place), weights

    bounds = [(-3.0, 3.0)] * count + [(np.log(NARROWEST), 1.0)] * count
    found = minimize(
        lambda numbers: looked_at(numbers)[:2],
        np.zeros(2 * count),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
    )
    return looked_at(found.x)[2]


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
