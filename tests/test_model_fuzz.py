"""Random models written by trimesh are read back as they are; damaged ones end in a ModelError."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simtailor.assets.mesh import Mesh
from simtailor.assets.model_files import ModelError, read_model_file
from simtailor.assets.model_parts import linear

FORMATS = ("obj", "gltf", "glb", "ply", "stl")
COLOURED = ("obj", "gltf", "glb", "ply")
QUICK = settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def solid(seed: int) -> trimesh.Trimesh:
    """Return a random small solid of one colour."""
    random = np.random.default_rng(seed)
    makers = (
        lambda: trimesh.creation.box(extents=random.uniform(0.2, 3, 3)),
        lambda: trimesh.creation.icosphere(subdivisions=1, radius=random.uniform(0.2, 2)),
        lambda: trimesh.creation.cylinder(radius=random.uniform(0.1, 1), height=2, sections=9),
        lambda: trimesh.creation.cone(radius=random.uniform(0.2, 1), height=1.5, sections=7),
    )
    mesh = makers[random.integers(len(makers))]()
    mesh.visual.vertex_colors = [*random.integers(0, 256, 3), 255]
    return mesh


def placed(seed: int) -> np.ndarray:
    """Return a random placement: turned, stretched evenly, moved, mirrored in half of the cases."""
    random = np.random.default_rng(seed)
    matrix = trimesh.transformations.random_rotation_matrix(random.random(3))
    matrix[:3, :3] *= random.uniform(0.3, 3)
    if random.random() < 0.5:
        matrix[:3, 0] *= -1
    matrix[:3, 3] = random.uniform(-5, 5, 3)
    return matrix


def scene_of(seeds: list[int]) -> trimesh.Scene:
    """Return a scene of solids, each below the one before, the first there twice."""
    scene = trimesh.Scene()
    for index, seed in enumerate(seeds):
        above = f"n{index - 1}" if index else None
        scene.add_geometry(solid(seed), node_name=f"n{index}", geom_name=f"g{index}",
                           parent_node_name=above, transform=placed(seed))  # fmt: skip
    scene.graph.update(frame_to="again", matrix=placed(seeds[0] + 1), geometry="g0")
    return scene


def write(scene: trimesh.Scene, folder: Path, kind: str) -> Path:
    path = folder / f"a.{kind}"
    whole = scene if kind in ("gltf", "glb") else scene.to_geometry()
    content = whole.export(file_type=kind)
    files = content if isinstance(content, dict) else {path.name: content}
    for name, data in files.items():
        name = path.name if name == "model.gltf" else name  # noqa: PLW2901
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def signed_volume(mesh: Mesh) -> float:
    a, b, c = (np.float64(mesh.vertices)[mesh.faces[:, i]] for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def area(mesh: Mesh) -> np.ndarray:
    a, b, c = (np.float64(mesh.vertices)[mesh.faces[:, i]] for i in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def mean_colour(mesh: Mesh) -> np.ndarray:
    colours = np.array([m.base_colour for m in mesh.materials])[mesh.face_materials]
    return (colours * area(mesh)[:, None]).sum(0) / area(mesh).sum()


@pytest.mark.parametrize("kind", FORMATS)
@QUICK
@given(seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=4))
def test_what_is_written_is_read_back(kind, seeds):
    scene = scene_of(seeds)
    whole = scene.to_geometry()
    with tempfile.TemporaryDirectory() as folder:
        mesh = read_model_file(write(scene, Path(folder), kind)).mesh
    size = whole.extents.max()
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), whole.extents, atol=1e-4 * size)
    assert area(mesh).sum() == pytest.approx(whole.area, rel=2e-3)
    # Of the right sign: mirrored parts are not inside out.
    assert signed_volume(mesh) == pytest.approx(whole.volume, rel=5e-3, abs=1e-4 * size**3)
    if kind in COLOURED:
        given = whole.visual.face_colors[:, :3] / 255
        given = given if kind in ("gltf", "glb") else linear(given)  # linear in glTF
        wanted = (given * whole.area_faces[:, None]).sum(0) / whole.area
        np.testing.assert_allclose(mean_colour(mesh), wanted, atol=0.02)


@pytest.mark.parametrize("kind", FORMATS)
@QUICK
@given(
    seed=st.integers(0, 50),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=6),
)
def test_damaged_files_are_read_or_named(kind, seed, cut, flips):
    with tempfile.TemporaryDirectory() as folder:
        path = write(scene_of([seed]), Path(folder), kind)
        content = bytearray(path.read_bytes())
        for place, mask in flips:
            content[min(int(place * len(content)), len(content) - 1)] ^= mask
        if not flips:
            content = content[: int(cut * len(content))]
        path.write_bytes(content)
        try:
            mesh = read_model_file(path).mesh
        except ModelError as error:
            assert "\n" not in str(error)
            return
    for values in (mesh.vertices, mesh.normals, mesh.coordinates):
        assert np.isfinite(values).all()
    assert np.isfinite([m.base_colour for m in mesh.materials]).all()
    assert len(mesh.faces) == len(mesh.face_materials) > 0
    assert mesh.face_materials.max() < len(mesh.materials)
