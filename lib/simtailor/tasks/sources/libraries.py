"""Data sets that torchvision or Hugging Face's ``datasets`` know by name."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import Field

from simtailor.errors import UserError, nearest_name
from simtailor.section import Section
from simtailor.tasks.sources.base import ImageSource, Place, register_source
from simtailor.tasks.sources.labels import Labels, read_labels
from simtailor.tasks.sources.values import LOOKED_AT, as_image, highest_value

LABELS = ("targets", "labels", "_labels")  # where torchvision's data sets keep their labels


class TorchvisionOptions(Section):
    """Options of the kind ``torchvision``."""

    train: dict[str, Any] | list[dict[str, Any]] = Field(
        {}, description="Arguments of the training part, or of several that are one together."
    )
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
    training = options.train if isinstance(options.train, list) else [options.train]
    arguments = {f"train {n}" if n > 1 else "train": own for n, own in enumerate(training, 1)}
    if options.test is not None:
        arguments["test"] = options.test
    usual = {"root": str(place.downloads), "download": True}
    usual = {name: value for name, value in usual.items() if name in _argument_names(kind)}
    parts = {}
    for name, own in arguments.items():
        try:
            parts[name] = kind(**usual | own)
        except Exception as error:  # of the network, of archives, of arguments: many kinds
            raise UserError(
                f"torchvision cannot load '{place.source}' into {place.downloads}: {error}; where "
                "there is no network, put it there by hand, or give the images as a folder"
            ) from error
    labels = read_labels(
        {name: _labels(part) for name, part in parts.items()},
        getattr(parts["train"], "classes", None),
        f"torchvision's '{place.source}'",
        " Leave the option 'test' out, or choose another part by it.",
    )
    return _joined(list(parts.values()), len(training), labels, lambda part, i: part[i][0])


def _argument_names(kind: type) -> set[str]:
    """Return the names that a class takes, with those that it hands on to its bases."""
    names = set()
    for base in kind.__mro__:
        parameters = inspect.signature(base.__init__).parameters
        names |= set(parameters)
        if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            break
    return names


def _labels(part: Any) -> Sequence[Any]:
    for name in LABELS:
        values = getattr(part, name, None)
        if values is not None and np.ndim(values) == 1:  # QMNIST keeps eight numbers an image
            return values
    return [part[i][1] for i in range(len(part))]


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

    where, names = f"the data set '{place.source}'", {"train": options.train}
    if options.test is not None:
        names["test"] = options.test
    try:
        parts = {
            name: datasets.load_dataset(
                place.source, options.configuration, split=split, cache_dir=str(place.downloads)
            )
            for name, split in names.items()
        }
    except Exception as error:  # of the network, the hub's client, readers: many kinds
        known = []
        with contextlib.suppress(Exception):
            known = datasets.get_dataset_split_names(place.source, options.configuration)
        if known and not {options.train, options.test or options.train} <= set(known):
            raise UserError(
                f"{where} has the parts {', '.join(known)}; name one of them by the option "
                f"'train' (now '{options.train}')"
                + (f" and 'test' (now '{options.test}')" if options.test else "")
            ) from error
        raise UserError(
            f"{where} cannot be loaded: {error}; where there is no network, "
            "give a folder that holds it, or the images as a folder"
        ) from error
    for name, part in parts.items():
        for option in ("image", "label"):
            if getattr(options, option) not in part.column_names:
                raise UserError(
                    f"{where} has no column '{getattr(options, option)}'; it has: "
                    f"{', '.join(part.column_names)} (part '{names[name]}'). Name the right one "
                    f"by the option '{option}'"
                )
    feature = parts["train"].features[options.label]
    labels = read_labels(
        {name: part[options.label] for name, part in parts.items()},
        feature.names if isinstance(feature, datasets.ClassLabel) else None,
        where,
        " Leave the option 'test' out, or name another part by it.",
    )
    column = parts["train"][options.image]
    shown = [column[int(i)] for i in np.linspace(0, len(column) - 1, LOOKED_AT).astype(int)]
    highest = highest_value(shown, where)
    folder = Path(place.source)
    return _joined(
        list(parts.values()),
        1,
        labels,
        lambda part, i: as_image(part[i][options.image], folder, highest),
    )


def _joined(
    parts: list[Any], training: int, labels: Labels, read: Callable[[Any, int], Image.Image]
) -> ImageSource:
    """Return one source of so many training parts and maybe a test part after them."""
    ends = np.cumsum([len(part) for part in parts])

    def read_from(i: int) -> Image.Image:
        place = int(labels.kept[i])
        part = int(np.searchsorted(ends, place, side="right"))
        return read(parts[part], place - int(ends[part - 1] if part else 0))

    more = {} if len(parts) == training else {"test": labels.kept >= ends[training - 1]}
    if more:
        more["split"] = "the source's own"
    return ImageSource(labels.classes, labels.labels, read_from, notes=labels.notes, **more)
