"""What every renderer returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(eq=False)
class Rendering:
    """Pictures of B scenes.

    Attributes:
        images: uint8 [B, H, W, 3].
        masks: uint8 [B, H, W] with the label of the instance seen, or None.
        depth: float32 [B, H, W] metres along the camera's axis, or None.
        keypoints: float32 [B, K, 3], column and row in pixels and 1 where it is seen, or None.

    Of the N nodes ``object``, in the order of the grammar; zeros of one that is not there:

        full_masks: uint8 [B, N, H, W], 1 where an object would be seen if nothing hid it, or None.
        silhouettes: int32 [B, N, 5], the box (left, top, width, height) and the number of the
            pixels of its full mask, those beyond the picture's edges included, or None.
        poses: float32 [B, N, 3, 4] takes points of an object's model, in metres, to the camera's
            coordinates (x to the right, y down, z forwards, metres), or None.
        cameras: float32 [B, 3, 3] takes those to columns and rows; the middle of the pixel at the
            top left is (0, 0). Or None.
    """

    images: np.ndarray
    masks: np.ndarray | None = None
    depth: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    full_masks: np.ndarray | None = None
    silhouettes: np.ndarray | None = None
    poses: np.ndarray | None = None
    cameras: np.ndarray | None = None

    def __getitem__(self, index: slice) -> Rendering:
        return Rendering(**{name: part[index] for name, part in self.parts().items()})

    def parts(self) -> dict[str, np.ndarray]:
        """Return what there is, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: part for name, part in named.items() if part is not None}

    @classmethod
    def joined(cls, renderings: Sequence[Rendering]) -> Rendering:
        """Return the scenes of all, one after the other; all must have the same parts."""
        names = renderings[0].parts()
        return cls(**{n: np.concatenate([getattr(r, n) for r in renderings]) for n in names})
