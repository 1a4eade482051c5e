"""The network: the body that all share, and heads for centre and sides.

A cell of the finest map says how likely an object's centre is in it, and how far its four sides
are. Sources: Zhou, Wang and Kraehenbuehl, "Objects as Points" (2019), for centres and their loss;
Liu et al., "Training-Time-Friendly Network for Real-Time Object Detection" (AAAI 2020), for sides
that are learnt around the centre by how near to it; Rezatofighi et al., "Generalized Intersection
over Union" (CVPR 2019).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from simtailor.detector.precision import Detections, overlaps
from simtailor.network_images import unit_images
from simtailor.worth.pyramid import CHANNELS, STRIDE, PyramidNetwork, filled_up, smooth_layer

SPREAD = 0.12  # standard deviation of a centre, share of the box
RARE = -4.0  # logit of a centre before anything is learnt: few cells hold one
KEPT, LEAST_SCORE, TOO_NEAR = 1000, 0.02, 0.35


class CentreDetector(PyramidNetwork):
    """Finds objects of some classes.

    Args:
        classes: their number.
        cache: see ``PyramidNetwork``.
    """

    def __init__(self, classes: int, cache: str | Path | None) -> None:
        super().__init__(cache)
        self.centre = nn.Sequential(smooth_layer(), nn.Conv2d(CHANNELS, classes, 1))
        self.sides = nn.Sequential(smooth_layer(), nn.Conv2d(CHANNELS, 4, 1))
        nn.init.constant_(self.centre[-1].bias, RARE)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return centres, logits [B, K, H/4, W/4], and sides, pixels [B, 4, H/4, W/4].

        Args:
            images: float32 [B, 3, H, W] in [0, 1], edges multiples of 16.
        """
        joined = self.maps(images)
        return self.centre(joined), STRIDE * self.sides(joined).clamp(-4, 6).exp()

    @torch.no_grad()
    def detect(self, image: np.ndarray) -> Detections:
        """Return what is found in a picture uint8 [H, W, 3], each object once."""
        self.eval()
        height, width = image.shape[:2]
        centre, sides = self(filled_up(unit_images(image[None], self.mean.device)))
        scores = centre.sigmoid()[0]
        peaks = scores * (scores == functional.max_pool2d(scores[None], 3, 1, 1)[0])
        found, places = peaks.flatten().topk(min(KEPT, peaks.numel()))
        places = places[found > LEAST_SCORE].cpu().numpy()
        found = found[found > LEAST_SCORE].cpu().numpy()
        labels, rows, columns = np.unravel_index(places, tuple(peaks.shape))
        reach = sides[0].cpu().numpy()[:, rows, columns]
        middle = (np.stack([columns, rows]) + 0.5) * STRIDE
        boxes = np.concatenate([middle - reach[:2], middle + reach[2:]]).T
        boxes = boxes.clip(0, [width, height, width, height]).astype(np.float32)
        kept = once(boxes, found, labels)
        return Detections(boxes[kept], found[kept], labels[kept])


def once(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which detections stay where several of a class are too near: int64, best first."""
    order, kept = np.argsort(-scores, kind="stable"), []
    shared = overlaps(boxes, boxes) * (labels[:, None] == labels[None])
    for i in order:
        if not kept or shared[i, kept].max() < TOO_NEAR:
            kept.append(int(i))
    return np.array(kept, np.int64)


def targets_of(
    boxes: np.ndarray, labels: np.ndarray, classes: int, cells: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the network is to say of a picture.

    Args:
        boxes: float32 [n, 4] in pixels; labels: int64 [n].
        cells: rows and columns of the finest map.

    Returns:
        Centres, float32 [K, rows, columns], 1 in the cell of a centre and less around it; sides in
        pixels, [4, rows, columns]; how much the sides of a cell count, [rows, columns].
    """
    rows, columns = (np.arange(count) + 0.5 for count in cells)
    centres = np.zeros((classes, *cells), np.float32)
    sides, weights = np.ones((4, *cells), np.float32), np.zeros(cells, np.float32)
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    for i in np.argsort(-size.prod(1), kind="stable"):  # the small one is on top
        box, label = boxes[i], labels[i]
        middle = (box[:2] + box[2:]) / 2 / STRIDE
        cell = np.minimum(middle.astype(int), np.array(cells[::-1]) - 1)
        deviation = np.maximum(SPREAD * size[i] / STRIDE, 0.7)
        across = ((columns - cell[0] - 0.5) / deviation[0]) ** 2
        down = ((rows - cell[1] - 0.5) / deviation[1]) ** 2
        bump = np.exp(-(down[:, None] + across[None]) / 2).astype(np.float32)
        np.maximum(centres[label], bump, out=centres[label])
        near = bump > 0.3
        x, y = columns[None] * STRIDE, rows[:, None] * STRIDE
        reach = np.broadcast_arrays(x - box[0], y - box[1], box[2] - x, box[3] - y)
        sides[:, near] = np.maximum(np.stack(reach)[:, near], 1)
        weights[near] = bump[near] / bump[near].sum()
    return centres, sides, weights


def loss_of(
    centre: torch.Tensor,
    sides: torch.Tensor,
    targets: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """Return the loss: focal of the centres, plus twice 1 - GIoU of the sides, an object."""
    centres, wanted, weights = targets
    right = centres > 0.999
    count = right.sum().clamp_min(1)
    chance = centre.sigmoid().clamp(1e-4, 1 - 1e-4)
    hits = (1 - chance).square() * chance.log() * right
    misses = chance.square() * (1 - chance).log() * (1 - centres).pow(4) * ~right
    focal = -(hits + misses).sum() / count
    shared = torch.minimum(sides, wanted)
    around = torch.maximum(sides, wanted)

    def area(reach: torch.Tensor) -> torch.Tensor:
        return (reach[:, 0] + reach[:, 2]) * (reach[:, 1] + reach[:, 3])

    union = area(sides) + area(wanted) - area(shared)
    generalised = area(shared) / union - 1 + union / area(around)
    return focal + 2 * ((1 - generalised) * weights).sum() / count
