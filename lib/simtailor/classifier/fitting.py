"""A classifier on a backbone: a closed-form head on its frozen features, or fine-tuned."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from simtailor.classifier.network import ImageClassifier, of_fine_tuned, with_head
from simtailor.classifier.settings import Classifier
from simtailor.errors import UserError
from simtailor.evaluate.equal_steps import trained_for_steps
from simtailor.evaluate.ridge import ridge_head
from simtailor.pretrain.augmentation import Augmentation
from simtailor.pretrain.backbone import Backbone
from simtailor.seeds import generator
from simtailor.tasks.prepared import PreparedTask

CROP = 0.64  # smallest share of the image that a random crop keeps
SECONDS = 15  # between two lines of progress
TEMPERATURES = (-6.0, 6.0)  # logarithms between which one is looked for


def fit_head(
    backbone: Backbone, task: PreparedTask, features: np.ndarray, about: Mapping[str, Any]
) -> ImageClassifier:
    """Return a backbone with the closed-form head of a task's training images.

    Args:
        features: pooled, of all images of the task, float32 [N, D].
    """
    weight, bias = ridge_head(features[task.train], np.asarray(task.train_labels))
    return with_head(
        backbone, task.classes, torch.from_numpy(weight.T), torch.from_numpy(bias), about
    )


def fine_tune(
    backbone: Backbone,
    task: PreparedTask,
    learning_rate: float,
    settings: Classifier,
    seed: int,
    about: Mapping[str, Any],
    report: Callable[[str], None],
) -> ImageClassifier:
    """Return a copy of a backbone that was trained on a task's training images, all of it.

    Args:
        report: receives a line of progress now and then.
    """
    flip = 0.5 if task.facts.get("flip", False) else 0.0
    model = trained_for_steps(
        backbone,
        task,
        task.train,
        settings.steps,
        settings.batch_size,
        learning_rate,
        Augmentation(crop=CROP, flip=flip, colour=0.0, grey=0.0),
        generator(seed, "classifier", task.name),
        generator(seed, "classifier, variations", task.name),
        _progress(settings.steps, report),
    )
    return of_fine_tuned(model, backbone, task.classes, about)


def _progress(steps: int, report: Callable[[str], None]) -> Callable[[int], None]:
    """Return a function of the steps that are done, which reports every so many seconds."""
    begun = shown = time.monotonic()

    def told(step: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown > SECONDS:
            shown = now
            left = (now - begun) / step * (steps - step)
            report(f"step {step:,} of {steps:,}, {left:.0f} s left")

    return told


def checked_scores(classifier: ImageClassifier, images: np.ndarray, what: str) -> np.ndarray:
    """Return the scores of images, float32 [N, classes].

    Raises:
        UserError: some are not finite.
    """
    scores = classifier.scores(images)
    if not np.isfinite(scores).all():
        raise UserError(
            f"{what}: the classifier gives scores that are not finite, so its training diverged; "
            "set task2sim.classifier.learning_rates lower"
        )
    return scores


def temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the number that scores must be divided by for probabilities that tell the truth.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2; the
    targets are a little short of certain, as in Platt's "Probabilistic outputs for support vector
    machines" (1999), so that images that are all right make no endless sharpness.

    Args:
        scores: [N, classes] of images that trained nothing; labels: int64 [N].
    """
    count, classes = scores.shape
    targets = np.full((count, classes), 1 / (count + 2) / max(classes - 1, 1))
    targets[np.arange(count), labels] = 1 - 1 / (count + 2)

    def loss(logarithm: float) -> float:
        return -float((targets * log_softmax(scores / np.exp(logarithm), axis=1)).sum())

    found = minimize_scalar(loss, bounds=TEMPERATURES, method="bounded")
    return float(np.exp(found.x))
