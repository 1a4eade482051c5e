"""The studio: assets on the renderer, and pictures of scenes in which the object shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simtailor.assets.mesh import Material
from simtailor.datasets.boxes import boxes_of
from simtailor.errors import UserError
from simtailor.render.raycast.caster import RayCaster, use_kernel_cache
from simtailor.render.raycast.environment import Environment
from simtailor.render.raycast.scenes import Scenes
from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.sampler import SampledScenes, Sampler
from simtailor.simulation.settings import FIELD_OF_VIEW

VISIBLE_SHARE = 0.005  # of the image that the object's mask covers at least
MOST_ATTEMPTS = 16
LENS_SAMPLES = 4  # times the rays for images behind a lens, or their blur would be grain
PLAIN = Material((0.45, 0.45, 0.45), roughness=0.55)
AMBIENT = 0.45  # mean radiance that every sky is brought to, so that all light alike


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


class Studio:
    """Renders images of simulated sets; a context manager.

    Args:
        catalogue: the assets.
        device: ``cpu`` or a CUDA device; threads: cores to render on.
        cache: folder that holds, under ``kernels``, compiled kernels.
    """

    def __init__(
        self, catalogue: Catalogue, *, device: str, threads: int, cache: str | Path | None
    ) -> None:
        self.catalogue = catalogue
        if cache is not None:
            use_kernel_cache(Path(cache) / "kernels")
        self._sky_intensities = np.array([_intensity(sky) for sky in catalogue.skies])
        self._caster = RayCaster(
            [model.mesh for model in catalogue.models],
            catalogue.skies,
            extra_materials=(PLAIN, *catalogue.materials),
            device=device,
            threads=threads,
        )

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self._caster.close()

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
        sampler = Sampler(parameters, seed, self.catalogue, field_of_view, self._sky_intensities)
        indices = np.asarray(indices)
        attempts = np.zeros(len(indices), dtype=np.int64)
        size = (len(indices), image_size, image_size)
        images, masks = np.empty((*size, 3), np.uint8), np.empty(size, bool)
        annotations: list[dict] = [{}] * len(indices)
        left = np.arange(len(indices))
        while len(left):
            sampled = sampler.sample(indices[left], attempts[left])
            self._render(sampled.scenes, left, images, masks, samples)
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

    def _render(
        self,
        scenes: Scenes,
        places: np.ndarray,
        images: np.ndarray,
        masks: np.ndarray,
        samples: int,
    ) -> None:
        """Render scenes into their places of the batch."""
        behind_lens = scenes.aperture > 0
        for chosen, rays in ((~behind_lens, samples), (behind_lens, samples * LENS_SAMPLES)):
            if chosen.any():
                rendering = self._caster.render(
                    scenes[chosen], images.shape[1], samples=rays, adaptive=True, masks=True
                )
                images[places[chosen]] = rendering.images
                masks[places[chosen]] = rendering.masks > 0

    def _annotations(self, sampled: SampledScenes, masks: np.ndarray) -> list[dict]:
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


def _intensity(sky: Environment) -> float:
    """Return the factor that makes a sky's mean radiance ``AMBIENT``.

    The first of the harmonics is a quarter of the light from all around, its mean times pi.
    """
    mean = sky.harmonics[0] @ np.array([0.2126, 0.7152, 0.0722]) / np.pi
    return float(AMBIENT / max(mean, 1e-6))
