"""How good detections are: average precision and the best F1.

Average precision is that of Pascal VOC since 2010 (Everingham et al., "The Pascal Visual Object
Classes Challenge", 2015): the area under the curve of precision over recall, each precision the
largest at this recall or a higher one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simtailor.detector.pictures import areas


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in a picture.

    Attributes:
        boxes: float32 [n, 4], left, top, right, bottom in pixels.
        scores: float32 [n]; labels: int64 [n].
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Precision:
    """How good detections are.

    Attributes:
        average: precision, 0 to 1.
        f1: the best that a threshold on the score gives; threshold: that one.
    """

    average: float
    f1: float
    threshold: float


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return intersections over unions of boxes [n, 4] and [m, 4]: [n, m]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(0).prod(2)
    union = areas(first)[:, None] + areas(second)[None] - shared
    return shared / np.maximum(union, 1e-9)


def matched(found: Detections, boxes: np.ndarray, least: float) -> np.ndarray:
    """Return the box that each detection finds, -1 for none: int64 [n].

    The best scored chooses first; each takes the box that it overlaps most, if that is
    ``least`` or more. A box that is taken counts no second time.

    Args:
        boxes: float32 [m, 4].
    """
    result = np.full(len(found.boxes), -1)
    shared = overlaps(found.boxes, boxes)
    for i in np.argsort(-found.scores, kind="stable"):
        if len(boxes) and shared[i].max() >= least:
            chosen = int(shared[i].argmax())
            result[i] = chosen
            shared[:, chosen] = -1
    return result


def precision_of(scores: np.ndarray, right: np.ndarray, wanted: int) -> Precision:
    """Return the precision of detections of one class.

    Args:
        scores: [n]; right: bool [n], those that found an object.
        wanted: number of objects that are there.
    """
    if not len(scores) or not wanted:
        return Precision(0.0, 0.0, 1.0)
    order = np.argsort(-scores, kind="stable")
    hits = right[order].cumsum()
    recall, precision = hits / wanted, hits / np.arange(1, len(order) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    average = (np.diff(recall, prepend=0.0) * best_from_here).sum()
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1.argmax())
    return Precision(float(average), float(f1[best]), float(scores[order][best]))


def judged(
    found: list[Detections],
    boxes: list[np.ndarray],
    labels: list[np.ndarray],
    least: float,
    classes: int = 1,
) -> Precision:
    """Return the precision over several pictures, the mean of the classes that are there.

    Args:
        found, boxes, labels: by picture.
        least: overlap from which a detection is right.
    """
    parts = []
    for label in range(classes):
        scores, right, wanted = [], [], 0
        for one, there, of_class in zip(found, boxes, labels, strict=True):
            mine = one.labels == label
            some = Detections(one.boxes[mine], one.scores[mine], one.labels[mine])
            objects = there[of_class == label]
            scores.append(some.scores)
            right.append(matched(some, objects, least) >= 0)
            wanted += len(objects)
        if wanted:
            parts.append(precision_of(np.concatenate(scores), np.concatenate(right), wanted))
    if not parts:
        return Precision(0.0, 0.0, 1.0)
    values = np.array([[p.average, p.f1, p.threshold] for p in parts]).mean(0)
    return Precision(*map(float, values))
