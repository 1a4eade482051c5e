"""A prepared task: a folder of arrays that later stages read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.errors import UserError
from simtailor.files import checksum, read_json, staged_folder, write_json

NAMES = "names.json"


@dataclass(frozen=True, eq=False)
class PreparedTask:
    """Images of a task with labels, split into training and test.

    Attributes:
        facts: name, title, classes, image_size, source, licence, notes, the numbers of
            training and test images and of those in the source, how images were read (``fit``,
            ``ranges`` of those of more than 8 bits), whether they may be mirrored (``flip``),
            and, once written, the checksums of the arrays' files.
        images: uint8 [N, S, S, 3], mapped from the file.
        labels: int64 [N], indices into ``classes``.
        train, test: int64, indices of the two parts, sorted.
        names: of the images in the source; empty where none are known.
    """

    facts: dict[str, Any]
    images: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray
    names: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: str | Path) -> PreparedTask:
        """Read what ``write`` wrote; the images stay on disk.

        Raises:
            UserError: the folder is not a prepared task.
        """
        folder = Path(folder)
        try:
            facts = read_json(folder / "task.json")
            if "sha256" not in facts:
                raise ValueError("task.json lacks checksums")
            names = folder / NAMES
            return cls(
                facts,
                np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
                *(
                    np.load(folder / f"{name}.npy", allow_pickle=False)
                    for name in ("labels", "train", "test")
                ),
                tuple(read_json(names)) if names.exists() else (),
            )
        except (OSError, ValueError) as error:
            raise UserError(f"{folder}: not a prepared task: {error}; delete it") from error

    def write(self, folder: str | Path) -> None:
        """Write to a folder, which is whole or absent."""
        with staged_folder(folder) as staging:
            sums = {}
            for name in ("images", "labels", "train", "test"):
                file = staging / f"{name}.npy"
                np.save(file, getattr(self, name), allow_pickle=False)
                sums[name] = checksum(file)
            if self.names:
                write_json(staging / NAMES, list(self.names))
            write_json(staging / "task.json", {**self.facts, "sha256": sums})

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.facts["name"]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.facts["classes"])

    def name_of(self, index: int) -> str:
        """Return the name of an image in the source, where one is known."""
        return self.names[index] if self.names else f"image {index}"

    @cached_property
    def train_images(self) -> np.ndarray:
        """uint8 [n, S, S, 3]."""
        return self.images[self.train]

    @cached_property
    def test_images(self) -> np.ndarray:
        """uint8 [m, S, S, 3]."""
        return self.images[self.test]

    @property
    def train_labels(self) -> np.ndarray:
        """int64 [n]."""
        return self.labels[self.train]

    @property
    def test_labels(self) -> np.ndarray:
        """int64 [m]."""
        return self.labels[self.test]
