"""Solids that procedural objects are made of: flat where flat, smooth where smooth."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from simtailor.assets.mesh import Material, Mesh, join, moved
from simtailor.assets.shapes import (
    block,
    centred,
    curve,
    ellipsoid,
    extruded,
    hull,
    lofted,
    revolved,
    rod,
    shaded,
    stretched,
    turned,
)

GREY = Material((0.5, 0.5, 0.5))


def as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces)  # merges vertices at one place


def test_a_block_has_six_flat_sides():
    mesh = block((1, 2, 3), GREY, centre=(0, 1, 0))
    np.testing.assert_allclose(np.abs(mesh.normals).max(1), 1, atol=1e-6)
    assert as_trimesh(mesh).is_watertight
    assert as_trimesh(mesh).volume == pytest.approx(6, rel=1e-5)
    np.testing.assert_allclose(mesh.vertices.min(0), [-0.5, 0, -1.5], atol=1e-6)


def test_a_bevelled_block_keeps_its_size_and_loses_its_corners():
    mesh = block((1, 1, 1), GREY, bevel=0.2)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), 1, atol=1e-5)
    assert np.linalg.norm(mesh.vertices, axis=1).max() < 0.75  # sqrt(3) / 2 before


def test_a_bevel_wider_than_the_block_is_kept_inside():
    mesh = block((1, 0.1, 1), GREY, bevel=0.2)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [1, 0.1, 1], atol=2e-3)


def test_an_ellipsoid_is_smooth():
    ball = ellipsoid((1, 1, 1), GREY, fine=True)
    np.testing.assert_allclose((ball.vertices * ball.normals).sum(1), 1, atol=5e-3)


def test_creases_split_normals_at_sharp_edges_only():
    can = revolved([(0, 0), (1, 0), (1, 2), (0, 2)], GREY, sections=64)
    upright = np.abs(can.normals[:, 1])
    assert ((upright < 1e-5) | (upright > 1 - 1e-5)).all()
    side = upright < 0.5
    radial = can.vertices[side][:, [0, 2]]
    np.testing.assert_allclose((radial * can.normals[side][:, [0, 2]]).sum(1), 1, atol=2e-3)


def test_normals_point_outwards():
    for mesh in (
        block((1, 1, 1), GREY),
        ellipsoid((1, 2, 3), GREY),
        revolved([(0, 0), (1, 0), (1, 2), (0, 2)], GREY),
        rod([(0, 0, 0), (0, 3, 0)], 0.5, GREY),
        hull(np.eye(3).tolist() + (-np.eye(3)).tolist(), GREY),
    ):
        middle = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
        assert (((mesh.vertices - middle) * mesh.normals).sum(1) > 0).all()


@pytest.mark.parametrize("flatten", [1.0, 0.5])
def test_a_rod_keeps_its_radius_round_bends_in_space(flatten):
    t = np.linspace(0, 2, 60)
    path = np.stack([np.cos(3 * t), t, np.sin(3 * t)], -1)
    mesh = rod(path, 0.05, GREY, sides=16, flatten=flatten)
    distances = np.linalg.norm(mesh.vertices[:, None] - path[None], axis=-1).min(1)
    assert distances.max() < 0.052
    assert as_trimesh(mesh).is_watertight


def test_a_curve_goes_through_its_points():
    points = [(0, 0), (1, 2), (3, 1)]
    found = curve(points, 41)
    for point in points:
        assert np.linalg.norm(found - point, axis=1).min() < 1e-9


def test_extruded_outlines_and_open_lofts():
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.stack([np.cos(angle), np.sin(angle)], -1) * (2 + np.cos(5 * angle))[:, None]
    plate = extruded(outline, 0.5, GREY)
    assert as_trimesh(plate).is_watertight
    assert np.ptp(plate.vertices[:, 2]) == pytest.approx(0.5)
    rings = np.stack([np.stack([np.cos(angle), 0 * angle + y, np.sin(angle)], -1) for y in (0, 1)])
    assert len(lofted(rings, GREY, ends=False).faces) == 48
    assert not as_trimesh(lofted(rings, GREY, ends=False)).is_watertight


def test_projected_textures_repeat_once_a_metre():
    mesh = block((2, 3, 4), GREY)
    assert mesh.texture_density == pytest.approx(1, rel=1e-5)


def test_given_coordinates_are_kept_where_faces_share_a_place():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0.0]])
    coordinates = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]])
    mesh = shaded(vertices, [[0, 1, 2], [4, 3, 2]], GREY, coordinates=coordinates)
    corner = mesh.coordinates[mesh.faces]
    np.testing.assert_allclose(corner, coordinates[[[0, 1, 2], [4, 3, 2]]])


def test_faces_without_area_are_left_out():
    mesh = shaded([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0]], [[0, 1, 2], [0, 1, 3]], GREY)
    assert len(mesh.faces) == 1
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-6)


def test_turning_and_stretching_turn_normals_too():
    ball = ellipsoid((1, 1, 1), GREY)
    flat = stretched(ball, (1, 0.2, 1))
    np.testing.assert_allclose(np.linalg.norm(flat.normals, axis=1), 1, atol=1e-5)
    expected = flat.vertices / np.array([1, 0.04, 1])  # the gradient of the ellipsoid
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert ((expected * flat.normals).sum(1) > 0.99).all()
    plate = turned(block((2, 0.1, 1), GREY), "z", 90)
    np.testing.assert_allclose(np.ptp(plate.vertices, axis=0), [0.1, 2, 1], atol=1e-5)
    np.testing.assert_allclose(np.abs(plate.normals).max(1), 1, atol=1e-5)


def test_centred_moves_the_bounding_box():
    mesh = centred(join(block((1, 1, 1), GREY), moved(block((1, 1, 1), GREY), (5, 2, 0))))
    np.testing.assert_allclose(mesh.vertices.min(0) + mesh.vertices.max(0), 0, atol=1e-5)
