"""Distributions over many images, from the posterior of each."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from population import population_weights, standard_errors  # noqa: E402

from simtailor.scene.attributes import mean_and_spread  # noqa: E402

IMAGES, SAMPLES, PRIOR_SPREAD, NOISE = 1000, 100, 3.0, 0.7


@pytest.mark.parametrize(("mean", "period"), [(1.3, 0.0), (-0.2, 20.0)])
def test_wide_priors_and_noise_are_taken_out_of_posteriors(mean: float, period: float) -> None:
    """Gaussian posteriors under a wide Gaussian prior give back the known mean and spread."""
    random, spread = np.random.default_rng(3), 0.8
    truth = mean + spread * random.standard_normal(IMAGES)
    seen = truth + NOISE * random.standard_normal(IMAGES)
    # The posterior of a Gaussian prior around 0 and Gaussian noise is a Gaussian in closed form.
    variance = 1 / (1 / PRIOR_SPREAD**2 + 1 / NOISE**2)
    posterior = variance / NOISE**2 * seen[:, None] + variance**0.5 * random.standard_normal(
        (IMAGES, SAMPLES)
    )
    log_prior = -0.5 * np.square(posterior / PRIOR_SPREAD)
    samples = (posterior % period if period else posterior)[..., None]
    weights = population_weights(samples, log_prior, np.array([period]))
    # What the images can tell at best: the mean and the spread of what was seen, less the noise.
    best = seen.mean(), np.sqrt(seen.var() - NOISE**2)
    drawn = random.choice(samples.size, 100_000, p=weights.ravel() / weights.sum())
    found = mean_and_spread(samples.ravel()[drawn], period)
    assert (found[0] - best[0] + 10) % 20 - 10 == pytest.approx(0, abs=0.02)
    assert found[1] == pytest.approx(best[1], rel=0.03)
    # The closed form of the standard error of a mean, in spreads, where noise comes on top.
    errors = standard_errors(samples, weights, np.array([period]))
    assert errors[0, 0] == pytest.approx((1 + (NOISE / spread) ** 2) ** 0.5 / IMAGES**0.5, rel=0.08)
    # Without the weights the noise stays in, so the check can fail.
    assert mean_and_spread(samples.ravel(), period)[1] > 1.15 * best[1]
