"""What the trial of a program finds, and what is looked at in masks, depth and keypoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simtailor.render.program.trial_scenes import Scene

HOLDS, FAILS, NOTE = "holds", "FAILS", "note"


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        name: of what was tried; result: one of HOLDS, FAILS and NOTE.
        found: what came out; mend: what to do about it.
    """

    name: str
    result: str
    found: str
    mend: str = ""


def _mask(masks: np.ndarray, scenes: list[Scene]) -> Finding:
    objects = sum(name.rstrip("0123456789") == "object" for name in scenes[0]["nodes"])
    if objects and masks.max() > objects:
        return Finding(
            "mask",
            FAILS,
            f"a pixel has the number {masks.max()}, and there are {objects} nodes 'object'",
            "0 is the background, n the n-th of them",
        )
    empty = sum(not mask.any() for mask in masks)
    if empty:
        return Finding(
            "mask", NOTE, f"{empty} of {len(masks)} show no object", "is it in the picture?"
        )
    return Finding("mask", HOLDS, f"{100 * (masks > 0).mean():.0f} % of the pixels are objects")


def _depth(depth: np.ndarray, scenes: list[Scene]) -> Finding:
    if np.isnan(depth).any() or (depth <= 0).any():
        return Finding("depth", FAILS, "it is not positive everywhere", "metres from the camera")
    nearest, farthest = depth.min(), depth[np.isfinite(depth)].max(initial=0)
    return Finding("depth", HOLDS, f"{nearest:.2f} to {farthest:.2f} m")


def _keypoints(keypoints: np.ndarray, scenes: list[Scene]) -> Finding:
    if np.isnan(keypoints).any():
        return Finding("keypoints", FAILS, "some are NaN", "column, row, and 1 where it is seen")
    return Finding("keypoints", HOLDS, f"{keypoints.shape[1]} a scene")


PART_CHECKS: dict[str, Callable[[np.ndarray, list[Scene]], Finding]] = {
    "mask": _mask,
    "depth": _depth,
    "keypoints": _keypoints,
}
