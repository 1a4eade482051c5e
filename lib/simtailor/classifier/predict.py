"""Predictions of a classifier for files: read as the images that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simtailor.classifier.network import CHUNK, ImageClassifier
from simtailor.errors import UserError
from simtailor.intake.folder import find_images
from simtailor.intake.formats import open_image
from simtailor.intake.names import printable
from simtailor.intake.reading import Reading, read_what_can_be

COLUMNS = ("file", "class", "probability", "problem")


@dataclass(frozen=True)
class Prediction:
    """What a file is taken for.

    Attributes:
        file: as it was given, or found in a folder that was.
        label: name of the class; empty where the file cannot be read, which ``problem`` explains.
        probability: of that class.
    """

    file: str
    label: str
    probability: float
    problem: str = ""

    def row(self) -> tuple[str, str, str, str]:
        """Return the values of ``COLUMNS``."""
        shown = "" if self.problem else f"{self.probability:.4f}"
        return self.file, self.label, shown, self.problem


def files_of(paths: Sequence[str | Path], report: Callable[[str], None]) -> list[Path]:
    """Return files as they were given, and the images of folders.

    Args:
        report: is told what of a folder is passed over.

    Raises:
        UserError: a folder may not be read or has no image, or there is no such file or folder.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            images = find_images(path)
            if not images.files:
                raise UserError(f"{images.where}no images ({images.report.sentence()})")
            for line in images.report.lines():
                report(line)
            found += images.files
        elif path.exists():
            found.append(path)
        else:
            raise UserError(f"{printable(path)}: no such file or folder")
    return found


def predict(
    classifier: ImageClassifier,
    files: Sequence[Path],
    threads: int,
    report: Callable[[str], None],
) -> Iterator[Prediction]:
    """Yield the prediction of each file, in their order, some hundred read at a time."""
    about = classifier.about
    ranges = {bool(kind): (low, high) for kind, low, high in about["ranges"]}
    reading = Reading(about["image_size"], about["fit"], ranges=ranges)
    for first in range(0, len(files), CHUNK):
        part = files[first : first + CHUNK]
        squares = read_what_can_be(
            lambda i, part=part: open_image(part[i]),
            lambda i, part=part: printable(part[i]),
            range(len(part)),
            reading,
            threads,
        )
        probabilities = classifier.probabilities(squares.images)
        for place, (path, row) in enumerate(zip(part, probabilities, strict=True)):
            name = printable(path)
            if place in squares.broken:
                yield Prediction(name, "", 0.0, " ".join(squares.broken[place][1].split()))
            else:
                best = int(row.argmax())
                yield Prediction(name, classifier.classes[best], float(row[best]))
        if first + CHUNK < len(files):
            report(f"{first + CHUNK:,} of {len(files):,} images")
