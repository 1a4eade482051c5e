"""Models of too many triangles are simplified and still look like themselves."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from simtailor.assets.content import Model
from simtailor.assets.decimation import decimated
from simtailor.assets.mesh import Material
from simtailor.assets.model_files import read_model_file
from simtailor.assets.model_parts import Part, put_together
from simtailor.figures.assets import render_models


def chequered() -> Image.Image:
    """Return a picture of large squares in four colours: seams and places are plain to see."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32], pixels[:32, 32:] = (230, 40, 40), (40, 60, 220)
    pixels[32:, :32], pixels[32:, 32:] = (240, 220, 50), (30, 140, 50)
    return Image.fromarray(pixels)


def globe(path, rows: int = 80) -> int:
    """Write a textured ball with a seam and two poles; return its number of triangles."""
    longitude, latitude = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0.02, 0.98, rows))
    turn, tilt = 2 * np.pi * longitude, np.pi * latitude
    places = np.stack([np.sin(tilt) * np.cos(turn), np.cos(tilt), np.sin(tilt) * np.sin(turn)], -1)
    index = np.arange(rows * rows).reshape(rows, rows)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)
    flat = np.stack([longitude, 1 - latitude], -1).reshape(-1, 2)
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=chequered(), roughnessFactor=0.9, metallicFactor=0.0
    )
    visual = trimesh.visual.TextureVisuals(uv=flat, material=material)
    trimesh.Trimesh(places.reshape(-1, 3), faces, visual=visual, process=False).export(path)
    return len(faces)


def test_a_textured_model_looks_the_same_with_a_tenth_of_its_triangles(tmp_path):
    count = globe(tmp_path / "globe.glb")
    fine = read_model_file(tmp_path / "globe.glb")
    few = read_model_file(tmp_path / "globe.glb", maximum_faces=count // 10)
    assert fine.notes == ()
    assert len(few.mesh.faces) <= count // 10
    assert any(f"{count} triangles were simplified" in note for note in few.notes)
    pair = [Model("fine", fine.mesh), Model("few", few.mesh)]
    (pictures,) = render_models([pair], 96, tmp_path, "cpu")
    difference = np.abs(pictures[0].astype(int) - pictures[1].astype(int)).mean(-1)
    assert difference.mean() < 4  # of 255: along edges of the squares
    assert (difference > 60).mean() < 0.03
    # Simplified twice, it is the same to the byte.
    again = read_model_file(tmp_path / "globe.glb", maximum_faces=count // 10).mesh
    np.testing.assert_array_equal(few.mesh.vertices, again.vertices)
    np.testing.assert_array_equal(few.mesh.coordinates, again.coordinates)


def two_halves() -> list[Part]:
    """Return a ball whose upper half is red and lower half blue, in another unit, far away."""
    ball = trimesh.creation.icosphere(subdivisions=5)
    upper = ball.triangles_center[:, 1] > 0
    places = ball.vertices * 250 + [1e5, 0, 0]
    return [
        Part(places, ball.faces[upper], Material((1, 0, 0))),
        Part(places, ball.faces[~upper], Material((0, 0, 1))),
    ]


def test_parts_keep_their_materials_and_no_gap_opens():
    parts = decimated(two_halves(), 1000)
    mesh = put_together(parts, 1000)
    assert len(mesh.faces) <= 1000
    heights = mesh.vertices[mesh.faces].mean(1)[:, 1]
    reds = np.array([m.base_colour[0] for m in mesh.materials])[mesh.face_materials]
    assert ((heights > 0) == (reds == 1))[np.abs(heights) > 30].all()
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    whole.merge_vertices(merge_tex=True, merge_norm=True, digits_vertex=3)
    assert whole.is_watertight
    assert whole.volume == pytest.approx(4 / 3 * np.pi * 250**3, rel=0.03)


def test_colours_of_vertices_and_of_faces_stay_in_place():
    ball = trimesh.creation.icosphere(subdivisions=5)
    of_vertices = (ball.vertices + 1) / 2
    of_faces = (ball.triangles_center + 1) / 2
    for colours, flag in ((of_vertices, False), (of_faces, True)):
        part = Part(ball.vertices, ball.faces, Material((1, 1, 1)), None, colours, flag)
        (few,) = decimated([part], 2000)
        at = few.vertices if not flag else few.vertices[few.faces].mean(1)
        np.testing.assert_allclose(few.colours, (at + 1) / 2, atol=0.06)


def test_a_large_triangle_near_many_small_ones_keeps_its_material():
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.1)
    wall = np.array([[-9, -0.1, -9], [9, -0.1, -9], [-9, -0.1, 9], [9, -0.1, 9]])
    parts = [
        Part(ball.vertices, ball.faces, Material((1, 0, 0))),
        Part(wall, np.array([[0, 2, 1], [1, 2, 3]]), Material((0, 1, 0))),
    ]
    few = decimated(parts, 2000)
    green = next(part for part in few if part.material.base_colour == (0, 1, 0))
    assert trimesh.triangles.area(green.vertices[green.faces]).sum() == pytest.approx(324, rel=0.01)


def test_triangles_that_are_not_joined_become_fewer_too():
    ball = trimesh.creation.icosphere(subdivisions=5)
    centres = ball.triangles_center[:, None]
    apart = (centres + 0.9 * (ball.triangles - centres)).reshape(-1, 3)
    part = Part(apart, np.arange(len(apart)).reshape(-1, 3), Material((1, 0, 0)))
    (few,) = decimated([part], 3000)
    assert 300 < len(few.faces) <= 3000
    np.testing.assert_allclose(np.ptp(few.vertices, axis=0), 2, atol=0.2)
