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
    """

    images: np.ndarray
    masks: np.ndarray | None = None
    depth: np.ndarray | None = None
    keypoints: np.ndarray | None = None

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
