"""Images in files of arrays: IDX, NumPy, pickled arrays (never unpickled), scikit-learn."""

from __future__ import annotations

import gzip
import pickletools
import tempfile
from pathlib import Path

import numpy as np
from pydantic import Field

from simtailor.errors import UserError
from simtailor.idx import read_idx
from simtailor.section import PositiveInt, Section
from simtailor.tasks.sources.base import (
    ImageSource,
    Place,
    array_source,
    register_source,
    scaled,
)
from simtailor.tasks.sources.labels import read_labels

PARTS = ("train", "t10k")


class ClassNames(Section):
    """Options of sources whose labels are numbers."""

    classes: list[str] = Field(
        [], description="Names of the classes 0, 1, ...; the numbers where absent."
    )


@register_source("idx", ClassNames)
def load_idx(place: Place, options: ClassNames) -> ImageSource:
    """Return the images of four IDX files, named as MNIST's, plain or with gzip.

    Raises:
        UserError: a file is absent or malformed.
    """
    folder = place.folders[0]
    images, labels = (
        [_read_idx(folder, f"{part}-{kind}") for part in PARTS]
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    for part, pictures, numbers in zip(PARTS, images, labels, strict=True):
        if len(pictures) != len(numbers):
            raise UserError(
                f"{folder}: {len(pictures)} images, but {len(numbers)} labels of '{part}'"
            )
    test = np.repeat([False, True], [len(part) for part in labels])
    read = read_labels(dict(zip(PARTS, labels, strict=True)), options.classes or None, str(folder))
    return array_source(
        np.concatenate(images)[read.kept], read.labels, read.classes,
        test=test[read.kept], split="the source's own", notes=read.notes,
    )  # fmt: skip


def _read_idx(folder: Path, name: str) -> np.ndarray:
    if (folder / name).exists() or not (folder / f"{name}.gz").exists():
        return read_idx(folder / name)
    with tempfile.TemporaryDirectory() as temporary:
        plain = Path(temporary) / name
        try:
            plain.write_bytes(gzip.decompress((folder / f"{name}.gz").read_bytes()))
        except (OSError, EOFError) as error:
            raise UserError(f"{folder / name}.gz: cannot read this file: {error}") from error
        return read_idx(plain)


class SklearnOptions(Section):
    """Options of the kind ``sklearn``."""

    highest: float = Field(gt=0, description="Value of white in the images.")


@register_source("sklearn", SklearnOptions, needs="source")
def load_sklearn(place: Place, options: SklearnOptions) -> ImageSource:
    """Return the images of a loader of ``sklearn.datasets``, such as ``load_digits``.

    Raises:
        UserError: there is no such loader, or it has no images.
    """
    from sklearn import datasets  # noqa: PLC0415

    load = getattr(datasets, place.source, None)
    if load is None or not place.source.startswith(("load_", "fetch_")):
        raise UserError(f"sklearn.datasets has no loader '{place.source}'")
    downloads = {"data_home": str(place.downloads)} if place.source.startswith("fetch_") else {}
    loaded = load(**downloads)
    if "images" not in loaded:
        raise UserError(f"sklearn.datasets.{place.source} gives no images")
    where = f"sklearn.datasets.{place.source}"
    read = read_labels({"train": loaded.target}, loaded.get("target_names"), where)
    images = scaled(loaded.images[read.kept], options.highest)
    return array_source(images, read.labels, read.classes, notes=read.notes)


class BlocksOptions(Section):
    """Options of the kind ``numpy``."""

    file: str = Field(description="File in .npy format, float [N, H, W] from 0 to 1.")
    classes: list[str] = Field(min_length=2, description="Classes, in the file's order.")
    counts: list[PositiveInt] = Field(description="Number of images of each, in that order.")


@register_source("numpy", BlocksOptions)
def load_numpy(place: Place, options: BlocksOptions) -> ImageSource:
    """Return the images of an array in which the classes follow one another.

    Raises:
        UserError: the file cannot be read or holds another number of images.
    """
    path = place.folders[0] / options.file
    try:
        images = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot read this file: {error}") from error
    if len(images) != sum(options.counts) or len(options.counts) != len(options.classes):
        raise UserError(f"{path}: {len(images)} images, but 'counts' says {options.counts}")
    labels = np.repeat(np.arange(len(options.counts)), options.counts)
    return array_source(scaled(images, 1.0), labels, tuple(options.classes))


class PickledOptions(ClassNames):
    """Options of the kind ``pickled``."""

    images: str = Field(description="File of the images: a pickled uint8 array with gzip.")
    labels: str = Field(description="File of the labels: a pickled int64 array with gzip.")


@register_source("pickled", PickledOptions)
def load_pickled(place: Place, options: PickledOptions) -> ImageSource:
    """Return the images of two pickled NumPy arrays, whose raw bytes are read.

    Raises:
        UserError: a file cannot be read, or holds something else.
    """
    folder = place.folders[0]
    images = pickled_array(folder / options.images)
    labels = pickled_array(folder / options.labels)
    if images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise UserError(f"{folder / options.images}: expected uint8 images, a label each")
    read = read_labels({"train": labels}, options.classes or None, str(folder))
    return array_source(images[read.kept], read.labels, read.classes, notes=read.notes)


def pickled_array(path: Path) -> np.ndarray:
    """Return the array that a gzip file holds as a pickle, without running the pickle.

    The pickle of an array names its shape, then its type, then its bytes (protocol of
    ``numpy.ndarray.__setstate__``). ``pickletools`` only lists what is there.

    Raises:
        UserError: the file holds something else.
    """
    shape: list[int] = []
    kind = content = None
    try:
        for _, value, _ in pickletools.genops(gzip.decompress(path.read_bytes())):
            if isinstance(value, int) and kind is None:
                shape.append(value)
            elif isinstance(value, str) and value[:1] in "biuf" and value[1:].isdigit():
                kind = np.dtype(f"<{value}")
            elif isinstance(value, bytes) and kind is not None:
                content = value
        # Ahead of the shape stand the 0 of an empty array, a version, and maybe memo numbers.
        values = np.frombuffer(content, kind)
        for first in reversed(range(len(shape))):
            for last in range(len(shape), first, -1):
                if np.prod(shape[first:last]) == len(values):
                    return values.reshape(shape[first:last])
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot read this file as a pickled array: {error}") from error
    raise UserError(f"{path}: the pickle holds no array whose shape fits its bytes")
