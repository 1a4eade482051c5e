"""The models of what a renderer's objects show, for those who estimate poses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SYMMETRIES = ("none", "half_turn", "any_turn")  # about the model's y axis


@dataclass(frozen=True, eq=False)
class ObjectModel:
    """Triangles in an object's own coordinates.

    Attributes:
        vertices: float32 [V, 3] metres; normals: float32 [V, 3]; colours: uint8 [V, 3] sRGB.
        faces: int32 [F, 3].
        symmetry: which turns about the y axis through the origin cannot be seen, of ``SYMMETRIES``.
    """

    vertices: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    faces: np.ndarray
    symmetry: str = "none"


def models_of(renderer: Any) -> dict[str, ObjectModel]:
    """Return the models of a renderer's objects by class; {} of one that has none.

    A renderer that returns ``poses`` has a method ``models`` without arguments.
    """
    return renderer.models() if hasattr(renderer, "models") else {}
