"""The tabletop: ground first, then object and shadow, against drawing every pixel."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tracing import TRACERS

from simtailor.assets.tabletop import OBJECT_NAMES
from simtailor.render.embedded.stage_file import Stage, StageGround, StageLight
from simtailor.render.embedded.tabletop import TabletopRenderer
from simtailor.render.raycast.scenes import Scenes, rotation_about

SIZES = (24, 100, 130)  # less than three cells of the ground's grid, and sizes that none divide


@pytest.fixture(scope="module", params=TRACERS)
def renderers(request):
    """Return renderers of several sizes."""
    made = [TabletopRenderer(image_size=s, threads=2, tracer=request.param) for s in SIZES]
    yield made
    for renderer in made:
        renderer.__exit__()


def random_scenes(renderer: TabletopRenderer, count: int, seed: int = 0) -> Scenes:
    """Return scenes of objects that are tilted anyhow, at the picture's edge and beyond it.

    The camera looks from 15 degrees above the table up to straight down, rolled anyhow.
    """
    random = np.random.default_rng(seed)
    scenes = Scenes.create(count, 2)
    scenes.mesh[:] = np.stack([1 + np.arange(count) % 5, np.full(count, 0)], 1)
    scenes.label[:] = [1, 0]
    scenes.casts_shadow[:, 1] = False
    turns = random.uniform(0, 360, (3, count))
    rotation = np.eye(3)
    for axis, turn in zip("yxz", turns, strict=True):
        rotation = rotation @ rotation_about(axis, turn)
    scenes.rotation[:, 0] = rotation
    scenes.position[:, 0] = random.uniform([-0.3, 0, -0.3], [0.3, 0, 0.3], (count, 3))
    lowest = np.einsum(
        "bj,bpj->bp", rotation[:, 1], renderer.placing.support[scenes.mesh[:, 0] - 1]
    )
    scenes.position[:, 0, 1] = -lowest.min(1)
    down = rotation_about("x", -random.uniform(15, 90, count))
    scenes.eye[:] = renderer.placing.camera_height * down[:, :, 2]
    scenes.camera[:] = down @ rotation_about("z", random.uniform(0, 360, count))
    scenes.light_direction[:] = [-0.45, 1.0, -0.35]
    scenes.light_colour[:] = random.uniform(0.3, 2, (count, 1)) * [1.75, 1.7, 1.6]
    scenes.light_softness[:] = 0.06
    scenes.exposure[:] = 0.62
    return scenes


def largest_differences(renderer: TabletopRenderer, scenes: Scenes) -> np.ndarray:
    """Return how many levels each pixel is off: [B, S, S]."""
    whole = renderer._caster.render(scenes, renderer.size).images
    short = renderer.render_scenes(scenes).images
    return np.abs(short.astype(int) - whole).max(-1)


def test_random_scenes_are_drawn_as_by_every_pixel(renderers):
    """What differs beyond single levels is the light's noise, which the ground is drawn without."""
    differences = np.concatenate(
        [
            largest_differences(r, random_scenes(r, 30, seed)).ravel()
            for seed, r in enumerate(renderers)
        ]
    )
    assert (differences > 2).mean() <= 4e-5
    assert (differences > 1).mean() <= 2e-3
    assert differences.max() <= 4


def test_without_noise_no_pixel_differs_by_more_than_one_level(renderers):
    """Lights from anywhere, also low ones whose shadows leave the table."""
    for seed, renderer in enumerate(renderers):
        scenes = random_scenes(renderer, 30, seed)
        random = np.random.default_rng(seed)
        scenes.light_direction[:] = random.uniform([-1, 0.02, -1], 1, (30, 3))
        scenes.light_softness[:] = 0
        differences = largest_differences(renderer, scenes)
        assert differences.max() <= 1
        assert (differences > 0).mean() < 0.2


@pytest.mark.parametrize(
    "ground",
    [
        {"kind": "plane", "size": [0.9, 0.7]},  # its ends and the sky show
        {"kind": "plane", "picture": "chess.png", "picture_width": 0.3},
    ],
)
def test_own_stages_are_drawn_as_by_every_pixel(ground, tmp_path):
    """Camera and light stand still, the second time over grounds that are kept, and move."""
    if "picture" in ground:
        ground["picture"] = str(tmp_path / ground["picture"])
        Image.fromarray((np.indices((8, 8)).sum(0) % 2 * 200).astype(np.uint8)).save(
            ground["picture"]
        )
    stage = Stage(ground=StageGround(**ground), light=StageLight(direction=[0.6, 0.8, 0.2]))
    with TabletopRenderer(image_size=72, stage=stage, threads=2) as renderer:
        scenes = random_scenes(renderer, 15)
        scenes.light_softness[:] = 0
        still = scenes[:]
        for name in ("eye", "camera", "light_colour"):
            setattr(still, name, np.repeat(getattr(scenes, name)[:1], len(scenes), 0))
        for drawn in (still, still, scenes):
            assert largest_differences(renderer, drawn).max() <= 1


def test_an_object_that_fills_or_leaves_the_picture_is_no_error(renderers):
    renderer = renderers[1]
    scenes = random_scenes(renderer, 4)
    scenes.light_softness[:] = 0
    scenes.position[0, 0] = [5, 0.1, 0]  # outside of the room
    scenes.position[1, 0, [0, 2]] = scenes.eye[1, [0, 2]] * 0.9  # around the camera
    scenes.scale[1, 0] = 4
    scenes.position[2, 0, [0, 2]] = [0.49, 0]  # its shadow falls beside the table
    scenes.mesh[3, 0] = 1
    assert largest_differences(renderer, scenes).max() <= 1


def test_pictures_depend_on_the_scene_alone(renderers):
    """Not on what else is in the batch, nor on which grounds were kept from other calls."""
    renderer = renderers[0]
    scenes = random_scenes(renderer, 40)
    scenes.eye[::2], scenes.camera[::2] = scenes.eye[0], scenes.camera[0]  # a shared ground
    scenes.light_colour[::2] = scenes.light_colour[0]
    whole = renderer.render_scenes(scenes).images
    order = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(renderer.render_scenes(scenes[order]).images, whole[order])
    tracer = renderer.identity.split()[0]
    with TabletopRenderer(image_size=renderer.size[1], threads=3, tracer=tracer) as other:
        for i in (0, 2, 1, 39):
            np.testing.assert_array_equal(other.render_scenes(scenes[[i]]).images[0], whole[i])


def test_masks_and_depth_change_no_image(renderers):
    renderer = renderers[0]
    scenes = random_scenes(renderer, len(OBJECT_NAMES))
    alone, all_three = (
        renderer.render_scenes(scenes),
        renderer.render_scenes(scenes, masks=True, depth=True),
    )
    np.testing.assert_array_equal(all_three.images, alone.images)
    assert alone.masks is None
    assert alone.depth is None
    expected = renderer._caster.render(scenes, renderer.size, masks=True, depth=True)
    np.testing.assert_array_equal(all_three.masks, expected.masks)
    np.testing.assert_array_equal(all_three.depth, expected.depth)
