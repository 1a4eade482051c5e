"""Pictures of a set's images, in which the object shows, whatever draws them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from simtailor.boxes import boxes_of
from simtailor.errors import UserError
from simtailor.simulation.classes import Classes
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.settings import FIELD_OF_VIEW

VISIBLE_SHARE = 0.005  # of the image that the object's mask covers at least
MOST_ATTEMPTS = 16


@dataclass(frozen=True, eq=False)
class SampledImages:
    """What B images are to show.

    Attributes:
        scenes: as what draws them wants them; takes an index array.
        labels: int [B] class; models: int [B].
        attributes: values by name, [B] or [B, n], plain numbers for the annotations. ``material``,
            [B, n], is cut to the slots that a model has.
    """

    scenes: Any
    labels: np.ndarray
    models: np.ndarray
    attributes: dict[str, np.ndarray]


class ImageSampler(ABC):
    """Draws what the images of one set show."""

    @abstractmethod
    def sample(self, indices: np.ndarray, attempts: np.ndarray | None = None) -> SampledImages:
        """Return what some images show.

        Args:
            indices: int [B], any images of the set.
            attempts: int [B], how often an image was drawn before and its object hardly seen.
        """


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of B images of a set.

    Attributes:
        images: uint8 [B, S, S, 3]; masks: bool [B, S, S], True where the object is.
        annotations: one dictionary an image, plain values for JSON.
    """

    images: np.ndarray
    masks: np.ndarray
    annotations: list[dict]

    def __getitem__(self, part: slice) -> Pictures:
        return Pictures(self.images[part], self.masks[part], self.annotations[part])


class PictureTaker(ABC):
    """Takes pictures of a set's images; a context manager.

    Attributes:
        catalogue: the assets, with ``slots`` int [M], how many materials each model has.
    """

    catalogue: Classes

    def __enter__(self) -> PictureTaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of what draws."""

    @abstractmethod
    def sampler(
        self, parameters: SimulationParameters, seed: int, field_of_view: float
    ) -> ImageSampler:
        """Return what draws the scenes of a set."""

    @abstractmethod
    def draw(
        self,
        sampled: SampledImages,
        places: np.ndarray,
        images: np.ndarray,
        masks: np.ndarray,
        samples: int,
    ) -> None:
        """Draw scenes into their places of the batch.

        Args:
            places: int [B]; images: uint8 [N, S, S, 3]; masks: bool [N, S, S].
            samples: rays a pixel.
        """

    def take(
        self,
        parameters: SimulationParameters,
        seed: int,
        indices: np.ndarray,
        *,
        image_size: int,
        samples: int,
        field_of_view: float = FIELD_OF_VIEW,
    ) -> Pictures:
        """Take pictures.

        Args:
            parameters, seed, indices: which images of which set; int [B].
            image_size: pixels of the square image; samples: rays a pixel.
            field_of_view: of the camera, degrees.

        Raises:
            UserError: an object does not show, however often it is drawn anew.
        """
        sampler = self.sampler(parameters, seed, field_of_view)
        indices = np.asarray(indices)
        attempts = np.zeros(len(indices), dtype=np.int64)
        size = (len(indices), image_size, image_size)
        images, masks = np.empty((*size, 3), np.uint8), np.empty(size, bool)
        annotations: list[dict] = [{}] * len(indices)
        left = np.arange(len(indices))
        while len(left):
            sampled = sampler.sample(indices[left], attempts[left])
            self.draw(sampled, left, images, masks, samples)
            shares = masks[left].mean((1, 2))
            found = self._annotations(sampled, masks[left])
            for place, annotation in zip(left, found, strict=True):
                annotations[place] = annotation
            left = left[shares < VISIBLE_SHARE]
            attempts[left] += 1
            if attempts.max() > MOST_ATTEMPTS:
                name = self.catalogue.models[self.catalogue.models_of(indices[left[:1]])[0]].name
                raise UserError(
                    f"the model '{name}' does not show, however it is drawn; leave it out of its "
                    "asset pack: perhaps it is empty or has no thickness"
                )
        return Pictures(images, masks, annotations)

    def _annotations(self, sampled: SampledImages, masks: np.ndarray) -> list[dict]:
        """Return what is known of each picture, as plain values."""
        boxes, shares = boxes_of(masks), masks.mean((1, 2))
        columns = {
            name: np.round(values.astype(np.float64), 4).tolist()
            if values.dtype.kind == "f"
            else values.tolist()
            for name, values in sampled.attributes.items()
        }
        annotations = []
        for i, (label, model) in enumerate(zip(sampled.labels, sampled.models, strict=True)):
            category, shown = self.catalogue.categories[label], self.catalogue.models[model]
            attributes = {name: values[i] for name, values in columns.items()}
            # Of the slots that this model has.
            attributes["material"] = attributes["material"][: self.catalogue.slots[model]]
            annotations.append(
                {
                    "label": int(label),
                    "class": category.name,
                    "wordnet_id": category.wordnet_id,
                    "model": shown.name,
                    "box": boxes[i].tolist(),
                    "visible": round(float(shares[i]), 5),
                    "attributes": attributes,
                }
            )
        return annotations
