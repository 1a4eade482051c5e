"""The ray caster against geometry and photometry that can be written down."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
import trimesh
from tracing import TRACERS, needs_embree

from simtailor.assets.mesh import Material, Mesh, box, grid_surface, join
from simtailor.errors import UserError
from simtailor.render.raycast import environment as environment_module
from simtailor.render.raycast.caster import RayCaster
from simtailor.render.raycast.environment import Environment, directions, prefilter
from simtailor.render.raycast.scenes import Scenes, look_at, rotation_about
from simtailor.render.raycast.tracers import EMBREE, WARP
from simtailor.render.raycast.uploads import mip_levels

WHITE = Material((0.8, 0.8, 0.8), roughness=1.0)
# Share of light from all around that a dielectric of roughness 1 reflects on top of its base
# colour, at any angle: the kernel's split sum (Karis 2014) written out for roughness 1.
ROUGH_SHEEN = 0.04 * (-1.04 * 0.015 + 0.468) + (1.04 * 0.015 - 0.018)


def sphere(material: Material = WHITE, detail: int = 5) -> Mesh:
    """Return a unit sphere."""
    ball = trimesh.creation.icosphere(subdivisions=detail)
    vertices = np.asarray(ball.vertices, np.float32)
    return Mesh(
        vertices=vertices,
        normals=vertices,
        coordinates=np.zeros((len(vertices), 2), np.float32),
        faces=np.asarray(ball.faces, np.int32),
        face_materials=np.zeros(len(ball.faces), np.int32),
        materials=(material,),
    )


def card(material: Material, half: float = 1.0, repeats: tuple[float, float] = (1, 1)) -> Mesh:
    """Return a square in the plane z = 0 that faces +z; rows run downwards, columns right."""
    x, y = np.meshgrid([-half, half], [half, -half])
    return grid_surface(np.stack([x, y, 0 * x], -1), material, repeats)


def floor(half: float = 4.0, material: Material = WHITE) -> Mesh:
    """Return a square in the plane y = 0."""
    x, z = np.meshgrid([-half, half], [-half, half])
    return grid_surface(np.stack([x, 0 * x, z], -1), material, (1, 1))


def constant(radiance: float | tuple[float, float, float]) -> Environment:
    """Return the same light from everywhere."""
    return prefilter(np.broadcast_to(np.asarray(radiance, np.float32), (32, 64, 3)))


def plain_scenes(count: int = 1, instances: int = 1) -> Scenes:
    """Return scenes with environment light alone, no noise and exposure 1."""
    scenes = Scenes.create(count, instances)
    scenes.light_colour[:] = 0
    scenes.light_softness[:] = 0
    scenes.exposure[:] = 1
    return scenes


def radiance_of(images: np.ndarray, exposure: float = 1.0) -> np.ndarray:
    """Undo film curve and encoding: linear radiance of uint8 images."""
    y = (images.astype(np.float64) / 255) ** 2.2
    a, b, c = 2.43 * y - 2.51, 0.59 * y - 0.03, 0.14 * y
    return (-b - np.sqrt(b * b - 4 * a * c)) / (2 * a) / exposure


def pixel_rays(scenes: Scenes, height: int, width: int) -> np.ndarray:
    """Return the directions through the pixel centres of scene 0, 1 long along the axis."""
    tangent = np.tan(scenes.field_of_view[0] / 2)
    x = ((np.arange(width) + 0.5) / width * 2 - 1) * tangent
    y = (1 - (np.arange(height) + 0.5) / height * 2) * tangent * height / width
    x, y = np.meshgrid(x, y)
    return np.stack([x, y, -np.ones_like(x)], -1) @ scenes.camera[0].T


def sphere_depth(
    rays: np.ndarray, eye: np.ndarray, centre: np.ndarray, radius: float
) -> np.ndarray:
    """Return the analytic depth along the axis of a sphere, infinite beside it."""
    to_eye = np.asarray(eye, np.float64) - centre
    a, b = (rays * rays).sum(-1), (rays * to_eye).sum(-1)
    inside = b * b - a * (to_eye @ to_eye - radius**2)
    return np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / a, np.inf)


@pytest.fixture(scope="module")
def grey_light() -> Environment:
    return constant(0.25)


# Geometry


@pytest.mark.parametrize(
    ("centre", "scale"), [((0, 0, 0), 0.7), ((0.5, -0.3, -0.8), 0.55), ((-0.4, 0.35, 0.4), 0.3)]
)
def test_sphere_has_the_analytic_mask_and_depth(grey_light, centre, scale):
    scenes = plain_scenes()
    scenes.position[0, 0], scenes.scale[0, 0], scenes.label[0, 0] = centre, scale, 7
    scenes.rotation[0, 0] = rotation_about("x", 40) @ rotation_about("y", 30)
    with RayCaster([sphere()], [grey_light], threads=1) as caster:
        rendering = caster.render(scenes, 160, masks=True, depth=True)
    expected = sphere_depth(pixel_rays(scenes, 160, 160), scenes.eye[0], np.array(centre), scale)
    visible = np.isfinite(expected)
    seen = rendering.masks[0] == 7
    assert set(np.unique(rendering.masks)) == {0, 7}
    assert seen.sum() == pytest.approx(visible.sum(), rel=0.005)
    assert (seen != visible).sum() <= 0.01 * visible.sum()
    assert np.isinf(rendering.depth[0][~seen]).all()
    both = seen & visible
    error = np.abs(rendering.depth[0][both] - expected[both])
    assert np.median(error) < 0.001 * scale
    assert np.quantile(error, 0.98) < 0.01 * scale


def test_sphere_on_the_axis_has_the_closed_form_area(grey_light):
    scenes = plain_scenes()
    radius, distance = 0.6, 2.6
    scenes.scale[:] = radius
    with RayCaster([sphere()], [grey_light], threads=1) as caster:
        mask = caster.render(scenes, 256, masks=True).masks[0]
    tangent = radius / np.sqrt(distance**2 - radius**2) / np.tan(0.35)
    assert mask.sum() == pytest.approx(np.pi * (tangent * 128) ** 2, rel=0.005)


def test_box_has_the_analytic_mask_and_depth(grey_light):
    scenes = plain_scenes()
    with RayCaster([box((-0.4, -0.2, -0.3), (0.6, 0.5, 0.3), WHITE)], [grey_light]) as caster:
        rendering = caster.render(scenes, 200, masks=True, depth=True)
    rays = pixel_rays(scenes, 200, 200)
    front = rays * (2.6 - 0.3)
    expected = (
        (front[..., 0] > -0.4)
        & (front[..., 0] < 0.6)
        & (front[..., 1] > -0.2)
        & (front[..., 1] < 0.5)
    )
    # All other faces but the front hide behind it.
    np.testing.assert_array_equal(rendering.masks[0] == 1, expected)
    np.testing.assert_allclose(rendering.depth[0][expected], 2.3, rtol=1e-5)


def test_nearer_instance_hides_the_farther(grey_light):
    scenes = plain_scenes(2, 3)
    scenes.mesh[:, :2] = 0
    scenes.scale[:] = 0.3
    scenes.position[0, :2, 2] = [0.5, -0.5]
    scenes.position[1, :2, 2] = [-0.5, 0.5]
    scenes.label[:, :2] = [1, 2]
    with RayCaster([sphere()], [grey_light]) as caster:
        rendering = caster.render(scenes, 64, masks=True, depth=True)
    assert rendering.masks[:, 32, 32].tolist() == [1, 2]
    np.testing.assert_allclose(rendering.depth[:, 32, 32], 2.6 - 0.5 - 0.3, rtol=1e-3)


@pytest.mark.parametrize("size", [(48, 120), (120, 48)])
def test_pixels_are_square_whatever_the_shape(grey_light, size):
    scenes = plain_scenes()
    scenes.scale[:] = 0.25
    with RayCaster([sphere()], [grey_light]) as caster:
        rendering = caster.render(scenes, size, masks=True, depth=True)
    assert rendering.images.shape == (1, *size, 3)
    assert rendering.depth.shape == rendering.masks.shape == (1, *size)
    expected = np.isfinite(
        sphere_depth(pixel_rays(scenes, *size), scenes.eye[0], np.zeros(3), 0.25)
    )
    assert (rendering.masks[0].astype(bool) != expected).sum() <= 4
    rows, columns = np.nonzero(rendering.masks[0])
    assert np.ptp(rows) == np.ptp(columns)
    # The field of view is the horizontal one.
    radius = 0.25 / np.sqrt(2.6**2 - 0.25**2) / np.tan(0.35) * size[1] / 2
    assert np.ptp(columns) + 1 == pytest.approx(2 * radius, abs=1.5)


def test_wide_picture_is_the_middle_of_the_square_one():
    bright = prefilter(np.abs(directions(32)).astype(np.float32))
    with RayCaster([sphere()], [bright]) as caster:
        square = caster.render(plain_scenes(), 96, depth=True)
        wide = caster.render(plain_scenes(), (40, 96), depth=True)
    difference = wide.images[0].astype(int) - square.images[0, 28:68]
    assert np.abs(difference).max() <= 1
    np.testing.assert_allclose(wide.depth[0], square.depth[0, 28:68], rtol=1e-4)


# Light and shadow


def test_side_towards_the_light_is_bright():
    scenes = plain_scenes(4)
    scenes.light_direction[:] = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
    scenes.light_colour[:] = 2
    with RayCaster([sphere()], [constant(0.05)]) as caster:
        images = caster.render(scenes, 64).images.astype(float).mean(-1)
    halves = {
        "right": images[:, :, 32:],
        "left": images[:, :, :32],
        "up": images[:, :32],
        "down": images[:, 32:],
    }
    for b, side in enumerate(halves):
        means = {name: half[b].mean() for name, half in halves.items()}
        assert max(means, key=means.get) == side
        opposite = {"right": "left", "left": "right", "up": "down", "down": "up"}[side]
        assert means[side] > 1.5 * means[opposite]


def test_lambert_law_of_the_directional_light():
    """A rough dielectric card: radiance falls with the cosine of the angle to the light."""
    angles = np.array([0.0, 30.0, 60.0, 80.0, 100.0])
    scenes = plain_scenes(len(angles))
    radians = np.radians(angles)
    scenes.light_direction[:] = np.stack([np.sin(radians), 0 * radians, np.cos(radians)], -1)
    scenes.light_colour[:] = 2.0
    with RayCaster([card(WHITE, half=2)], [constant(0.0)]) as caster:
        measured = radiance_of(caster.render(scenes, 9).images[:, 4, 4, 0])
    # Diffuse light plus at most the few per cent that a rough dielectric reflects.
    diffuse = 0.8 / np.pi * 2.0 * np.maximum(np.cos(radians), 0)
    assert (measured[:4] > 0.94 * diffuse[:4]).all()
    assert (measured[:4] < 1.05 * diffuse[:4] + 0.005).all()
    assert measured[4] < 0.001


def looking_down(count: int, instances: int) -> Scenes:
    """Return scenes seen from 4 m straight above: right is +x, up is -z."""
    scenes = plain_scenes(count, instances)
    scenes.eye[:] = [0, 4, 0]
    scenes.camera[:] = look_at(scenes.eye, np.zeros((count, 3)), up=[0, 0, -1])
    scenes.field_of_view[:] = 1.1
    scenes.focus[:] = 4
    return scenes


def test_shadow_falls_where_geometry_says():
    scenes = looking_down(3, 2)
    scenes.mesh[:] = [0, 1]
    scenes.scale[:, 0] = 0.3
    scenes.position[:, 0] = [0.2, 1.2, 0.1]
    light = np.array([0.8, 1.0, -0.5])
    scenes.light_direction[:] = light
    scenes.light_colour[:] = 2
    scenes.casts_shadow[1, 0] = False
    scenes.casts_shadow[2] = [True, False]  # the floor's own flag does not matter to it
    with RayCaster([sphere(), floor()], [constant(0.1)]) as caster:
        images = caster.render(scenes, 200).images
        unshadowed = caster.render(scenes, 200, shadows=False).images
    rays = pixel_rays(scenes, 200, 200)
    visible_ball = np.isfinite(sphere_depth(rays, scenes.eye[0], scenes.position[0, 0], 0.3))
    ground = scenes.eye[0] + rays * 4
    light /= np.linalg.norm(light)
    to_ball = scenes.position[0, 0] - ground
    off_axis = np.linalg.norm(to_ball - (to_ball @ light)[..., None] * light, axis=-1)
    expected = (off_axis < 0.3) & ~visible_ball
    darker = (images[0].astype(int) - unshadowed[0]).mean(-1) < -20
    assert expected.sum() > 400
    assert (darker[~visible_ball] != expected[~visible_ball]).sum() < 0.03 * expected.sum()
    np.testing.assert_array_equal(images[1], unshadowed[1])
    np.testing.assert_array_equal(images[2], images[0])


def test_posed_instance_equals_a_mesh_posed_beforehand():
    """Rotation, scale and position act alike on what is seen, its normals and its shadow."""
    shape = box((-0.5, -0.1, -0.2), (0.5, 0.1, 0.2), WHITE)
    turn = rotation_about("y", 35) @ rotation_about("x", 50)
    posed = replace(
        shape,
        vertices=(shape.vertices @ turn.T * 0.8 + [0.3, 0.9, 0.2]).astype(np.float32),
        normals=(shape.normals @ turn.T).astype(np.float32),
    )
    scenes = looking_down(2, 2)
    scenes.mesh[:] = [[0, 2], [1, 2]]
    scenes.rotation[0, 0], scenes.scale[0, 0], scenes.position[0, 0] = turn, 0.8, [0.3, 0.9, 0.2]
    scenes.light_direction[:] = [0.8, 1.0, -0.5]
    scenes.light_colour[:] = 2
    with RayCaster([shape, posed, floor()], [constant(0.1)]) as caster:
        rendering = caster.render(scenes, 128, masks=True)
    difference = np.abs(rendering.images[0].astype(int) - rendering.images[1]).max(-1)
    assert (difference > 2).sum() <= 20  # pixels on an edge
    assert (rendering.masks[0] != rendering.masks[1]).sum() <= 10


def test_a_clear_top_changes_no_pixel():
    """It only spares a search: from above, past the edge, from the side, from below."""
    pattern = wave(*texture_grid(64, 64)).astype(np.float32)
    top = floor(0.6, Material((1, 1, 1), 1.0, texture=pattern))
    below = box((-0.6, -0.2, -0.6), (0.6, -0.001, 0.6), WHITE)
    slab = join(top, below)
    scenes = looking_down(4, 2)
    scenes.mesh[:] = [0, 1]
    scenes.scale[:, 1] = 0.2
    scenes.position[:, 1] = [0.2, 0.3, 0.1]
    scenes.light_direction[:] = [0.8, 1.0, -0.5]
    scenes.light_colour[:] = 2
    scenes.eye[1:] = [[1.5, 0.5, 0.4], [0, -2, 0.5], [0.5, 1.5, 1]]
    scenes.camera[1:] = look_at(scenes.eye[1:], np.zeros((3, 3)))
    turn = rotation_about("x", 15) @ rotation_about("y", 25)
    scenes.rotation[3, 0], scenes.scale[3, 0], scenes.position[3, 0] = turn, 1.3, [0.1, 0.2, 0]
    pictures = []
    for clear in (False, True):
        meshes = [replace(slab, clear_top=clear), sphere()]
        with RayCaster(meshes, [constant(0.1)]) as caster:
            pictures.append(caster.render(scenes, 128, masks=True, depth=True))
    searched, spared = pictures
    assert (searched.masks > 0).mean() > 0.05
    np.testing.assert_allclose(spared.depth, searched.depth, rtol=1e-5)
    assert np.abs(spared.images.astype(int) - searched.images).max() <= 1


def test_soft_light_widens_the_penumbra():
    scenes = looking_down(3, 2)
    scenes.mesh[:] = [0, 1]
    scenes.position[:, 0] = [0, 0.9, 0]
    scenes.light_direction[:] = [1.0, 1.0, 0]
    scenes.light_colour[:] = 2
    scenes.light_softness[:] = [0, 0.08, 0.16]
    blocker = box((-0.5, -0.05, -0.5), (0.5, 0.05, 0.5), WHITE)
    with RayCaster([blocker, floor()], [constant(0.05)]) as caster:
        images = caster.render(scenes, 160, samples=32).images
    row = images[:, 75:85].astype(float).mean((1, 3))  # crosses the shadow's left edge
    row = row[:, :60]
    low, high = row.min(1, keepdims=True), row.max(1, keepdims=True)
    share = (row - low) / (high - low)
    widths = ((share > 0.1) & (share < 0.9)).sum(1)
    assert widths[0] <= 2
    assert widths[1] > widths[0] + 3
    assert widths[2] > 1.5 * widths[1]


# Lens


def test_depth_of_field_blurs_only_what_is_out_of_focus(grey_light):
    black = Material((0, 0, 0), roughness=1)
    distances = np.array([2.0, 3.0, 3.0])  # in focus, behind the focus, in focus
    aperture = 0.1
    scenes = plain_scenes(3)
    scenes.eye[:, 2] = distances
    scenes.focus[:] = [2.0, 2.0, 3.0]
    pinhole = scenes[[0, 1, 2]]
    scenes.aperture[:] = aperture
    with RayCaster([box((0, -3, -0.001), (3, 3, 0), black)], [grey_light]) as caster:
        rendering = caster.render(scenes, (32, 128), samples=128, masks=True, depth=True)
        sharp = caster.render(pinhole, (32, 128), masks=True, depth=True)
    np.testing.assert_array_equal(rendering.masks, sharp.masks)
    np.testing.assert_array_equal(rendering.depth, sharp.depth)
    np.testing.assert_array_equal(rendering.masks[:, :, 64:], 1)
    np.testing.assert_array_equal(rendering.masks[:, :, :64], 0)
    rows = radiance_of(rendering.images).mean((1, 3))
    dark, bright = rows[:, -10:].mean(1, keepdims=True), rows[:, :10].mean(1, keepdims=True)
    share = (rows - dark) / (bright - dark)
    widths = ((share > 0.02) & (share < 0.98)).sum(1)
    assert widths[0] <= 2
    assert widths[2] <= 2
    # The circle of confusion: the lens seen from the plane in focus, spread on to the card.
    diameter = 2 * aperture * (3.0 - 2.0) / 2.0
    pixels = diameter / (2 * 3.0 * np.tan(0.35)) * 128
    assert 0.75 * pixels < widths[1] < 1.1 * pixels
    assert share[1, 63:65].mean() == pytest.approx(0.5, abs=0.06)  # around the edge


# Environments


def spot(azimuth: float) -> Environment:
    """Return a dark environment with one bright spot on the horizon at ``azimuth`` degrees."""
    towards = np.array([np.cos(np.radians(azimuth)), 0, np.sin(np.radians(azimuth))])
    return prefilter(
        (0.05 + 3 * np.exp((directions(128) @ towards - 1) * 800))[..., None].repeat(3, -1)
    )


def test_environment_is_visible_and_turns():
    turns = np.array([0.0, 12.0, -8.0])
    scenes = plain_scenes(3)
    scenes.mesh[:] = -1
    scenes.environment_rotation[:] = np.radians(turns)
    with RayCaster([sphere()], [spot(270)]) as caster:
        rendering = caster.render(scenes, 101, masks=True, depth=True)
    assert not rendering.masks.any()
    assert np.isinf(rendering.depth).all()
    radiance = radiance_of(rendering.images).mean(-1) - 0.05
    weight = np.clip(radiance, 0, None) * (radiance > 0.3)
    columns = (weight.sum(1) * np.arange(101)).sum(1) / weight.sum((1, 2))
    rows = (weight.sum(2) * np.arange(101)).sum(1) / weight.sum((1, 2))
    # The camera looks to azimuth 270; a map turned by r shows there what was at 270 + r.
    expected = 50 + 50.5 * np.tan(np.radians(-turns)) / np.tan(0.35)
    np.testing.assert_allclose(columns, expected, atol=0.8)
    np.testing.assert_allclose(rows, 50, atol=0.6)


def test_rotation_turns_light_and_reflections_with_the_background():
    scenes = plain_scenes(2)
    scenes.environment_rotation[:] = np.radians([0, 90])
    shiny = Material((0.9, 0.9, 0.9), roughness=0.1, metallic=1.0)
    rendered = []
    for material in (WHITE, shiny):
        # Turning the map by 90 degrees equals a map whose spot sits 90 degrees lower.
        with RayCaster([sphere(material)], [spot(0), spot(-90)]) as caster:
            turned = caster.render(scenes[[1]], 64).images[0]
            other = scenes[[0]]
            other.environment[:] = 1
            rendered.append((turned, caster.render(other, 64).images[0]))
            assert not np.array_equal(turned, caster.render(scenes[[0]], 64).images[0])
    for turned, expected in rendered:
        assert np.abs(turned.astype(int) - expected).mean() < 1.0


def test_white_furnace_sphere_has_the_analytic_radiance():
    base, light = np.array([0.8, 0.5, 0.2]), 0.4
    scenes = plain_scenes()
    with RayCaster([sphere(Material(tuple(base), roughness=1.0))], [constant(light)]) as caster:
        rendering = caster.render(scenes, 96, masks=True)
    inside = rendering.masks[0] == 1
    measured = radiance_of(rendering.images[0])
    np.testing.assert_allclose(
        measured[inside],
        np.broadcast_to(light * (base + ROUGH_SHEEN), (inside.sum(), 3)),
        rtol=0.03,
    )
    np.testing.assert_allclose(measured[~inside], light, rtol=0.02)


def test_a_damaged_prefiltered_environment_is_made_again(tmp_path):
    radiance = np.abs(directions(32)).astype(np.float32)
    first = prefilter(radiance, tmp_path)
    kept = next(tmp_path.iterdir())
    whole = kept.read_bytes()
    for size in (0, 100, len(whole) // 2):
        kept.write_bytes(whole[:size])
        again = prefilter(radiance, tmp_path)
        assert all(np.array_equal(value, vars(again)[name]) for name, value in vars(first).items())
        assert kept.stat().st_size == len(whole)


def test_prefiltered_constant_environment_is_constant():
    environment = constant((0.2, 0.5, 0.9))
    np.testing.assert_allclose(
        environment.reflections.astype(float),
        np.broadcast_to([0.2, 0.5, 0.9], (6, 32, 64, 3)),
        rtol=2e-3,
    )
    np.testing.assert_allclose(
        environment.harmonics[0], np.pi * np.array([0.2, 0.5, 0.9]), rtol=1e-3
    )
    assert np.abs(environment.harmonics[1:]).max() < 2e-3


def test_irradiance_of_a_lit_hemisphere_is_the_known_one():
    """Upper hemisphere 1, lower 0: irradiance is pi (1 + cos) / 2."""
    upper = (directions(64)[..., 1:2] > 0).repeat(3, -1).astype(np.float32)
    angles = np.array([0.0, 45.0, 90.0, 135.0, 180.0])
    scenes = plain_scenes(len(angles))
    # The card's normal turns from up to down; the camera looks at it frontally.
    turn = rotation_about("x", angles - 90)
    scenes.rotation[:, 0] = turn
    scenes.eye[:] = 2.6 * turn[:, :, 2]
    scenes.camera[:] = turn
    with RayCaster([card(Material((1, 1, 1), roughness=1), half=3)], [prefilter(upper)]) as caster:
        measured = radiance_of(caster.render(scenes, 9).images[:, 4, 4, 0])
    expected = (1 + np.cos(np.radians(angles))) / 2
    np.testing.assert_allclose(measured, expected * (1 + ROUGH_SHEEN), atol=0.05)


def test_metallic_mirror_reflects_the_environment():
    red, blue = np.array([0.6, 0.05, 0.05]), np.array([0.05, 0.05, 0.6])
    behind_camera = directions(64)[..., 2:3] > 0
    environment = prefilter(np.where(behind_camera, red, blue))
    scenes = plain_scenes(2)
    scenes.rotation[1, 0] = rotation_about("y", 180)  # seen from its back: the same
    mirror = card(Material((1, 1, 1), roughness=0.0, metallic=1.0), half=0.6)
    with RayCaster([mirror], [environment]) as caster:
        rendering = caster.render(scenes, 64, masks=True)
    for image, mask in zip(radiance_of(rendering.images), rendering.masks, strict=True):
        np.testing.assert_allclose(image[mask == 1].mean(0), red, rtol=0.05, atol=0.01)
        np.testing.assert_allclose(image[mask == 0].mean(0), blue, rtol=0.05, atol=0.01)


def test_second_prefilter_call_reads_the_file(tmp_path, monkeypatch):
    radiance = np.abs(directions(64)).astype(np.float32) * 3
    first = prefilter(radiance, tmp_path)
    (stored,) = tmp_path.iterdir()
    monkeypatch.setattr(environment_module, "_reflections", lambda _: pytest.fail("not cached"))
    second = prefilter(radiance, tmp_path)
    for f in fields(Environment):
        before, after = getattr(first, f.name), getattr(second, f.name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    assert list(tmp_path.iterdir()) == [stored]
    monkeypatch.undo()
    prefilter(radiance * 2, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


# Textures


def wave(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return a smooth periodic pattern, different in u and v: [..., 3]."""
    u, v = 2 * np.pi * u, 2 * np.pi * v
    return np.stack([0.5 + 0.4 * np.cos(u), 0.5 + 0.4 * np.sin(v), 0.5 + 0.3 * np.sin(u + v)], -1)


def texture_grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    v, u = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width)
    return u.T, v.T


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 128), (48, 80)])
def test_repeated_texture_has_no_seam(height, width):
    pattern = wave(*texture_grid(height, width)).astype(np.float32)
    material = Material((1, 1, 1), roughness=1, texture=pattern)
    scenes = plain_scenes()
    light = 0.5
    surface = card(material, half=2, repeats=(3, 4))
    # Coordinates on both sides of 0, where the texture wraps around.
    surface = replace(surface, coordinates=surface.coordinates - np.float32([2, 1]))
    with RayCaster([surface], [constant(light)]) as caster:
        measured = radiance_of(caster.render(scenes, 200).images[0])
    rays = pixel_rays(scenes, 200, 200) * 2.6
    u, v = (rays[..., 0] + 2) / 4 * 4, (2 - rays[..., 1]) / 4 * 3
    assert len(np.unique(np.floor(u))) >= 2  # several repeats are in the picture
    assert len(np.unique(np.floor(v))) >= 2
    expected = light * (wave(u, v) + ROUGH_SHEEN)
    assert np.abs(measured - expected).max() < 0.02


def test_textures_share_one_array_without_mixing():
    patterns = [np.full((16, 16, 3), level, np.float32) for level in (0.2, 0.5, 0.9)]
    cards = [card(Material((1, 1, 1), 1.0, texture=p), repeats=(30, 30)) for p in patterns]
    scenes = plain_scenes(6)
    scenes.mesh[:, 0] = [0, 1, 2, 2, 1, 0]
    scenes.eye[:3, 2] = 12  # far away: small mip levels
    with RayCaster(cards, [constant(0.5)]) as caster:
        measured = radiance_of(caster.render(scenes, 9).images[:, 4, 4, 0])
    expected = 0.5 * (np.array([0.2, 0.5, 0.9, 0.9, 0.5, 0.2]) + ROUGH_SHEEN)
    np.testing.assert_allclose(measured, expected, rtol=0.03)


def test_mip_levels_turn_a_fine_pattern_into_its_mean():
    checks = (np.indices((64, 64)).sum(0) % 2).astype(np.float32)[..., None].repeat(3, -1)
    coarse = card(Material((1, 1, 1), 1.0, texture=checks), repeats=(40, 40))
    scenes = plain_scenes()
    scenes.eye[0, 2] = 4
    with RayCaster([coarse], [constant(0.5)]) as caster:
        rendering = caster.render(scenes, 96, masks=True)
    inside = radiance_of(rendering.images[0])[rendering.masks[0] == 1]
    assert inside.std() < 0.01
    assert inside.mean() == pytest.approx(0.5 * (0.5 + ROUGH_SHEEN), rel=0.03)


@pytest.mark.parametrize("shape", [(64, 64), (5, 12), (1, 8), (1, 1), (33, 7)])
def test_mip_levels_halve_down_to_one_texel(shape):
    levels = mip_levels(np.random.default_rng(0).random((*shape, 3)))
    sizes = [level.shape[:2] for level in levels]
    assert sizes[0] == shape
    assert sizes[-1] == (1, 1)
    for before, after in pairwise(sizes):
        assert after == tuple(max(1, n // 2) for n in before)  # what the kernel computes
    if shape == (64, 64):
        np.testing.assert_allclose(levels[-1][0, 0], levels[0].mean((0, 1)), rtol=1e-5)


# Reproducibility


@pytest.fixture(scope="module")
def assorted() -> tuple[list[Mesh], list[Environment], list[Material]]:
    """Several meshes, environments and materials."""
    pattern = wave(*texture_grid(32, 32)).astype(np.float32)
    meshes = [
        sphere(Material((0.7, 0.2, 0.1), 0.3), detail=3),
        box((-0.7, -0.5, -0.4), (0.7, 0.5, 0.4), Material((0.2, 0.6, 0.3), 0.6)),
        card(Material((0.9, 0.9, 0.9), 0.9, texture=pattern), repeats=(3, 2)),
        floor(3, Material((0.4, 0.4, 0.5), 0.8)),
    ]
    environments = [
        prefilter(np.abs(directions(32)) * 0.6),
        prefilter(np.clip(directions(32)[..., [1, 1, 2]], 0.05, None)),
    ]
    extra = [Material((0.9, 0.7, 0.2), 0.2, 1.0), Material((0.5, 0.5, 0.5), 0.8, 0, pattern)]
    return meshes, environments, extra


def assorted_scenes(count: int) -> Scenes:
    """Return scenes that differ in everything."""
    random = np.random.default_rng(5)
    scenes = Scenes.create(count, 3)
    scenes.mesh[:, 0] = random.integers(0, 3, count)
    scenes.mesh[:, 1] = random.integers(-1, 3, count)
    scenes.mesh[:, 2] = 3
    scenes.position[:, :2] = random.uniform(-0.5, 0.5, (count, 2, 3))
    scenes.position[:, 2, 1] = -1
    scenes.rotation[:, 0] = rotation_about("y", random.uniform(0, 360, count))
    scenes.scale[:, :2] = random.uniform(0.3, 0.8, (count, 2))
    scenes.label[:] = [1, 2, 0]
    scenes.material[:, 0, 0] = random.integers(-1, 2, count)
    scenes.light_direction[:] = random.uniform([-1, 0.3, -1], 1, (count, 3))
    scenes.light_softness[:] = random.uniform(0, 0.2, count)
    scenes.environment[:] = random.integers(0, 2, count)
    scenes.environment_rotation[:] = random.uniform(0, 6, count)
    scenes.aperture[:] = np.where(random.random(count) < 0.5, 0, 0.05)
    scenes.seed[:] = random.integers(0, 2**31, count)
    return scenes


def caster_of(assorted, threads: int | None = None, tracer: str | None = None) -> RayCaster:
    meshes, environments, extra = assorted
    return RayCaster(meshes, environments, extra_materials=extra, threads=threads, tracer=tracer)


def assert_same(first, second) -> None:
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.masks, second.masks)
    np.testing.assert_array_equal(first.depth, second.depth)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("tracer", TRACERS)
def test_bytes_depend_on_the_scene_alone(assorted, samples, tracer):
    count, size = 37, 32
    scenes = assorted_scenes(count)
    with caster_of(assorted, 1, tracer) as caster:
        whole = caster.render(scenes, size, samples=samples, masks=True, depth=True)
        assert len({image.tobytes() for image in whole.images}) == count
        order = np.random.default_rng(1).permutation(count)
        shuffled = caster.render(scenes[order], size, samples=samples, masks=True, depth=True)
        for name in ("images", "masks", "depth"):
            np.testing.assert_array_equal(
                getattr(whole, name)[order], getattr(shuffled, name), err_msg=name
            )
        # One launch with many meshes, materials and environments equals single renders.
        for i in range(0, count, 6):
            single = caster.render(scenes[i : i + 1], size, samples=samples, masks=True, depth=True)
            np.testing.assert_array_equal(single.images[0], whole.images[i])
            np.testing.assert_array_equal(single.masks[0], whole.masks[i])
            np.testing.assert_array_equal(single.depth[0], whole.depth[i])
    for threads in (2, 5):
        with caster_of(assorted, threads, tracer) as caster:
            assert_same(caster.render(scenes, size, samples=samples, masks=True, depth=True), whole)


@needs_embree
def test_embree_draws_what_warp_draws(assorted):
    """Up to single levels, and single pixels on edges."""
    scenes, renderings = assorted_scenes(30), []
    for tracer in (WARP, EMBREE):
        with caster_of(assorted, tracer=tracer) as caster:
            renderings.append(caster.render(scenes, 64, masks=True, depth=True))
            assert caster.traced_by.startswith(tracer)
    ours, theirs = renderings
    difference = np.abs(ours.images.astype(int) - theirs.images).max(-1)
    assert (difference > 1).mean() < 2e-4
    assert (ours.masks != theirs.masks).mean() < 2e-4
    both = np.isfinite(ours.depth) & (ours.masks == theirs.masks)
    assert (np.abs(ours.depth[both] - theirs.depth[both]) > 1e-3).mean() < 2e-4


def test_meshes_of_other_renders_do_not_matter(assorted):
    """A caster with one mesh and environment draws what the full one draws."""
    meshes, environments, _ = assorted
    scenes = assorted_scenes(4)[:1]
    scenes.mesh[0], scenes.material[:], scenes.environment[:] = [2, -1, -1], -1, 1
    with caster_of(assorted) as caster:
        expected = caster.render(scenes, 48, masks=True, depth=True)
    scenes.mesh[0, 0] = scenes.environment[0] = 0
    with RayCaster([meshes[2]], [environments[1]]) as caster:
        assert_same(caster.render(scenes, 48, masks=True, depth=True), expected)


def test_seed_decides_the_noise(assorted):
    scenes = assorted_scenes(1)[[0, 0, 0]]
    scenes.light_softness[:] = 0.2
    scenes.seed[:] = [3, 4, 3]
    with caster_of(assorted) as caster:
        noisy = caster.render(scenes, 48, samples=2, masks=True, depth=True)
        fine = caster.render(scenes, 48, samples=64).images.astype(int)
    assert not np.array_equal(noisy.images[0], noisy.images[1])
    np.testing.assert_array_equal(noisy.images[0], noisy.images[2])
    np.testing.assert_array_equal(noisy.masks[0], noisy.masks[1])
    np.testing.assert_array_equal(noisy.depth[0], noisy.depth[1])
    # More samples converge to the same picture.
    few = np.abs(noisy.images[0].astype(int) - noisy.images[1]).mean()
    assert np.abs(fine[0] - fine[1]).mean() < 0.5 * few


def test_no_scene_is_no_error(assorted):
    with caster_of(assorted) as caster:
        rendering = caster.render(assorted_scenes(1)[:0], (8, 12))
    assert rendering.images.shape == (0, 8, 12, 3)


def test_unknown_device_is_a_user_error(grey_light):
    with pytest.raises(UserError, match="no device 'abacus'; it has: cpu"):
        RayCaster([sphere()], [grey_light], device="abacus")


ONE_RENDER = """
import hashlib, sys
import numpy as np
from simtailor.assets.mesh import Material, box
from simtailor.render.raycast.caster import RayCaster, use_kernel_cache
from simtailor.render.raycast.environment import prefilter
from simtailor.render.raycast.scenes import Scenes

cache = sys.argv[1]
use_kernel_cache(cache + "/kernels")
light = prefilter(np.full((32, 64, 3), 0.3, np.float32), cache)
with RayCaster([box((-1, -1, -1), (1, 1, 1), Material((1, 0, 0)))], [light]) as caster:
    images = caster.render(Scenes.create(2), 32).images
print(hashlib.sha256(images.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_share_an_empty_cache(tmp_path):
    command = [sys.executable, "-c", ONE_RENDER, str(tmp_path)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    results = [process.communicate(timeout=120) for process in started]
    for process, (_, errors) in zip(started, results, strict=True):
        assert process.returncode == 0, errors
    outputs = {output for output, _ in results}
    assert len(outputs) == 1
    assert list((tmp_path / "kernels").rglob("*.o"))
    assert len(list(tmp_path.glob("environment-*.npz"))) == 1
    assert not list(tmp_path.glob(".*staging*"))
    # A third finds all of it there and prints nothing but the result.
    third = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert third.stdout in outputs
