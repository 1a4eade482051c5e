"""Data sets that torchvision or Hugging Face's ``datasets`` know by name."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from pydantic import Field

from simtailor.errors import UserError, nearest_name
from simtailor.section import Section
from simtailor.tasks.sources.base import ImageSource, Place, register_source

LABELS = ("targets", "labels", "_labels")  # where torchvision's data sets keep their labels


class TorchvisionOptions(Section):
    """Options of the kind ``torchvision``."""

    train: dict[str, Any] = Field({}, description="Arguments of the training part.")
    test: dict[str, Any] | None = Field(
        None, description="Arguments of the test part; without, images are split at random."
    )


@register_source("torchvision", TorchvisionOptions, needs="source")
def load_torchvision(place: Place, options: TorchvisionOptions) -> ImageSource:
    """Return a data set of torchvision, downloaded where it is not there.

    Raises:
        UserError: torchvision has no such data set, or it cannot be downloaded.
    """
    from simtailor.torchvision_compat import import_torchvision  # noqa: PLC0415

    known = import_torchvision().datasets
    kind = getattr(known, place.source, None) if place.source in known.__all__ else None
    if kind is None:
        nearest = nearest_name(place.source, known.__all__)
        raise UserError(f"torchvision has no data set '{place.source}'.{nearest}")
    arguments = [options.train] if options.test is None else [options.train, options.test]
    parts = []
    for part in arguments:
        try:
            parts.append(kind(root=str(place.downloads), download=True, **part))
        except Exception as error:  # of the network, of archives, of arguments: many kinds
            raise UserError(
                f"torchvision cannot load '{place.source}' into {place.downloads}: {error}; where "
                "there is no network, put it there by hand, or give the images as a folder"
            ) from error
    names = getattr(parts[0], "classes", None)
    labels = np.concatenate([_labels(part) for part in parts])
    if names is None or len(names) <= labels.max():
        names = range(int(labels.max()) + 1)
    return _joined(parts, labels, [str(n) for n in names], lambda part, i: part[i][0])


def _labels(part: Any) -> np.ndarray:
    for name in LABELS:
        with contextlib.suppress(AttributeError):
            return np.asarray(getattr(part, name), np.int64)
    return np.array([part[i][1] for i in range(len(part))], np.int64)


class DatasetsOptions(Section):
    """Options of the kind ``datasets``."""

    image: str = Field("image", description="Column of the images.")
    label: str = Field("label", description="Column of the labels.")
    configuration: str | None = Field(None, description="Configuration of the data set.")
    train: str = Field("train", description="Name of the training part.")
    test: str | None = Field(
        None, description="Name of the test part; without, images are split at random."
    )


@register_source("datasets", DatasetsOptions, needs="source")
def load_hub(place: Place, options: DatasetsOptions) -> ImageSource:
    """Return a data set of the Hugging Face hub, or of a folder in one of its formats.

    Raises:
        UserError: it cannot be loaded or lacks a column.
    """
    import datasets  # noqa: PLC0415

    names = [options.train] if options.test is None else [options.train, options.test]
    try:
        parts = [
            datasets.load_dataset(
                place.source, options.configuration, split=name, cache_dir=str(place.downloads)
            )
            for name in names
        ]
    except Exception as error:  # of the network, the hub's client, readers: many kinds
        raise UserError(
            f"the data set '{place.source}' cannot be loaded: {error}; where there is no network, "
            "give a folder that holds it, or the images as a folder"
        ) from error
    for column in (options.image, options.label):
        if column not in parts[0].column_names:
            raise UserError(
                f"the data set '{place.source}' has no column '{column}'; it has: "
                f"{', '.join(parts[0].column_names)}"
            )
    values = [value for part in parts for value in part[options.label]]
    feature = parts[0].features[options.label]
    if isinstance(feature, datasets.ClassLabel):
        classes, labels = feature.names, np.array(values, np.int64)
    else:
        found, labels = np.unique(np.array(values), return_inverse=True)
        classes = [str(name) for name in found]
    return _joined(parts, labels, classes, lambda part, i: part[i][options.image])


def _joined(parts: list[Any], labels: np.ndarray, classes: list[str], read: Any) -> ImageSource:
    """Return one source of a training part and maybe a test part."""
    ends = np.cumsum([len(part) for part in parts])

    def read_from(i: int) -> Any:
        part = int(np.searchsorted(ends, i, side="right"))
        return read(parts[part], int(i - (ends[part - 1] if part else 0)))

    more = {} if len(parts) == 1 else {"test": np.arange(ends[-1]) >= ends[0]}
    if more:
        more["split"] = "the source's own"
    return ImageSource(tuple(classes), labels, read_from, **more)
