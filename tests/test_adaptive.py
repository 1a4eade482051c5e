"""Adaptive samples: fewer rays, nearly the same picture."""

from __future__ import annotations

import numpy as np
import pytest

from simtailor.assets.environments import sky
from simtailor.assets.tabletop import tabletop_objects
from simtailor.render.raycast import painting
from simtailor.render.raycast.caster import RayCaster
from simtailor.render.raycast.environment import prefilter
from simtailor.render.raycast.scenes import Scenes, rotation_about

COUNT, SIZE = 6, 64


@pytest.fixture(scope="module")
def caster():
    meshes = [tabletop_objects()[name] for name in ("basket", "mug")]
    with RayCaster(meshes, [prefilter(sky(64))], threads=2) as made:
        yield made


def scenes_of(aperture: float | list[float]) -> Scenes:
    """Return objects before a sky, turned anyhow, the camera focused on them or before them."""
    scenes = Scenes.create(COUNT)
    scenes.mesh[:, 0] = np.arange(COUNT) % 2
    scenes.rotation[:, 0] = rotation_about("y", np.arange(COUNT) * 50.0)
    scenes.eye[:] = [0, 0.1, 0.5]
    scenes.focus[:] = np.where(np.arange(COUNT) % 3, 0.5, 0.3)
    scenes.aperture[:] = aperture
    return scenes


def error(images: np.ndarray, reference: np.ndarray) -> float:
    return float(np.sqrt(np.square(images.astype(float) - reference).mean()))


@pytest.mark.parametrize(("aperture", "samples"), [(0.0, 4), (0.01, 16)])
def test_few_rays_where_there_is_no_contrast_cost_little(caster, monkeypatch, aperture, samples):
    scenes, rays = scenes_of(aperture), []
    trace = painting.Painter._trace

    def counted(self, block, pixels, numbers, **options):
        rays[-1] += len(pixels[0]) * len(numbers)
        trace(self, block, pixels, numbers, **options)

    monkeypatch.setattr(painting.Painter, "_trace", counted)
    drawn = []
    for adaptive in (False, True):
        rays.append(0)
        drawn.append(caster.render(scenes, SIZE, samples=samples, adaptive=adaptive, masks=True))
    everywhere, adaptive = drawn
    assert rays[1] < 0.75 * rays[0]
    reference = caster.render(scenes, SIZE, samples=16 * samples).images
    assert error(adaptive.images, reference) < 1.1 * error(everywhere.images, reference)
    np.testing.assert_array_equal(adaptive.masks, everywhere.masks)


def test_bytes_depend_neither_on_batch_nor_on_masks(caster):
    """Scenes with a lens and without one, in one batch and alone."""
    scenes = scenes_of(np.where(np.arange(COUNT) % 2, 0.01, 0.0))
    together = caster.render(scenes, SIZE, samples=8, adaptive=True, masks=True, depth=True)
    alone = caster.render(scenes, SIZE, samples=8, adaptive=True)
    np.testing.assert_array_equal(alone.images, together.images)
    for i in range(COUNT):
        one = caster.render(scenes[[i]], SIZE, samples=8, adaptive=True, masks=True, depth=True)
        np.testing.assert_array_equal(one.images[0], together.images[i])
        np.testing.assert_array_equal(one.masks[0], together.masks[i])
        np.testing.assert_array_equal(one.depth[0], together.depth[i])
