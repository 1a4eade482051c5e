"""The meshes and the environment of a stage, made or read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simtailor.assets.environments import built_in_skies, soft_room
from simtailor.assets.mesh import Material, Mesh, grid_surface
from simtailor.assets.model_files import read_model_file
from simtailor.assets.model_parts import ModelError, linear
from simtailor.assets.packs.poly_haven import read_environment, resized
from simtailor.assets.procedural.catalogue import procedural_model
from simtailor.assets.shapes import rotated, stretched, turned
from simtailor.assets.tabletop import OBJECT_NAMES, room, tabletop_objects
from simtailor.assets.textures import read_picture, texture_of
from simtailor.errors import UserError, nearest_name
from simtailor.render.embedded.stage_file import (
    Stage,
    StageEnvironment,
    StageGround,
    StageObject,
)
from simtailor.render.embedded.symmetry import measured_symmetry
from simtailor.render.raycast.scenes import rotation_about

PLAUSIBLE = 0.001, 50.0  # metres of an object's longest side
GROUND_TEXELS = 1024  # of a ground's picture along its longer side, at most
WITHOUT_UPRIGHT_Y = (".stl", ".ply")  # formats of makers and scanners, for whom z points up
# What turns a model's axis up.
UPRIGHT = {
    "y": np.eye(3),
    "-y": rotation_about("x", 180),
    "z": rotation_about("x", -90),
    "-z": rotation_about("x", 90),
    "x": rotation_about("z", 90),
    "-x": rotation_about("z", -90),
}


@dataclass(frozen=True, eq=False)
class StageAssets:
    """What stands on a stage.

    Attributes:
        objects: in the order of the stage's classes; the middle of their height is at 0.
        symmetries: of each, ``none``, ``half_turn`` or ``any_turn``.
        grounds: meshes whose faces 0 and 1 are their clear top at height 0, or None.
        smooth: whether each ground is of one colour.
        environments: radiance of each, float32 [H, 2 H, 3].
    """

    objects: list[Mesh]
    symmetries: list[str]
    grounds: list[Mesh | None]
    smooth: list[bool]
    environments: list[np.ndarray]


def load_stage(stage: Stage, report: Callable[[str], None]) -> StageAssets:
    """Return what stands on a stage.

    Args:
        report: is told what of the models is not drawn as it was meant.

    Raises:
        UserError: a file cannot be read, or a model's size is not in metres.
    """
    objects, symmetries = [], []
    for name, thing in stage.objects.items():
        mesh = _of_file(name, thing, report) if thing.file is not None else _built_in(thing)
        mesh = _turned_about_its_middle(mesh, thing)
        objects.append(mesh)
        measured = thing.symmetry == "measured"
        symmetries.append(measured_symmetry(mesh) if measured else thing.symmetry)
        if measured and thing.file is not None:
            report(f"{thing.file}: symmetry {symmetries[-1]}")
    return StageAssets(
        objects,
        symmetries,
        [_ground(ground) for ground in stage.all_grounds],
        [ground.picture is None for ground in stage.all_grounds],
        _of_one_size([_radiance(around) for around in stage.all_environments]),
    )


def _of_one_size(environments: list[np.ndarray]) -> list[np.ndarray]:
    height = max(len(radiance) for radiance in environments)
    return [r if len(r) == height else resized(r, height) for r in environments]


def _built_in(thing: StageObject) -> Mesh:
    name = str(thing.built_in)
    mesh = tabletop_objects()[name] if name in OBJECT_NAMES else procedural_model(name).mesh
    mesh = rotated(mesh, UPRIGHT[thing.up]) if thing.up else mesh
    return mesh if thing.length is None else _long(mesh, thing.length)


def _turned_about_its_middle(mesh: Mesh, thing: StageObject) -> Mesh:
    """Return a mesh that its pose turns about the middle of its height, and of a file's box."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    middle = (low + high) / 2
    if thing.file is None:  # these were made around their axes
        middle[[0, 2]] = 0
    mesh = replace(mesh, vertices=mesh.vertices - middle)
    return turned(mesh, "y", -thing.turn) if thing.turn else mesh


def _of_file(name: str, thing: StageObject, report: Callable[[str], None]) -> Mesh:
    path = Path(str(thing.file))
    try:
        model = read_model_file(path)
    except ModelError as error:
        raise UserError(f"{path}: {error}") from error.__cause__
    for note in model.notes:
        report(f"{path}: {note}")
    up = thing.up or ("z" if path.suffix.lower() in WITHOUT_UPRIGHT_Y else "y")
    mesh = rotated(model.mesh, UPRIGHT[up])
    if thing.length is not None:
        return _long(mesh, thing.length)
    longest = float(np.ptp(mesh.vertices, axis=0).max())
    if not PLAUSIBLE[0] <= longest <= PLAUSIBLE[1]:
        raise UserError(
            f"{path}: its longest side is {longest:.4g} m if its unit is the metre. Give "
            f"'length', in metres, for the object '{name}' of the stage."
        )
    return mesh


def _long(mesh: Mesh, length: float) -> Mesh:
    return stretched(mesh, np.full(3, length / np.ptp(mesh.vertices, axis=0).max()))


def _ground(ground: StageGround) -> Mesh | None:
    if ground.kind == "none":
        return None
    if ground.kind == "table":
        return room()
    width, depth = ground.size
    texture = None
    if ground.picture is not None:
        try:
            texture = texture_of(read_picture(Path(ground.picture)), GROUND_TEXELS)
        except ModelError as error:
            raise UserError(f"the stage's ground: {error}") from error
    shown = np.array([int(ground.colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    material = Material(tuple(linear(shown)), ground.roughness, texture=texture)
    x, z = np.meshgrid([-width / 2, width / 2], [-depth / 2, depth / 2])
    repeats = depth / ground.picture_width, width / ground.picture_width
    if texture is not None:  # the picture keeps its shape
        repeats = repeats[0] * texture.shape[1] / texture.shape[0], repeats[1]
    flat = grid_surface(np.stack([x, np.zeros_like(x), z], -1), material, repeats)
    return replace(flat, clear_top=True)


def _radiance(environment: StageEnvironment) -> np.ndarray:
    if environment.file is not None:
        return read_environment(environment.file)
    if environment.built_in in (None, "soft_room"):
        return soft_room()
    skies = {sky.name: sky.radiance for sky in built_in_skies()}
    name = str(environment.built_in)
    if name not in skies:
        known = ["soft_room", *skies]
        raise UserError(
            f"the stage's environment: there is no '{name}'.{nearest_name(name, known)} Known: "
            f"{', '.join(known)}."
        )
    return skies[name]
