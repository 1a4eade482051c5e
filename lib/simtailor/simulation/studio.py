"""The studio: assets on the ray caster, and pictures of scenes in which the object shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from simtailor.assets.mesh import Material
from simtailor.render.raycast.caster import RayCaster, use_kernel_cache
from simtailor.render.raycast.environment import Environment
from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.sampler import Sampler
from simtailor.simulation.taking import PictureTaker, SampledImages

LENS_SAMPLES = 4  # times the rays for images behind a lens, or their blur would be grain
PLAIN = Material((0.45, 0.45, 0.45), roughness=0.55)
AMBIENT = 0.45  # mean radiance that every sky is brought to, so that all light alike


class Studio(PictureTaker):
    """Renders images of simulated sets by the ray caster; a context manager.

    Args:
        catalogue: the assets.
        device: ``cpu`` or a CUDA device; threads: cores to render on.
        cache: folder that holds, under ``kernels``, compiled kernels.
    """

    catalogue: Catalogue

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

    def close(self) -> None:
        """Stop the threads."""
        self._caster.close()

    def sampler(self, parameters: SimulationParameters, seed: int, field_of_view: float) -> Sampler:
        """Return what draws the scenes of a set."""
        return Sampler(parameters, seed, self.catalogue, field_of_view, self._sky_intensities)

    def draw(
        self,
        sampled: SampledImages,
        places: np.ndarray,
        images: np.ndarray,
        masks: np.ndarray,
        samples: int,
    ) -> None:
        """Render scenes into their places of the batch."""
        scenes = sampled.scenes
        behind_lens = scenes.aperture > 0
        for chosen, rays in ((~behind_lens, samples), (behind_lens, samples * LENS_SAMPLES)):
            if chosen.any():
                rendering = self._caster.render(
                    scenes[chosen], images.shape[1], samples=rays, adaptive=True, masks=True
                )
                images[places[chosen]] = rendering.images
                masks[places[chosen]] = rendering.masks > 0


def _intensity(sky: Environment) -> float:
    """Return the factor that makes a sky's mean radiance ``AMBIENT``.

    The first of the harmonics is a quarter of the light from all around, its mean times pi.
    """
    mean = sky.harmonics[0] @ np.array([0.2126, 0.7152, 0.0722]) / np.pi
    return float(AMBIENT / max(mean, 1e-6))
