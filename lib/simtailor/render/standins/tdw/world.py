"""What a stand-in for ThreeDWorld's build knows: an object, a camera, a sky, light and lens.

It is strict: a command that it does not know, or with a field too many or too few, ends it, as
does what refers to an object, avatar or material that is not there. Axes are Unity's.
"""

import copy
import inspect
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.spatial.transform import Rotation

AXES = {"pitch": "x", "yaw": "y", "roll": "z"}
ENDS_WITH = {"left": 0, "right": 0, "bottom": 1, "top": 1, "back": 2, "front": 2}


class QuitError(Exception):
    """The build ends; an empty text stands for an end that was asked for."""


class World:
    """The state of a build, changed by ``command``.

    Args:
        records: of models, by name, which say how large they are; others are a cube of a metre.
    """

    def __init__(self, records: Path | None = None) -> None:
        self._records = json.loads(records.read_text())["records"] if records else {}
        self.pending: list[tuple[str, object]] = []  # what is to be sent at the frame's end
        self.size, self.is_png, self.passes = (256, 256), True, ["_img"]
        self._clear()

    def _clear(self) -> None:
        self.objects: dict[int, SimpleNamespace] = {}
        self.avatars: dict[str, SimpleNamespace] = {}
        self.materials: set[str] = set()
        self.sky, self.sun = None, 1.0
        self.sun_turn, self.sun_colour = Rotation.identity(), np.ones(3)
        self.focus, self.aperture = 2.0, 4.0

    def command(self, values: dict) -> None:
        """Carry out one command.

        Raises:
            QuitError: it cannot.
        """
        values = copy.copy(values)
        kind = values.pop("$type", None)
        if kind in IGNORED:
            if set(values) - IGNORED[kind]:
                raise QuitError(f"{kind}: unknown fields {sorted(set(values) - IGNORED[kind])}")
            return
        method = getattr(self, f"do_{kind}", None)
        if method is None:
            raise QuitError(f"unknown command {kind}")
        try:
            inspect.signature(method).bind(**values)
        except TypeError as error:
            raise QuitError(f"{kind}: {error}") from error
        method(**values)

    # Scene and answers

    def do_terminate(self):
        raise QuitError("")

    def do_load_scene(self, scene_name):
        self._clear()

    def do_send_version(self, frequency="once"):
        self.pending.append(("version", None))

    def do_send_bounds(self, ids, frequency="once"):
        self.pending.append(("bounds", ids))

    def do_send_images(self, ids, frequency="once"):
        for avatar in ids:
            self._avatar(avatar)
            self.pending.append(("images", avatar))

    def do_set_img_pass_encoding(self, value):
        self.is_png = value

    def do_set_screen_size(self, width, height):
        self.size = (width, height)

    # Camera

    def do_create_avatar(self, type, id="a"):  # noqa: A002  the protocol's names
        self.avatars[id] = SimpleNamespace(
            place=np.zeros(3), turn=Rotation.identity(), field_of_view=54.43222
        )

    def do_teleport_avatar_to(self, position, avatar_id="a"):
        self._avatar(avatar_id).place = vector(position)

    def do_rotate_sensor_container_to(self, rotation, avatar_id="a"):
        self._avatar(avatar_id).turn = quaternion(rotation)

    def do_set_field_of_view(self, field_of_view=54.43222, avatar_id="a"):
        self._avatar(avatar_id).field_of_view = field_of_view

    def do_set_pass_masks(self, pass_masks, avatar_id="a"):
        self._avatar(avatar_id)
        self.passes = pass_masks

    def do_set_focus_distance(self, focus_distance):
        self.focus = focus_distance

    def do_set_aperture(self, aperture):
        self.aperture = aperture

    # Object

    def do_add_object(
        self,
        name,
        url,
        id,  # noqa: A002
        scale_factor=1.0,
        position=None,
        rotation=None,
        category="",
        affordance_points=(),
    ):
        if id in self.objects:
            raise QuitError(f"add_object: there is an object {id}")
        if not url.startswith(("https://", "file:///")):
            raise QuitError(f"add_object: no such address: {url}")
        sides = self._records[name]["bounds"] if name in self._records else None
        low, high = np.array([-0.5, 0.0, -0.5]), np.array([0.5, 1.0, 0.5])
        if sides is not None:
            for side, axis in ENDS_WITH.items():
                (low if side in ("left", "bottom", "back") else high)[axis] = sides[side][
                    "xyz"[axis]
                ]
        parts = self._records[name]["substructure"] if sides is not None else []
        self.objects[id] = SimpleNamespace(
            name=name, low=low, high=high, scale=scale_factor, place=vector(position),
            turn=Rotation.identity(), materials={},
            slots={(p["name"], m) for p in parts for m in range(len(p["materials"]))},
        )  # fmt: skip

    def do_destroy_object(self, id):  # noqa: A002
        self._object(id)
        del self.objects[id]

    def do_unload_asset_bundles(self, bundle_type="models"):
        if self.objects:
            raise QuitError("unload_asset_bundles: there are objects")

    def do_scale_object(self, id, scale_factor):  # noqa: A002
        self._object(id).scale *= vector(scale_factor)[0]

    def do_teleport_object(self, id, position):  # noqa: A002
        self._object(id).place = vector(position)

    def do_rotate_object_to(self, id, rotation):  # noqa: A002
        self._object(id).turn = quaternion(rotation)

    def do_add_material(self, name, url):
        self.materials.add(name)

    def do_set_visual_material(self, id, object_name, material_index, material_name):  # noqa: A002
        if material_name not in self.materials:
            raise QuitError(f"set_visual_material: {material_name} was not added")
        thing = self._object(id)
        if thing.slots and (object_name, material_index) not in thing.slots:
            raise QuitError(f"set_visual_material: no slot {object_name} {material_index}")
        thing.materials[object_name, material_index] = material_name

    # Light

    def do_add_hdri_skybox(self, name, url, exposure, initial_skybox_rotation, sun_elevation,
                           sun_initial_angle, sun_intensity):  # fmt: skip
        self.sky, self.sun = name, sun_intensity
        self.sun_turn = Rotation.from_euler("YX", [sun_initial_angle, sun_elevation], degrees=True)

    def do_reset_directional_light_rotation(self, index=0):
        self.sun_turn = Rotation.identity()

    def do_rotate_directional_light_by(self, angle, axis="yaw", index=0):
        self.sun_turn *= Rotation.from_euler(AXES[axis], angle, degrees=True)  # about its own axes

    def do_set_directional_light_color(self, color, index=0):
        self.sun_colour = np.array([color[part] for part in "rgb"])

    def do_adjust_directional_light_intensity_by(self, intensity, index=0):
        self.sun += intensity
        if self.sun < 0:
            raise QuitError("the sun's intensity is below 0")

    def box_points(self, number: int) -> np.ndarray:
        """Return front, back, right, left, top, bottom and centre of an object: [7, 3]."""
        thing = self._object(number)
        middle, half = (thing.low + thing.high) / 2, (thing.high - thing.low) / 2
        points = np.tile(middle, (7, 1))
        for place, (axis, sign) in enumerate([(2, 1), (2, -1), (0, 1), (0, -1), (1, 1), (1, -1)]):
            points[place, axis] += sign * half[axis]
        return thing.place + thing.turn.apply(thing.scale * points)

    def _object(self, number: int) -> SimpleNamespace:
        if number not in self.objects:
            raise QuitError(f"there is no object {number}")
        return self.objects[number]

    def _avatar(self, name: str) -> SimpleNamespace:
        if name not in self.avatars:
            raise QuitError(f"there is no avatar {name}")
        return self.avatars[name]


# What makes no difference here, and the fields that each has.
IGNORED = {
    "set_error_handling": set(),
    "use_pre_signed_urls": {"value"},
    "simulate_physics": {"value"},
    "set_camera_clipping_planes": {"near", "far", "avatar_id"},
    "set_anti_aliasing": {"mode", "avatar_id"},
    "set_vignette": {"enabled"},
    "set_post_exposure": {"post_exposure"},
    "set_contrast": {"contrast"},
    "set_saturation": {"saturation"},
    "set_screen_space_reflections": {"enabled"},
    "set_shadow_strength": {"strength"},
    "set_render_quality": {"render_quality"},
}


def vector(values: dict | None) -> np.ndarray:
    """Return [3] of x, y and z."""
    return np.zeros(3) if values is None else np.array([values[axis] for axis in "xyz"], float)


def quaternion(values: dict) -> Rotation:
    """Return a rotation; four zeros, which Unity takes for none, are an error."""
    return Rotation.from_quat([values[axis] for axis in "xyzw"])
