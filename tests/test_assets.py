"""Built-in meshes: sound geometry, real sizes, no seams."""

from __future__ import annotations

import numpy as np
import pytest

from simtailor.assets.environments import sky, soft_room
from simtailor.assets.mesh import (
    Material,
    Mesh,
    box,
    grid_surface,
    join,
    loft,
    moved,
    smooth_normals,
    tube,
)
from simtailor.assets.tabletop import OBJECT_NAMES, room, tabletop_objects
from simtailor.render.raycast.environment import directions
from simtailor.render.raycast.uploads import mip_levels

GREY = Material((0.5, 0.5, 0.5))
# Width, height and length in metres, to 15 %: ordinary household things.
SIZES = {
    "slipper": (0.10, 0.07, 0.27),
    "box": (0.146, 0.071, 0.206),
    "basket": (0.185, 0.21, 0.245),
    "bowl": (0.16, 0.071, 0.16),
    "mug": (0.09, 0.097, 0.127),
}


def meshes() -> dict[str, Mesh]:
    return {**tabletop_objects(), "room": room()}


def triangle_normals(mesh: Mesh) -> np.ndarray:
    """Return the cross products of the edges: [F, 3], twice the area long."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    return np.cross(b - a, c - a)


@pytest.fixture(params=[*OBJECT_NAMES, "room"])
def mesh(request) -> Mesh:
    return meshes()[request.param]


def test_objects_come_in_the_published_order():
    assert tuple(tabletop_objects()) == OBJECT_NAMES == ("slipper", "box", "basket", "bowl", "mug")


def test_arrays_are_finite_and_consistent(mesh):
    count = len(mesh.vertices)
    assert mesh.vertices.shape == mesh.normals.shape == (count, 3)
    assert mesh.coordinates.shape == (count, 2)
    assert mesh.faces.shape == (len(mesh.face_materials), 3)
    for values in (mesh.vertices, mesh.normals, mesh.coordinates):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    assert mesh.faces.dtype == mesh.face_materials.dtype == np.int32
    assert mesh.faces.min() == 0
    assert mesh.faces.max() == count - 1
    assert mesh.face_materials.min() == 0
    assert mesh.face_materials.max() == len(mesh.materials) - 1


def test_normals_are_unit_vectors(mesh):
    used = np.unique(mesh.faces[np.linalg.norm(triangle_normals(mesh), axis=1) > 1e-12])
    np.testing.assert_allclose(np.linalg.norm(mesh.normals[used], axis=1), 1, atol=1e-4)
    lengths = np.linalg.norm(mesh.normals, axis=1)
    assert ((np.abs(lengths - 1) < 1e-4) | (lengths < 1e-6)).all()


def test_normals_agree_with_the_triangles(mesh):
    """Shading normals lie on their triangle's side; a crease may bend them by 90 degrees."""
    flat = triangle_normals(mesh)
    area = np.linalg.norm(flat, axis=1)
    good = area > 1e-12
    cosine = np.einsum("fi,fci->fc", flat[good], mesh.normals[mesh.faces[good]]) / area[good, None]
    assert np.average(cosine.min(1) > -0.05, weights=area[good]) > 0.99


def test_bounding_boxes_and_areas_are_not_degenerate(mesh):
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    assert (high - low > 0.02).all()
    area = np.linalg.norm(triangle_normals(mesh), axis=1) / 2
    assert (area > 0).mean() > 0.8  # fans and lofts close on a point
    assert mesh.texture_density > 0


def test_materials_are_physical(mesh):
    for material in mesh.materials:
        assert all(0 <= c <= 1 for c in material.base_colour)
        assert 0 <= material.roughness <= 1
        assert 0 <= material.metallic <= 1
        if material.texture is not None:
            assert material.texture.dtype == np.float32
            assert np.isfinite(material.texture).all()
            assert material.texture.min() >= 0
            assert material.texture.max() <= 2
            assert 0.3 < material.texture.mean() < 1.1


@pytest.mark.parametrize("name", OBJECT_NAMES)
def test_objects_have_real_sizes_and_stand_on_the_table(name):
    vertices = tabletop_objects()[name].vertices
    size = np.ptp(vertices, axis=0)
    np.testing.assert_allclose(size, SIZES[name], rtol=0.15)
    assert abs(vertices[:, 1].min()) < 0.002
    middle = (vertices.min(0) + vertices.max(0))[[0, 2]] / 2
    assert np.abs(middle).max() < 0.02  # on the axis, but for the mug's handle


def test_room_has_its_table_top_at_zero_and_is_closed():
    shell = room()
    low, high = shell.vertices.min(0), shell.vertices.max(0)
    assert low[1] < -0.7
    assert high[1] > 2
    table_top = [i for i, m in enumerate(shell.materials) if m is shell.materials[0]]
    table = shell.vertices[np.unique(shell.faces[np.isin(shell.face_materials, table_top)])]
    assert table[:, 1].max() == 0
    assert np.abs(table[:, 0]).max() == pytest.approx(0.5)
    assert (high - low)[[0, 2]].min() > 3.9


@pytest.mark.parametrize("exponent", [2.0, 4.5, 6.0])
@pytest.mark.parametrize("segments", [32, 97, 208])
def test_loft_has_no_seam(exponent, segments):
    profile = [(0.05, 0.0), (0.0, 0.0), (0.0, 0.1), (0.01, 0.2)]
    vessel = loft(0.05, 0.08, profile, GREY, exponent=exponent, segments=segments)
    points = vessel.vertices.reshape(len(profile), segments + 1, 3)
    normals = vessel.normals.reshape(points.shape)
    np.testing.assert_allclose(points[:, 0], points[:, -1], atol=1e-7)
    np.testing.assert_allclose(normals[:, 0], normals[:, -1], atol=1e-5)
    coordinates = vessel.coordinates.reshape(len(profile), segments + 1, 2)
    np.testing.assert_allclose(coordinates[:, -1, 0] - coordinates[:, 0, 0], 1, rtol=1e-6)
    # Closed at the axis, and as wide and long as asked.
    np.testing.assert_allclose(points[0], 0, atol=1e-7)
    np.testing.assert_allclose(np.abs(points[1:3]).max((0, 1))[0], 0.05, rtol=1e-5)
    np.testing.assert_allclose(np.abs(points[1:3, :, 2]).max(), 0.08, rtol=0.01)


def test_loft_of_the_basket_keeps_its_relief_closed():
    weave = loft(
        0.05,
        0.05,
        [(0.0, 0.0), (0.0, 0.1)],
        GREY,
        relief=lambda row, turn: 0.002 * np.sign(np.sin(2 * np.pi * turn * 26)),
        segments=208,
    )
    points = weave.vertices.reshape(2, 209, 3)
    assert np.linalg.norm(points[:, 0] - points[:, -1], axis=1).max() < 0.0025


@pytest.mark.parametrize("name", ["box", "bowl", "mug"])
def test_vessels_are_watertight(name):
    """Every edge between different places belongs to an even number of triangles."""
    mesh = tabletop_objects()[name]
    _, place = np.unique(np.round(mesh.vertices, 5), axis=0, return_inverse=True)
    faces = place.reshape(-1)[mesh.faces]
    faces = faces[
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    ]
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts % 2 == 1).mean() < 0.02


def test_sphere_by_loft_has_radial_normals():
    angle = np.linspace(0, np.pi, 40)
    profile = [(1 - np.sin(a), -np.cos(a)) for a in angle]
    ball = loft(1, 1, profile, GREY)
    np.testing.assert_allclose(np.linalg.norm(ball.vertices, axis=1), 1, atol=1e-5)
    cosine = np.abs((ball.vertices * ball.normals).sum(1))
    assert cosine.min() > 0.995


def test_tube_keeps_its_radius():
    angle = np.linspace(0, np.pi, 60)
    path = np.stack([0.1 * np.cos(angle), 0.1 * np.sin(angle), 0 * angle], -1)
    handle = tube(path, 0.01, GREY, sides=12)
    rings = handle.vertices.reshape(60, 13, 3)
    np.testing.assert_allclose(np.linalg.norm(rings - path[:, None], axis=-1), 0.01, rtol=1e-3)
    np.testing.assert_allclose(rings[:, 0], rings[:, -1], atol=1e-7)


def test_smooth_normals_share_places():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, -1.0]])
    faces = np.array([[0, 1, 2], [3, 5, 4]])
    normals = smooth_normals(vertices, faces)
    np.testing.assert_allclose(normals[0], [0, 0, 1])
    np.testing.assert_allclose(normals[1], normals[3])
    np.testing.assert_allclose(normals[2], normals[4])


def test_texture_density_is_repeats_a_metre():
    x, y = np.meshgrid([0, 2.0], [0, 0.5])
    plane = grid_surface(np.stack([x, y, 0 * x], -1), GREY, (1, 4))
    assert plane.texture_density == pytest.approx(2.0)


def test_join_and_move_keep_each_part():
    red = Material((1, 0, 0))
    first = box((0, 0, 0), (1, 1, 1), GREY)
    second = moved(box((0, 0, 0), (1, 1, 1), red), (3, 0, 0))
    both = join(first, second)
    assert both.materials == (GREY, red)
    np.testing.assert_array_equal(both.face_materials, [0] * 12 + [1] * 12)
    corners = both.vertices[both.faces[both.face_materials == 1]]
    assert corners[..., 0].min() == 3
    assert both.with_material(red).materials == (red,)
    # All sides of a box face outwards or all inwards, and cover it.
    flat = triangle_normals(first)
    assert np.abs(flat).sum() / 2 == pytest.approx(6)


def test_mip_levels_keep_the_mean_of_every_texture():
    for mesh in meshes().values():
        for material in mesh.materials:
            if material.texture is None:
                continue
            levels = mip_levels(material.texture)
            assert levels[-1].shape == (1, 1, 3)
            for level in levels:
                np.testing.assert_allclose(
                    level.mean((0, 1)), material.texture.mean((0, 1)), rtol=1e-4
                )


def test_textures_tile():
    """The step across the border is no larger than steps inside."""
    for mesh in meshes().values():
        for material in mesh.materials:
            if material.texture is None:
                continue
            for axis in (0, 1):
                texture = material.texture.mean(-1)
                inside = np.abs(np.diff(texture, axis=axis)).max()
                border = np.abs(texture.take(0, axis) - texture.take(-1, axis)).max()
                assert border <= 1.2 * inside


@pytest.mark.parametrize("made", [soft_room(32), sky(64), sky(64, sun_elevation=5, haze=1.0)])
def test_environments_are_radiance_maps(made):
    assert made.dtype == np.float32
    assert made.shape[1] == 2 * made.shape[0]
    assert np.isfinite(made).all()
    assert made.min() >= 0
    assert 0.05 < made.mean() < 3


def test_sun_stands_where_asked():
    made = sky(128, sun_elevation=30, sun_azimuth=100).sum(-1)
    brightest = directions(128).reshape(-1, 3)[made.argmax()]
    elevation, azimuth = np.radians([30, 100])
    expected = [
        np.cos(elevation) * np.cos(azimuth),
        np.sin(elevation),
        np.cos(elevation) * np.sin(azimuth),
    ]
    assert np.degrees(np.arccos(np.clip(brightest @ expected, -1, 1))) < 2
