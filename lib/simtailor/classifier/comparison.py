"""Accuracies on the test images with their errors, and paired differences between classifiers.

The accuracy is the mean over the classes, the plain one where they are even. Errors are those of
other test images, of the same numbers of every class; where a way has several seeds, the variance
between them is added.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from simtailor.evaluate.noise import INTERVAL, Difference


def accuracy(answers: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the accuracy in percent and its standard error in points.

    Args:
        answers: classes, int64 [seeds, T]; labels: int64 [T].
    """
    found = _mean((answers == labels).mean(0), labels, _of_seeds(answers, labels))
    return 100 * found.mean, 100 * found.standard_error


def paired(answers: np.ndarray, others: np.ndarray, labels: np.ndarray) -> Difference:
    """Return what one classifier has over another on the same images, in percentage points.

    Args:
        answers: int64 [seeds, T]; others: int64 [other seeds, T]; labels: int64 [T].
    """
    difference = (answers == labels).mean(0) - (others == labels).mean(0)
    seeds = _of_seeds(answers, labels) + _of_seeds(others, labels)
    found = _mean(difference, labels, seeds)
    return Difference(100 * found.mean, 100 * found.standard_error, 100 * found.low)


def _mean(values: np.ndarray, labels: np.ndarray, further: float) -> Difference:
    """Return the mean over the classes of values [T], with the error of a stratified mean.

    To the variance goes that of one image more on which classifiers disagree, half of it either
    way, so that few or no mistakes are not taken for none: Agresti and Min, "Simple improved
    confidence intervals for comparing matched proportions", Statistics in Medicine 24 (2005).
    """
    classes, counts = np.unique(labels, return_counts=True)
    means = np.array([values[labels == label].mean() for label in classes])
    variance = sum(
        _variance(values, labels == label, mean) / count
        for label, mean, count in zip(classes, means, counts, strict=True)
    )
    variance = variance / len(classes) ** 2 + 1 / len(values) ** 2
    error = float(np.sqrt(variance + further))
    freedom = max(len(values) - len(classes), 1)
    mean = float(means.mean())
    return Difference(mean, error, mean - stats.t.ppf((1 + INTERVAL) / 2, freedom) * error)


def _variance(values: np.ndarray, own: np.ndarray, mean: float) -> float:
    """Return the variance within a class; of a single image, that within all of them."""
    if own.sum() > 1:
        return float(values[own].var(ddof=1))
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _of_seeds(answers: np.ndarray, labels: np.ndarray) -> float:
    """Return the variance of the mean over seeds, as a share squared."""
    if len(answers) < 2:
        return 0.0
    shares = [np.mean([(row == labels)[labels == c].mean() for c in np.unique(labels)])
              for row in answers]  # fmt: skip
    return float(np.var(shares, ddof=1)) / len(answers)
