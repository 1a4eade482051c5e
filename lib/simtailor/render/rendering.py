"""What every renderer returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(eq=False)
class Rendering:
    """Pictures of B scenes.

    Attributes:
        images: uint8 [B, H, W, 3].
        masks: uint8 [B, H, W] with the label of the instance seen, or None.
        depth: float32 [B, H, W] metres along the camera's axis, or None.
        labels: one dictionary a scene, for renderers that report their own.
    """

    images: np.ndarray
    masks: np.ndarray | None = None
    depth: np.ndarray | None = None
    labels: list[dict] = field(default_factory=list)
