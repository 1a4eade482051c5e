"""What an origin gives on a task: tried on a validation part, and reported on the test part.

An origin is what a classifier may begin with: raw pixels, a network with random weights, the
packaged ImageNet network, or a backbone that was trained on a simulated set. All of them have the
same validation images, batches and variations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.classifier.attempts import Attempt, best_of, write_attempts
from simtailor.classifier.fitting import checked_scores, fine_tune, fit_head, temperature
from simtailor.classifier.inputs import IMAGENET, RANDOM, RAW_PIXELS, SIMULATED
from simtailor.classifier.network import ImageClassifier
from simtailor.classifier.settings import Classifier
from simtailor.controller.evidence import validation_task
from simtailor.devices import check_device
from simtailor.evaluate.features import CHUNK, centred_pixels, imagenet_backbone, raw_pixels
from simtailor.evaluate.neighbours import neighbour_classes
from simtailor.evaluate.ridge import balanced_accuracy, ridge_answers
from simtailor.evaluate.settings import Neighbours
from simtailor.evaluate.stage import RANDOM_SEEDS
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.settings import Pretrain
from simtailor.tasks.features import check_features
from simtailor.tasks.prepared import PreparedTask

HEAD, FINE_TUNED, SCRATCH = "head", "fine_tuned", "scratch"


@dataclass(frozen=True, eq=False)
class Trial:
    """A task with its validation part, and how origins are tried on it.

    Attributes:
        task: the whole task. validation: its training images alone, a part of them to validate.
        settings: of the classifier; seed: of everything.
        report: receives lines of progress.
    """

    task: PreparedTask
    validation: PreparedTask
    settings: Classifier
    seed: int
    report: Callable[[str], None]

    @classmethod
    def of(
        cls, task: PreparedTask, settings: Classifier, seed: int, report: Callable[[str], None]
    ) -> Trial:
        """Return the trial of a task.

        Raises:
            UserError: it has too few training images to validate on some.
        """
        return cls(task, validation_task(task, seed), settings, seed, report)

    def best(self, attempts: Iterable[Attempt]) -> Attempt:
        """Return the attempt that does best on the validation part, the first of equal ones."""
        return best_of(attempts, self.validation.test_labels)

    def told(self, attempt: Attempt) -> Attempt:
        """Report an attempt, and return it."""
        percent = attempt.on_validation(self.validation.test_labels)
        self.report(f"{attempt.name}, {attempt.way}: {percent:.1f} % on the validation part")
        return attempt


def try_origin(
    origin: str,
    task: PreparedTask,
    network: str | Path,
    settings: Mapping[str, Any],
    seed: int,
    device: str,
    packages: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Try an origin on a task, and write its attempts.

    Args:
        origin: one of ``ORIGINS``.
        network: folder of the backbone, for the origin ``simulated``.
        settings: of ``settings_of_a_classifier``.
        packages: folder of fetched packages.

    Raises:
        UserError: something cannot be read, or a training diverged.
    """
    size = settings["image_size"]
    trial = Trial.of(task, Classifier.model_validate(settings["classifier"]), seed, report)
    found: dict[str, tuple[Attempt, ImageClassifier]] = {}
    if origin == RAW_PIXELS:
        attempts = try_pixels(trial, Neighbours.model_validate(settings["knn"]))
        write_attempts(output, attempts, {})
        return
    check_device(device)
    if origin == RANDOM:
        pretrain = Pretrain.model_validate(settings["pretrain"])
        attempts = try_random(trial, pretrain, device, size)
    else:
        start, made_of = imagenet_or_simulated(origin, network, size, device, packages)
        found = try_network(trial, start, origin, {**read_like(task), **made_of})
        attempts = [attempt for attempt, _ in found.values()]
    write_attempts(output, attempts, {name: made for name, (_, made) in found.items()})


def imagenet_or_simulated(
    origin: str, network: str | Path, size: int, device: str, packages: str | Path
) -> tuple[Backbone, dict[str, Any]]:
    """Return the network of an origin, and what is said of it in the classifier's file."""
    if origin == IMAGENET:
        return imagenet_backbone(packages, size, device), {"origin": IMAGENET}
    backbone = Backbone.read(network, device, size)
    about = {key: backbone.description[key] for key in ("parameters", "seed")}
    return backbone, {"origin": SIMULATED, **about}


def read_like(task: PreparedTask) -> dict[str, Any]:
    """Return how images of a task are read, for predictions."""
    return {
        "task": task.name,
        "image_size": task.images.shape[1],
        "fit": task.facts.get("fit", "crop"),
        "ranges": task.facts.get("ranges", []),
    }


def try_pixels(trial: Trial, settings: Neighbours) -> list[Attempt]:
    """Return the best way to classify raw pixels: as they are or centred, ridge or neighbours."""
    found = []
    for kind, take in (("as they are", raw_pixels), ("centred", centred_pixels)):
        pixels = _of_all(take, trial.task)
        check_features(pixels, "the comparison with raw pixels", trial.task.name)
        parts = ((trial.validation, pixels[trial.task.train]), (trial.task, pixels))
        for method, classify in (
            ("ridge regression", _by_ridge),
            ("nearest neighbours", partial(neighbour_classes, settings=settings)),
        ):
            answers = [
                classify(values[task.train], np.asarray(task.train_labels), values[task.test])
                for task, values in parts
            ]
            way = f"{method} on pixels {kind}"
            found.append(trial.told(Attempt(RAW_PIXELS, way, *(a[None] for a in answers))))
    return [trial.best(found)]


def _of_all(extract: Callable[[np.ndarray], np.ndarray], task: PreparedTask) -> np.ndarray:
    """Return what a function makes of all images of a task, a part at a time from its file."""
    parts = range(0, len(task.images), CHUNK)
    return np.concatenate([extract(np.array(task.images[i : i + CHUNK])) for i in parts])


def _by_ridge(train: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return next(ridge_answers(train, labels, [np.arange(len(labels))], queries))


def try_random(trial: Trial, pretrain: Pretrain, device: str, image_size: int) -> list[Attempt]:
    """Return a head on random weights, whose branches are on or off, and training from scratch."""
    heads = []
    for on in (True, False):
        of_seeds = []
        for seed in range(trial.seed, trial.seed + RANDOM_SEEDS):
            start = Backbone.random(pretrain, seed, device, image_size, branches_on=on)
            of_seeds.append(_headed(trial, start, f"{RANDOM}_{HEAD}", {})[0])
        way = f"residual branches {'on' if on else 'off'}, {RANDOM_SEEDS} seeds"
        validation, test = (
            np.concatenate([getattr(one, part) for one in of_seeds])
            for part in ("validation", "test")
        )
        heads.append(trial.told(Attempt(f"{RANDOM}_{HEAD}", way, validation, test)))
    start = Backbone.random(pretrain, trial.seed, device, image_size)
    scratch, _ = _fine_tuned(trial, start, SCRATCH, {})
    return [trial.best(heads), trial.told(scratch)]


def try_network(
    trial: Trial, start: Backbone, name: str, about: Mapping[str, Any]
) -> dict[str, tuple[Attempt, ImageClassifier]]:
    """Return, by name, a head on a network's features and the fine-tuned network."""
    found = {}
    for way, attempt in ((HEAD, _headed), (FINE_TUNED, _fine_tuned)):
        of_way = f"{name}_{way}"
        found[of_way] = attempt(trial, start, of_way, {**about, "way": way})
        trial.told(found[of_way][0])
    return found


def _headed(
    trial: Trial, start: Backbone, name: str, about: Mapping[str, Any]
) -> tuple[Attempt, ImageClassifier]:
    task = trial.task
    features = _of_all(start.features, task)
    check_features(features, start.name, task.name)

    def fit(part: PreparedTask) -> ImageClassifier:
        of_part = features if part is task else features[task.train]
        return fit_head(start, part, of_part, about)

    tried = fit(trial.validation)
    return _applied(trial, name, "ridge regression on frozen features", tried, fit)


def _fine_tuned(
    trial: Trial, start: Backbone, name: str, about: Mapping[str, Any]
) -> tuple[Attempt, ImageClassifier]:
    part, settings = trial.validation, trial.settings

    def fit(part: PreparedTask, rate: float) -> ImageClassifier:
        trial.report(f"{name}: {settings.steps} steps on {len(part.train):,} images")
        return fine_tune(start, part, rate, settings, trial.seed, about, trial.report)

    tried = {rate: fit(part, rate) for rate in settings.learning_rates}
    accuracy = {
        rate: balanced_accuracy(
            checked_scores(one, part.test_images, name).argmax(1), part.test_labels
        )
        for rate, one in tried.items()
    }
    rate = max(accuracy, key=accuracy.__getitem__)
    way = f"{settings.steps} steps at a rate of {rate:g}"
    return _applied(trial, name, way, tried[rate], partial(fit, rate=rate))


def _applied(
    trial: Trial,
    name: str,
    way: str,
    tried: ImageClassifier,
    fit: Callable[[PreparedTask], ImageClassifier],
) -> tuple[Attempt, ImageClassifier]:
    """Return the answers on the validation part and, fitted to all training images, on the test.

    Args:
        tried: fitted without the validation part, which sets the temperature of the scores.
    """
    part = trial.validation
    scores = checked_scores(tried, part.test_images, name)
    made = fit(trial.task).tempered(temperature(scores, np.asarray(part.test_labels)))
    test = checked_scores(made, trial.task.test_images, name)
    return Attempt(name, way, scores.argmax(1)[None], test.argmax(1)[None]), made
