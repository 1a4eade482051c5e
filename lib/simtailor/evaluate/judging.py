"""Judging of features on a task by the methods of the settings.

A result is a list of percentages, one an episode: an episode is a choice of labelled images,
the same for all that is judged, so that differences are paired. Methods that take all labels
have one episode.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simtailor.evaluate.features import TaskFeatures
from simtailor.evaluate.heads import linear_accuracy
from simtailor.evaluate.neighbours import neighbour_classes
from simtailor.evaluate.ridge import balanced_accuracy, draw_labelled, ridge_answers
from simtailor.evaluate.settings import Evaluate
from simtailor.seeds import generator
from simtailor.tasks.prepared import PreparedTask


def labelled_images(task: PreparedTask, settings: Evaluate, seed: int, episode: int) -> np.ndarray:
    """Return indices into the training images: those that are labelled in an episode."""
    few, random = settings.few_labels, generator(seed, "labelled", task.name, episode)
    return draw_labelled(np.asarray(task.train_labels), few.labels, few.fewest, random)


def judge_features(
    features: TaskFeatures,
    task: PreparedTask,
    methods: Sequence[str],
    settings: Evaluate,
    seed: int,
    device: str,
) -> dict[str, list[float]]:
    """Return the percentages of each method, those that train the network left out."""
    labels, asked = np.asarray(task.train_labels), np.asarray(task.test_labels)
    pooled = features.pooled_train, labels, features.pooled_test
    found = {}
    for method in methods:
        if method == "knn":
            answers = neighbour_classes(*pooled, settings.knn, device)
            found[method] = [100 * float((answers == asked).mean())]
        elif method == "linear":
            of_task = settings.linear.of_task(task.name)
            found[method] = [linear_accuracy(*pooled, asked, of_task, seed, device)]
        elif method in ("few_labels", "all_labels"):
            chosen = _chosen(task, method, settings, seed)
            answers = ridge_answers(features.train, labels, chosen, features.test, device)
            found[method] = [balanced_accuracy(a, asked) for a in answers]
    return found


def judge_pixels(
    pixels: Sequence[TaskFeatures],
    task: PreparedTask,
    methods: Sequence[str],
    settings: Evaluate,
    seed: int,
) -> dict[str, list[float]]:
    """Return the percentages of raw pixels by each method: of several ways, the best.

    Args:
        pixels: of the ways to take them.
    """
    labels, asked = np.asarray(task.train_labels), np.asarray(task.test_labels)
    ways = [judge_features(some, task, methods, settings, seed, "cpu") for some in pixels]
    for method in {"few_labels", "all_labels"} & set(methods):
        chosen = _chosen(task, method, settings, seed)
        for some in pixels:  # where the ridge is good, the nearest neighbours may be better
            ways.append({method: [
                balanced_accuracy(
                    neighbour_classes(some.train[i], labels[i], some.test, settings.knn), asked
                )
                for i in chosen
            ]})  # fmt: skip
    return {
        method: max((way[method] for way in ways if method in way), key=np.mean)
        for method in methods
        if any(method in way for way in ways)
    }


def _chosen(task: PreparedTask, method: str, settings: Evaluate, seed: int) -> list[np.ndarray]:
    if method == "all_labels":
        return [np.arange(len(task.train))]
    episodes = range(settings.few_labels.episodes)
    return [labelled_images(task, settings, seed, episode) for episode in episodes]
