"""A folder of pictures with boxes: Pascal VOC beside each picture, or COCO in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from simtailor.datasets.coco_reading import USUAL, CocoLabels, coco_file, numbers_of, read_coco
from simtailor.detector.pictures import LabelledPicture, areas, read_pascal_voc
from simtailor.errors import UserError
from simtailor.intake.named import picture_of, pictures_in
from simtailor.intake.whole import read_whole, upright_size


@dataclass(frozen=True)
class LabelledFolder:
    """Pictures with boxes, by their names without suffix.

    Attributes:
        folder: where they are.

    Raises:
        UserError: there is no such folder, or it has both kinds of labels.
    """

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise UserError(f"{self.folder}: there is no such folder of labelled pictures")

    @cached_property
    def names(self) -> list[str]:
        """The pictures that have labels."""
        return self._of_voc if self._coco is None else sorted(self._coco.pictures)

    def file_of(self, name: str) -> Path:
        """Return the file of a picture.

        Raises:
            UserError: there is none, or several.
        """
        if self._coco is None:
            return picture_of(self.folder, name, self._pictures)
        return self._coco.pictures[name].file

    def check(self, name: str, classes: Sequence[str] | None) -> None:
        """Check, quickly, that a picture is there, and of COCO's its size and its classes.

        Args:
            classes: see ``read``.

        Raises:
            UserError: it is not.
        """
        file = self.file_of(name)
        if self._coco is not None:
            _check_size(self._coco, name, upright_size(file, str(file)))
            numbers_of(self._coco, name, self._coco.pictures[name].objects, classes)

    def labels_of(self, name: str) -> Path:
        """Return the file that a picture's boxes are in."""
        return self.folder / f"{name}.xml" if self._coco is None else self._coco.path

    def read(self, name: str, classes: Sequence[str] | None = None) -> LabelledPicture:
        """Return a picture with its boxes.

        Args:
            classes: names by label, without regard to case; None: all objects are of one class.

        Raises:
            UserError: a file is absent or cannot be read, or an object's class is unknown.
        """
        if self._coco is None:
            return read_pascal_voc(self.folder, name, classes, self._pictures)
        return _of_coco(self._coco, name, classes)

    @cached_property
    def _of_voc(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.xml"))

    @cached_property
    def _coco(self) -> CocoLabels | None:
        usual = (self.folder / USUAL).exists()
        if self._of_voc and usual:
            raise UserError(
                f"{self.folder}: boxes are both in {USUAL} (COCO) and in {self._of_voc[0]}.xml "
                "(Pascal VOC). Move one kind away."
            )
        path = None if self._of_voc else coco_file(self.folder)
        return None if path is None else read_coco(path)

    @cached_property
    def _pictures(self) -> dict[str, list[Path]]:
        return pictures_in(self.folder)


def _of_coco(labels: CocoLabels, name: str, classes: Sequence[str] | None) -> LabelledPicture:
    """Return a picture with the boxes of its objects; a crowd is none."""
    picture = labels.pictures[name]
    image = read_whole(picture.file, str(picture.file)).images[0]
    height, width = picture.size
    _check_size(labels, name, image.shape[1::-1])
    objects = [one for one in picture.objects if not one.crowd]
    numbers = np.array(numbers_of(labels, name, objects, classes), np.int64)
    boxes = np.array([one.box for one in objects], np.float32).reshape(-1, 4)
    boxes = boxes.clip(0, [width, height, width, height]).astype(np.float32)
    whole = areas(boxes) > 0
    return LabelledPicture(image, boxes[whole], numbers[whole])


def _check_size(labels: CocoLabels, name: str, found: tuple[int, ...]) -> None:
    """Check that a picture's width and height are those that the labels say."""
    picture = labels.pictures[name]
    height, width = picture.size
    if found != (width, height):
        raise UserError(
            f"{picture.file}: {found[0]} x {found[1]} pixels, upright, but {labels.path} says "
            f"{width} x {height}. Label the picture as it is now."
        )
