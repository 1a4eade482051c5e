"""The folder of a classifier: what the validation part chose, and what stands beside it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.classifier.attempts import Attempt, best_of, read_attempts
from simtailor.classifier.comparison import accuracy, paired
from simtailor.classifier.inputs import IMAGENET, SIMULATED
from simtailor.classifier.network import CONFIGURATION, WEIGHTS, ImageClassifier
from simtailor.classifier.verdict import WORDS, sentences
from simtailor.controller.evidence import validation_task
from simtailor.figures.classifier import comparison_figure, confusion_matrix, wrong_images
from simtailor.files import staged, staged_folder, write_json
from simtailor.tasks.prepared import PreparedTask


def write_classifier(
    task: PreparedTask,
    origins: Mapping[str, str | Path],
    simulated_set: Mapping[str, Any],
    seed: int,
    output: str | Path,
) -> dict[str, Any]:
    """Write the classifier of a task and its comparison; return the summary.

    Args:
        origins: folders of ``write_attempts`` by origin.
        simulated_set: ``set``, and ``why`` it is recommended; None where it was given.
        seed: that the validation part was cut by.
    """
    validated = np.asarray(validation_task(task, seed).test_labels)
    labels = np.asarray(task.test_labels)
    by_origin = {origin: read_attempts(folder) for origin, folder in origins.items()}
    chosen, packaged = (best_of(by_origin[origin], validated) for origin in (SIMULATED, IMAGENET))
    source = Path(origins[SIMULATED]) / chosen.name
    probabilities = ImageClassifier.read(source).probabilities(task.test_images)
    answers = probabilities.argmax(1)
    rows = {
        one.name: _row(one, answers, labels, validated) for of in by_origin.values() for one in of
    }
    summary = {
        "task": task.name,
        "title": task.facts["title"],
        "classifier": chosen.name,
        "imagenet": packaged.name,
        "simulated_set": dict(simulated_set),
        "test": rows[chosen.name]["test"],
        "standard_error": rows[chosen.name]["standard_error"],
        "right": 100 * float((answers == labels).mean()),
        "chance": 100 / len(task.classes),
        "even": len(set(np.bincount(labels).tolist())) == 1,
        "images": {
            "train": len(task.train),
            "test": len(task.test),
            "in_source": task.facts.get("in_source", len(task.images)),
        },
        "classes": list(task.classes),
        "ways": rows,
        "notes": list(task.facts.get("notes", ())),
    }
    summary["sentences"] = sentences(summary)
    summary["verdict"] = " ".join(summary["sentences"])
    with staged_folder(output) as folder:
        for file in (WEIGHTS, CONFIGURATION):
            shutil.copyfile(source / file, folder / file)
        shutil.copytree(Path(origins[IMAGENET]) / packaged.name, folder / IMAGENET)
        _write_predictions(task, answers, probabilities, folder / "predictions.csv")
        confusion_matrix(answers, labels, task.classes, folder / "confusion.png", summary)
        wrong_images(task, answers, probabilities, folder / "wrong.png")
        comparison_figure(summary, folder / "comparison.png")
        write_json(folder / "summary.json", summary)
    return summary


def _row(
    attempt: Attempt, chosen: np.ndarray, labels: np.ndarray, validated: np.ndarray
) -> dict[str, Any]:
    """Return what a way gives, and what the classifier has over it."""
    percent, error = accuracy(attempt.test, labels)
    gain = paired(chosen[None], attempt.test, labels)
    return {
        "title": WORDS[attempt.name],
        "way": attempt.way,
        "validation": attempt.on_validation(validated),
        "test": percent,
        "standard_error": error,
        "gain": gain.mean,
        "gain_error": gain.standard_error,
        "gain_interval_95": [gain.low, 2 * gain.mean - gain.low],
    }


def _write_predictions(
    task: PreparedTask, answers: np.ndarray, probabilities: np.ndarray, path: Path
) -> None:
    """Write one row a test image."""
    with staged(path) as staging, open(staging, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "true", "class", "probability"])
        for place, index in enumerate(task.test):
            writer.writerow([
                task.name_of(int(index)),
                task.classes[task.labels[index]],
                task.classes[answers[place]],
                f"{probabilities[place, answers[place]]:.4f}",
            ])  # fmt: skip
