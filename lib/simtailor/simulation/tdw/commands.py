"""ThreeDWorld's commands for what an image shows, under the names of version 1.13."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from simtailor.simulation.tdw.records import Asset
from simtailor.simulation.tdw.sampler import ALL_IN_FOCUS, EYE, Shots

AVATAR = "a"
Command = dict[str, Any]


def of_start(size: int, signed_addresses: bool) -> list[Command]:
    """Return what makes a build ready, as published, but for images that are not lossy.

    Args:
        size: pixels of the square image.
        signed_addresses: whether models are fetched that need a key.
    """
    return [
        *([_command("use_pre_signed_urls", value=True)] if signed_addresses else []),
        _command("load_scene", scene_name="ProcGenScene"),
        _command("create_avatar", type="A_Img_Caps_Kinematic", id=AVATAR),
        _command("simulate_physics", value=False),
        _command("set_img_pass_encoding", value=True),
        _command("set_camera_clipping_planes", avatar_id=AVATAR, near=0.01, far=160),
        _command("set_anti_aliasing", avatar_id=AVATAR, mode="subpixel"),
        _command("set_aperture", aperture=ALL_IN_FOCUS),
        _command("set_vignette", enabled=False),
        _command("set_post_exposure", post_exposure=0.6),
        _command("set_contrast", contrast=-20),
        _command("set_saturation", saturation=10),
        _command("set_screen_space_reflections", enabled=False),
        _command("set_shadow_strength", strength=1.0),
        _command("set_render_quality", render_quality=5),
        _command("set_screen_size", width=size, height=size),
        _command("set_pass_masks", avatar_id=AVATAR, pass_masks=["_img", "_mask"]),
        _command("teleport_avatar_to", avatar_id=AVATAR, position=_vector(EYE)),
    ]


def of_model(model: Asset, number: int) -> list[Command]:
    """Return what adds a model where the world begins, and asks for its box."""
    return [
        _command(
            "add_object", name=model.name, url=model.url, id=number,
            scale_factor=model.facts["scale_factor"], position=_vector(np.zeros(3)),
            rotation=_vector(np.zeros(3)), category=model.facts["wcategory"],
            affordance_points=model.facts["affordance_points"],
        ),
        _command("send_bounds", ids=[number], frequency="once"),
    ]  # fmt: skip


def of_removal(number: int) -> list[Command]:
    """Return what takes a model away."""
    return [_command("destroy_object", id=number)]


def of_forgetting() -> list[Command]:
    """Return what frees the memory of models, once none is there."""
    return [_command("unload_asset_bundles")]


def of_size(number: int, factor: float) -> list[Command]:
    """Return what scales a model."""
    return [_command("scale_object", id=number, scale_factor=_vector(np.full(3, factor)))]


def of_sky(sky: Asset) -> list[Command]:
    """Return what shows a sky, with its sun as its record has it."""
    return [_command("add_hdri_skybox", name=sky.name, url=sky.url, **sky.facts)]


def of_shot(shots: Shots, i: int, number: int, pivot: np.ndarray) -> list[Command]:
    """Return what sets camera, object, light and lens of an image, each from scratch.

    Args:
        i: which of the shots; number: of the object.
        pivot: [3] where the object's own origin comes to lie.
    """
    angle = float(shots.field_of_view[i])
    commands = [
        _command("set_field_of_view", avatar_id=AVATAR, field_of_view=angle),
        _command(
            "rotate_sensor_container_to", avatar_id=AVATAR, rotation=_quaternion(shots.camera[i])
        ),
        _command("teleport_object", id=number, position=_vector(pivot)),
        _command("rotate_object_to", id=number, rotation=_quaternion(shots.rotations[i])),
        _command("set_focus_distance", focus_distance=float(shots.focus[i])),
        _command("set_aperture", aperture=float(shots.f_numbers[i])),
    ]  # fmt: skip
    if shots.sun is not None:
        commands.append(_command("reset_directional_light_rotation"))
        commands += [
            _command("rotate_directional_light_by", axis=axis, angle=float(angle))
            for axis, angle in zip(("yaw", "pitch"), shots.sun[i], strict=True)
        ]
    if shots.colours is not None:
        colour = dict(zip("rgba", (*map(float, shots.colours[i]), 1.0), strict=True))
        commands.append(_command("set_directional_light_color", color=colour))
    if shots.brighter is not None:
        commands.append(
            _command("adjust_directional_light_intensity_by", intensity=float(shots.brighter[i]))
        )
    return commands


def of_materials(
    slots: Sequence[tuple[str, int]], materials: Sequence[Asset], number: int, loaded: set[str]
) -> Iterator[Command]:
    """Yield what gives each of an object's slots a material.

    Args:
        materials: of the slots, from the first on again where they are fewer.
        loaded: names of those that the build has; those that it is told to load are added.
    """
    for place, (part, index) in enumerate(slots):
        material = materials[place % len(materials)]
        if material.name not in loaded:
            loaded.add(material.name)
            yield _command("add_material", name=material.name, url=material.url)
        yield _command(
            "set_visual_material", id=number, object_name=part, material_index=index,
            material_name=material.name,
        )  # fmt: skip


def of_picture() -> list[Command]:
    """Return what takes a picture."""
    return [_command("send_images", ids=[AVATAR], frequency="once")]


def _command(kind: str, **values: Any) -> Command:
    return {"$type": kind, **values}


def _vector(values: np.ndarray) -> dict[str, float]:
    return dict(zip("xyz", map(float, values), strict=True))


def _quaternion(rotation: np.ndarray) -> dict[str, float]:
    values = Rotation.from_matrix(rotation).as_quat(canonical=True)
    return dict(zip("xyzw", map(float, values), strict=True))
