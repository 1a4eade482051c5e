"""Evaluation of a backbone on all tasks of the study, one job a set.

What a task gave is kept under the work folder as soon as it is known, with a digest of all
that it depends on: a killed job goes on where it was, and a task that joins the study later
is the only one computed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from simtailor.errors import UserError
from simtailor.evaluate.heads import finetuned_accuracy, linear_accuracy
from simtailor.evaluate.neighbours import neighbour_accuracy
from simtailor.evaluate.settings import Evaluate
from simtailor.files import checksum, read_json, write_json
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.settings import Pretrain
from simtailor.tasks.features import check_features
from simtailor.tasks.prepared import PreparedTask

# Raised when an evaluation gives other results from the same inputs.
EVALUATION_VERSION = 2
PIXEL_EDGE = 32
CHUNK = 1024  # images read at a time


class Extractor(Protocol):
    """What turns images uint8 [N, H, W, 3] into features float32 [N, D].

    Attributes:
        name: what it is, in messages.
    """

    name: str

    def features(self, images: np.ndarray) -> np.ndarray: ...


class RawPixels:
    """The pixels themselves, averaged down to an edge of at most 32."""

    name = "the comparison with raw pixels"

    def features(self, images: np.ndarray) -> np.ndarray:
        """Return float32 [N, D]: images less their mean, so that the cosine tells them apart."""
        edge = min(PIXEL_EDGE, *images.shape[1:3])
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        flat = nn.functional.adaptive_avg_pool2d(pixels, edge).flatten(1)
        return (flat - flat.mean(1, keepdim=True)).numpy()


def features_of(extractor: Extractor, images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return features float32 [n, D] of some images, a part at a time from a mapped file."""
    parts = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
    return np.concatenate([extractor.features(images[part]) for part in parts])


def evaluate_set(
    name: str,
    backbone: str | Path,
    tasks: Sequence[str | Path],
    settings: Evaluate,
    seed: int,
    device: str,
    cache: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Evaluate a backbone and write ``{"parameters", "tasks": {task: {method: percent}}}``.

    Args:
        name: of the set, as in the study's list.
        backbone: folder of the backbone; tasks: folders of the prepared tasks.
        cache: folder where the results of each task are kept.
    """
    _check_device(device)
    held = Backbone.read(backbone, device)
    digest = _digest(checksum(Path(backbone) / "model.safetensors"))
    results = {
        task.name: _evaluated(held, digest, task, settings.methods, settings, seed, cache, report)
        for task in map(PreparedTask.read, tasks)
    }
    write_json(output, {"parameters": name, "tasks": results})


def evaluate_baselines(
    tasks: Sequence[str | Path],
    settings: Evaluate,
    pretrain: Pretrain,
    seeds: Sequence[int],
    device: str,
    cache: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Write what needs no simulated set, by task, accuracies in percent.

    ``chance`` guesses among the classes, ``majority`` answers the commonest class of the
    training images; ``raw_pixels`` and ``random_backbone`` are evaluated like a backbone, the
    latter with the weights of each seed: a list a method.
    """
    _check_device(device)
    seed = seeds[0]
    random = {start: Backbone.random(pretrain, start, device) for start in seeds}
    results = {}
    for task in map(PreparedTask.read, tasks):
        commonest = np.bincount(task.train_labels).argmax()
        methods = [m for m in settings.methods if m != "finetune"]
        pixels = _evaluated(
            RawPixels(), "pixels", task, methods, settings, seed, Path(cache) / "pixels", report
        )
        by_start = []
        for start, backbone in random.items():
            digest = _digest(pretrain.model_dump(mode="json"), start)
            folder = Path(cache) / f"random.seed{start}"
            by_start.append(
                _evaluated(backbone, digest, task, settings.methods, settings, seed, folder, report)
            )
        results[task.name] = {
            "chance": 100 / len(task.classes),
            "majority": 100 * float((np.asarray(task.test_labels) == commonest).mean()),
            "raw_pixels": pixels,
            "random_backbone": {m: [r[m] for r in by_start] for m in settings.methods},
        }
    write_json(output, {"tasks": results})


def _check_device(device: str) -> None:
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(
            f"configuration key 'device': '{device}', but torch {torch.__version__} sees no GPU; "
            "install a CUDA build of torch or set device: cpu"
        )


def _evaluated(
    extractor: Extractor,
    digest: str,
    task: PreparedTask,
    methods: Sequence[str],
    settings: Evaluate,
    seed: int,
    cache: str | Path,
    report: Callable[[str], None],
) -> dict[str, float]:
    """Return the percentage of each method, from the cache where nothing changed."""
    path = Path(cache) / f"{task.name}.json"
    known = read_json(path) if path.exists() else {}
    of_task = [task.facts["sha256"], task.classes]
    keys = {
        method: _digest(
            EVALUATION_VERSION, digest, of_task, method,
            getattr(settings, method).model_dump(mode="json"), seed if method != "knn" else 0,
        )
        for method in methods
    }  # fmt: skip
    stale = [m for m in methods if known.get(m, {}).get("key") != keys[m]]
    if stale:
        known |= {
            method: {"key": keys[method], "percent": percent}
            for method, percent in _accuracies(extractor, task, stale, settings, seed).items()
        }
        write_json(path, known)
    found = {method: known[method]["percent"] for method in methods}
    told = ", ".join(f"{method} {percent:.1f} %" for method, percent in found.items())
    report(f"{task.name}: {told}{'' if stale else ' (known)'}")
    return found


def _accuracies(
    extractor: Extractor,
    task: PreparedTask,
    methods: Sequence[str],
    settings: Evaluate,
    seed: int,
) -> dict[str, float]:
    labels = np.asarray(task.train_labels), np.asarray(task.test_labels)
    found = {}
    if {"knn", "linear"} & set(methods):
        train, test = (features_of(extractor, task.images, i) for i in (task.train, task.test))
        check_features(np.concatenate([train, test]), extractor.name, task.name)
        device = getattr(extractor, "device", "cpu")
        arguments = (train, labels[0], test, labels[1])
        if "knn" in methods:
            found["knn"] = neighbour_accuracy(*arguments, settings.knn, str(device))
        if "linear" in methods:
            found["linear"] = linear_accuracy(*arguments, settings.linear, seed, str(device))
    if "finetune" in methods:
        found["finetune"] = finetuned_accuracy(
            extractor, task.images, task.labels, task.train, task.test, settings.finetune, seed
        )  # fmt: skip
    for method, percent in found.items():
        if not np.isfinite(percent):
            raise UserError(
                f"{extractor.name}: the head trained on the task '{task.name}' diverged (scores "
                f"that are not finite); set task2sim.evaluate.{method}.learning_rates lower"
            )
    return found


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
