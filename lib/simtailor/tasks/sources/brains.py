"""Slices of brain scans, to be told apart by the plane in which they were cut."""

from __future__ import annotations

import numpy as np
from PIL import Image
from pydantic import Field

from simtailor.errors import UserError
from simtailor.section import Section
from simtailor.tasks.sources.base import ImageSource, Place, array_source, register_source, scaled

PLANES = ("sagittal", "coronal", "axial")  # across the first, second and third axis of RAS
INNER = (0.2, 0.8)  # share of an axis: near its ends a slice shows little
WHITE = 99.5  # percentile of the values above zero


class VolumeOptions(Section):
    """Options of the kind ``brain_slices``."""

    train: list[str] = Field(min_length=1, description="Volumes (NIfTI) of the training part.")
    test: list[str] = Field(min_length=1, description="Volumes of the test part.")


@register_source("brain_slices", VolumeOptions)
def load_brain_slices(place: Place, options: VolumeOptions) -> ImageSource:
    """Return every second slice of each volume in the three planes, the head upwards.

    Raises:
        UserError: a volume cannot be read.
    """
    images, labels, test = [], [], []
    for name in (*options.train, *options.test):
        for plane, slices in enumerate(_slices(place.folders[0] / name)):
            images += slices
            labels += [plane] * len(slices)
            test += [name in options.test] * len(slices)
    edge = max(max(image.shape) for image in images)
    padded = np.zeros((len(images), edge, edge), np.uint8)
    for canvas, image in zip(padded, images, strict=True):
        top, left = ((edge - length) // 2 for length in image.shape)
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return array_source(
        padded, np.array(labels), PLANES, test=np.array(test), split="by volume: "
        f"{', '.join(options.test)} tests", notes=("labels are derived: the plane of the cut",),
    )  # fmt: skip


def _slices(path) -> list[list[np.ndarray]]:
    """Return the slices of a volume by plane, uint8 [H, W] each, with right proportions."""
    import nibabel  # noqa: PLC0415

    try:
        volume = nibabel.as_closest_canonical(nibabel.load(path))
        values = np.asarray(volume.dataobj, dtype=np.float32)
    except (OSError, EOFError, nibabel.filebasedimages.ImageFileError) as error:
        raise UserError(f"{path}: cannot read this volume: {error}") from error
    values = scaled(values, float(np.percentile(values[values > 0], WHITE)))
    sizes = volume.header.get_zooms()[:3]
    planes = []
    for axis in range(3):
        first, last = (round(share * values.shape[axis]) for share in INNER)
        width, height = (sizes[a] for a in range(3) if a != axis)
        planes.append([
            _stretched(np.rot90(np.take(values, i, axis)), height / width)
            for i in range(first, last, 2)
        ])  # fmt: skip
    return planes


def _stretched(image: np.ndarray, ratio: float) -> np.ndarray:
    """Return a slice with square pixels; ``ratio`` is a pixel's height over its width."""
    if abs(ratio - 1) < 0.01:
        return image
    size = (image.shape[1], round(image.shape[0] * ratio))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
