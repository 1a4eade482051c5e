"""Evaluation of a backbone, and of what needs no simulated set, on all tasks of the study.

What a task gave is kept under the work folder as soon as it is known, with a digest of all
that it depends on: a killed job goes on where it was, and a task that joins the study later
is the only one computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.devices import check_device
from simtailor.errors import UserError
from simtailor.evaluate.evidence import (
    EVALUATION_VERSION,
    Percents,
    digest_of,
    known_or_new,
)
from simtailor.evaluate.features import (
    TaskFeatures,
    centred_pixels,
    imagenet_backbone,
    middle,
    raw_pixels,
    task_features,
)
from simtailor.evaluate.heads import finetuned_accuracy
from simtailor.evaluate.judging import judge_features, judge_pixels
from simtailor.evaluate.settings import Evaluate
from simtailor.files import checksum, write_json
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.settings import Pretrain
from simtailor.tasks.features import check_features
from simtailor.tasks.prepared import PreparedTask
from simtailor.tracking import track

RANDOM_SEEDS = 3  # of networks with random weights

# From a task and methods to the percentages of each.
Judge = Callable[[PreparedTask, Sequence[str]], Percents]


def evaluate_set(
    name: str,
    backbone: str | Path,
    tasks: Sequence[str | Path],
    settings: Evaluate,
    seed: int,
    device: str,
    evidence: str,
    cache: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Evaluate a backbone and write what the reward database is assembled from.

    ``{"parameters", "evidence", "tasks": {task: {method: percent}}, "episodes": {task: {method:
    [percent of each episode]}}, "images": {task: number of test images}}``.

    Args:
        name: of the set, as in the study's list.
        backbone: folder of the backbone; tasks: folders of the prepared tasks.
        evidence: digest of the study's settings, by which the file is told from older ones.
        cache: folder where the results of each task are kept.
    """
    check_device(device)
    held = Backbone.read(backbone, device, settings.image_size)
    digest = checksum(Path(backbone) / "model.safetensors")
    prepared = [PreparedTask.read(task) for task in tasks]
    judge = partial(_judge_network, held, settings, seed)
    episodes = {
        task.name: _evaluated(judge, digest, task, settings.methods, settings, seed, cache, report)
        for task in prepared
    }
    write_json(
        output,
        {
            "parameters": name,
            "evidence": evidence,
            "tasks": {
                task: {method: float(np.mean(percents)) for method, percents in found.items()}
                for task, found in episodes.items()
            },
            "episodes": episodes,
            "images": {task.name: len(task.test) for task in prepared},
        },
    )


def evaluate_baselines(
    tasks: Sequence[str | Path],
    settings: Evaluate,
    pretrain: Pretrain,
    seed: int,
    device: str,
    packages: str | Path,
    cache: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Write what needs no simulated set, by task: ``{"tasks": {task: ...}}``, in percent.

    ``chance`` guesses among the classes, ``majority`` answers the commonest class of the
    training images; the others are lists, one entry a seed, of the percentages of each method
    and episode: ``raw_pixels``, the best of several ways; ``random_on`` and ``random_off``,
    the network with random weights and its residual branches on or off; ``imagenet``, the
    packaged network.

    Args:
        packages: folder of fetched packages.
    """
    check_device(device)
    size = settings.image_size
    networks: dict[str, list[tuple[str, Judge]]] = {
        "raw_pixels": [("raw pixels", partial(_judge_pixels, settings, seed))]
    }
    for name, on in (("random_on", True), ("random_off", False)):
        networks[name] = [
            (
                digest_of(pretrain.model_dump(mode="json"), start, on),
                partial(
                    _judge_network,
                    Backbone.random(pretrain, start, device, size, branches_on=on),
                    settings,
                    seed,
                ),
            )
            for start in range(seed, seed + RANDOM_SEEDS)
        ]
    packaged = imagenet_backbone(packages, size, device)
    networks["imagenet"] = [("packaged", partial(_judge_network, packaged, settings, seed))]
    results: dict[str, dict[str, Any]] = {}
    for task in map(PreparedTask.read, tasks):
        commonest = np.bincount(task.train_labels).argmax()
        results[task.name] = {
            "chance": 100 / len(task.classes),
            "majority": 100 * float((np.asarray(task.test_labels) == commonest).mean()),
        }
        for name, judges in networks.items():
            results[task.name][name] = [
                _evaluated(
                    judge, digest, task, settings.methods, settings, seed,
                    Path(cache) / f"{name}.{number}", partial(_prefixed, report, name),
                    f"{name}/",
                )
                for number, (digest, judge) in enumerate(judges)
            ]  # fmt: skip
    write_json(output, {"tasks": results})


def _prefixed(report: Callable[[str], None], name: str, line: str) -> None:
    report(f"{name}: {line}")


def _evaluated(
    judge: Judge,
    digest: str,
    task: PreparedTask,
    methods: Sequence[str],
    settings: Evaluate,
    seed: int,
    cache: str | Path,
    report: Callable[[str], None],
    curve: str = "",
) -> Percents:
    """Return the percentages of each method, from the cache where nothing changed.

    Args:
        curve: what the names begin with under which they are tracked.
    """
    of_task = [task.facts["sha256"], task.classes, settings.image_size, settings.centre]
    of_method = settings.model_dump(mode="json", include=set(methods))
    for method in {"linear", "finetune"} & set(methods):
        of_method[method] = getattr(settings, method).of_task(task.name).model_dump(mode="json")
    keys = {
        method: digest_of(
            EVALUATION_VERSION, digest, of_task, method, of_method.get(method),
            seed if method not in ("knn", "all_labels") else 0,
        )
        for method in methods
    }  # fmt: skip
    path = Path(cache) / f"{task.name}.json"
    found, told = known_or_new(path, keys, lambda stale: judge(task, stale))
    report(f"{task.name}: {told}")
    track(0, {f"{curve}{task.name}/{name}": np.mean(values) for name, values in found.items()})
    return found


def _judge_network(
    backbone: Backbone, settings: Evaluate, seed: int, task: PreparedTask, methods: Sequence[str]
) -> Percents:
    trained = {"finetune": settings.finetune}
    if settings.linear.crop < 1 or settings.linear.flip:
        trained["linear"] = settings.linear
    found: Percents = {}
    if by_features := [method for method in methods if method not in trained]:
        features = task_features(
            lambda images: backbone.features_of_stages(middle(images, settings.centre)),
            task.images, task.train, task.test,
        )  # fmt: skip
        _check(features, backbone.name, task)
        device = str(backbone.device)
        found = judge_features(features, task, by_features, settings, seed, device)
    for method in [method for method in methods if method in trained]:
        found[method] = [
            finetuned_accuracy(
                backbone, task.images, task.labels, task.train, task.test,
                trained[method].of_task(task.name), seed,
                centre=settings.centre, only_head=method == "linear",
            )
        ]  # fmt: skip
    for method, percents in found.items():
        if not np.isfinite(percents).all():
            raise UserError(
                f"{backbone.name}: the head trained on the task '{task.name}' diverged (scores "
                f"that are not finite); set task2sim.evaluate.{method}.learning_rates lower"
            )
    return found


def _check(features: TaskFeatures, network: str, task: PreparedTask) -> None:
    for parts in ((features.pooled_train, features.pooled_test), (features.train, features.test)):
        check_features(np.concatenate(parts), network, task.name)


def _judge_pixels(
    settings: Evaluate, seed: int, task: PreparedTask, methods: Sequence[str]
) -> Percents:
    if not set(methods) - {"finetune"}:
        return {}
    ways = [
        task_features(lambda images, take=take: (take(images),) * 2, task.images, task.train,
                      task.test)
        for take in (raw_pixels, centred_pixels)
    ]  # fmt: skip
    _check(ways[0], "the comparison with raw pixels", task)
    return judge_pixels(ways, task, methods, settings, seed)
