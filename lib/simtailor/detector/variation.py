"""Training crops: parts of pictures, turned, mirrored, scaled, of other colours and sharpness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simtailor.detector.pictures import LabelledPicture
from simtailor.worth.recolouring import recoloured

SCALES = (0.75, 1.4)
WITH_OBJECT = 0.75  # share of the crops that are taken around an object


def draw_crop(
    pictures: Sequence[LabelledPicture], size: int, random: np.random.Generator
) -> LabelledPicture:
    """Return a square crop of ``size`` pixels, most of them with an object in it.

    ``WITH_OBJECT`` of the crops show a place around an object, each object as often as any other,
    so that sources in which many places are empty teach as much of objects as others. The other
    crops are from anywhere.
    """
    counts = np.array([len(p.boxes) for p in pictures], np.float64)
    around = counts.sum() > 0 and random.random() < WITH_OBJECT
    pixels = np.array([p.image.shape[0] * p.image.shape[1] for p in pictures], np.float64)
    weights = counts if around else pixels
    picture = pictures[random.choice(len(pictures), p=weights / weights.sum())]
    scale = float(np.exp(random.uniform(*np.log(SCALES))))
    height, width = picture.image.shape[:2]
    edge = min(round(size / scale), height, width)
    corner = random.integers(0, [width - edge + 1, height - edge + 1])
    if around:
        box = picture.boxes[random.integers(len(picture.boxes))]
        middle = (box[:2] + box[2:]) / 2
        corner = np.rint(middle - random.uniform(0.1, 0.9, 2) * edge).astype(np.int64)
        corner = corner.clip(0, [width - edge, height - edge])
    crop = picture.part(int(corner[0]), int(corner[1]), edge, edge)
    if edge != size:
        crop = crop.resized(size / edge)
    crop = turned(crop, int(random.integers(4)), bool(random.integers(2)))
    return LabelledPicture(recoloured(crop.image, random), crop.boxes, crop.labels)


def turned(picture: LabelledPicture, quarters: int, mirrored: bool) -> LabelledPicture:
    """Return a square picture after quarter turns to the left, then mirrored left to right."""
    size, boxes = picture.image.shape[0], picture.boxes
    for _ in range(quarters):
        left, top, right, bottom = boxes.T
        boxes = np.stack([top, size - right, bottom, size - left], 1)
    image = np.rot90(picture.image, quarters)
    if mirrored:
        left, top, right, bottom = boxes.T
        boxes, image = np.stack([size - right, top, size - left, bottom], 1), image[:, ::-1]
    return LabelledPicture(np.ascontiguousarray(image), boxes, picture.labels)
