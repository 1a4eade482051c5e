"""Ways to classify a task's images: what each answered, as files between jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from simtailor.classifier.network import ImageClassifier
from simtailor.evaluate.ridge import balanced_accuracy
from simtailor.files import read_json, staged_folder, write_json

ATTEMPTS = "attempts.json"


@dataclass(frozen=True)
class Attempt:
    """One way to classify a task's images.

    Attributes:
        name: of the way; ``way``: what the validation part chose in it, in words.
        validation: classes that the validation images were taken for, int64 [seeds, V].
        test: the same of the test images, int64 [seeds, T].
    """

    name: str
    way: str
    validation: np.ndarray
    test: np.ndarray

    def on_validation(self, labels: np.ndarray) -> float:
        """Return the balanced accuracy on the validation part, in percent."""
        return float(np.mean([balanced_accuracy(answers, labels) for answers in self.validation]))


def best_of(attempts: Iterable[Attempt], labels: np.ndarray) -> Attempt:
    """Return the attempt that does best on the validation part, the first of equal ones.

    Args:
        labels: of the validation images, int64 [V].
    """
    return max(attempts, key=lambda attempt: attempt.on_validation(labels))


def write_attempts(
    folder: str | Path, attempts: Sequence[Attempt], classifiers: Mapping[str, ImageClassifier]
) -> None:
    """Write attempts, and the classifiers that some of them made, into a folder."""
    with staged_folder(folder) as staging:
        for name, classifier in classifiers.items():
            classifier.write(staging / name)
        write_json(staging / ATTEMPTS, [
            {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(one).items()}
            for one in attempts
        ])  # fmt: skip


def read_attempts(folder: str | Path) -> list[Attempt]:
    """Read what ``write_attempts`` wrote."""
    return [
        Attempt(one["name"], one["way"], np.array(one["validation"]), np.array(one["test"]))
        for one in read_json(Path(folder) / ATTEMPTS)
    ]
