"""Pictures with the labels of a task, whatever they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.files import staged

IMAGES, ABOUT = "images", "about"


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures of one size with labels.

    Attributes:
        images: uint8 [n, H, W, 3].
        labels: what a task wants to know of each, [n, ...] by name.
        about: what is known of each thing that is judged, such as an attribute: plain values,
            ``name`` among them.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    about: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: np.ndarray) -> Examples:
        labels = {name: part[index] for name, part in self.labels.items()}
        return Examples(self.images[index], labels, self.about)

    def write(self, path: str | Path) -> None:
        """Write to one .npz file; nothing in it is pickled."""
        about = np.array(json.dumps(self.about))
        with staged(path) as staging:
            np.savez(staging, **{IMAGES: self.images, ABOUT: about}, **self.labels)

    @classmethod
    def read(cls, path: str | Path) -> Examples:
        """Read what ``write`` wrote."""
        with np.load(path) as stored:
            labels = {name: stored[name] for name in stored.files if name not in (IMAGES, ABOUT)}
            return cls(stored[IMAGES], labels, json.loads(str(stored[ABOUT])))
