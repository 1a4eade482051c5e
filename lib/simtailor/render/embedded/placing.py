"""From scene graphs to scenes in physical units: what the attributes of a stage move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from simtailor.assets.mesh import Mesh
from simtailor.errors import UserError, nearest_name
from simtailor.render.embedded.extent import OUTLINE_POINTS, slack_of, support_points
from simtailor.render.embedded.looks import gains, recolouring
from simtailor.render.embedded.stage_file import CHOICE, Stage
from simtailor.render.raycast.scenes import Scenes, rotation_about
from simtailor.scene.grammar_nodes import MAIN
from simtailor.scene.graph import ABSENT, SceneGraphBatch, SceneGraphLayout

ANGLES = ("yaw", "pitch", "roll")
CENTRE = 100.0  # loc_x and loc_z of the picture's middle, centimetres
NOMINAL_INTENSITY = 0.5
THING, BELOW = 0, 1  # instances: the first object, and the ground; further objects follow
LEVEL_DIRECTIONS = 64  # in which two objects are looked for a gap between them
NOMINAL_LOOKS = {"hue": 0.0, "saturation": 1.0, "brightness": 1.0}


class Values:
    """The attributes of B scenes, in their own units, or what the stage says instead."""

    def __init__(self, graphs: SceneGraphBatch) -> None:
        self._graphs = graphs

    def __call__(self, node: str | int, feature: str, default: float) -> np.ndarray:
        """Return float64 [B] of the only node of a name, or of one by its number."""
        found = self._found(node, feature)
        if found is None:
            return np.full(len(self._graphs), float(default))
        return found.astype(np.float64)

    def has(self, node: str | int, *features: str) -> bool:
        """Return whether the scenes have any of some attributes."""
        return any(self._found(node, feature) is not None for feature in features)

    def _found(self, node: str | int, feature: str) -> np.ndarray | None:
        if isinstance(node, str):
            return self._graphs.find(node, feature)
        return self._graphs.of_node(node, feature)


@dataclass(frozen=True, eq=False)
class Placing:
    """Places objects, light and camera as scene graphs say.

    Attributes:
        stage: what stands where the graphs say nothing.
        names: of the objects; support, outline: points [n, P, 3] around each.
        slack: [n] metres that each reaches beyond its outline, at most.
        camera_height: metres from the camera to the middle of the ground.
        grounds: the mesh of each ground to choose from, -1 of none.
        first_object: the mesh of the first object.
    """

    stage: Stage
    names: tuple[str, ...]
    support: np.ndarray
    outline: np.ndarray
    slack: np.ndarray
    camera_height: float
    grounds: tuple[int, ...]
    first_object: int

    @property
    def grounded(self) -> bool:
        """Whether any scene has a ground."""
        return max(self.grounds) >= 0

    @classmethod
    def of(
        cls,
        stage: Stage,
        objects: list[Mesh],
        frame_width: float,
        grounds: tuple[int, ...],
        first_object: int,
    ) -> Placing:
        """Return what places some objects, in the order of the stage's classes."""
        half = np.tan(np.radians(stage.camera.degrees_across) / 2)
        outlines = [support_points(mesh, OUTLINE_POINTS) for mesh in objects]
        return cls(
            stage,
            tuple(stage.objects),
            np.stack([support_points(mesh) for mesh in objects]),
            np.stack(outlines),
            np.array([slack_of(*pair) for pair in zip(objects, outlines, strict=True)]),
            frame_width / 2 / half,
            grounds,
            first_object,
        )

    def scenes(self, graphs: SceneGraphBatch) -> Scenes:
        """Turn B graphs into scenes of their objects and, if there is one, the ground."""
        values, nodes = Values(graphs), object_nodes(graphs.layout)
        kinds = self.kinds(graphs)
        scenes = Scenes.create(len(graphs), instances=len(nodes) + self.grounded)
        for k, (node, instance) in enumerate(zip(nodes, self._instances(len(nodes)), strict=True)):
            self._place_object(scenes, values, node, instance, kinds[:, k])
            scenes.label[:, instance] = k + 1
        if self.grounded:
            scenes.mesh[:, BELOW] = self._chosen(values, "Ground", self.grounds)
            scenes.label[:, BELOW] = 0
            scenes.casts_shadow[:, BELOW] = False
            self._dress(scenes, values, BELOW, "Ground")
        self._place_camera(scenes, values)
        self._set_light(scenes, values)
        scenes.seed[:] = graphs.seeds
        return scenes

    @staticmethod
    def _chosen(values: Values, node: str, among: Sequence[Any]) -> np.ndarray:
        """Return what the attribute ``choice`` of a node takes of a list: [B, ...]."""
        place = values(node, CHOICE, 0).astype(int).clip(0, len(among) - 1)
        return np.array(among)[place]

    def outlines(self, scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
        """Return points around each scene's objects, [B, P, 3] metres, and their slack [B]."""
        places = self._instances(scenes.mesh.shape[1] - self.grounded)
        there = scenes.mesh[:, places] >= 0
        kinds = np.maximum(scenes.mesh[:, places] - self.first_object, 0)
        slack = (np.where(there, self.slack[kinds], 0) * scenes.scale[:, places]).max(1)
        found = [self._outline(scenes, instance) for instance in places]
        if len(places) == 1:
            return found[0], slack
        # An object that is not there is where another is; the middle of the ground, if none is.
        points = np.stack(found, 1)
        points[~there.any(1)] = 0
        first = points[np.arange(len(points)), there.argmax(1)]
        points = np.where(there[..., None, None], points, first[:, None])
        return points.reshape(len(points), -1, 3), slack

    def _outline(self, scenes: Scenes, instance: int) -> np.ndarray:
        points = self.outline[np.maximum(scenes.mesh[:, instance] - self.first_object, 0)]
        points = points * scenes.scale[:, instance, None, None]
        turned = points @ scenes.rotation[:, instance].transpose(0, 2, 1)
        return turned + scenes.position[:, None, instance]

    def instances(self, layout: SceneGraphLayout) -> list[int]:
        """Return which instance each node that is an object is."""
        return self._instances(len(object_nodes(layout)))

    def _instances(self, objects: int) -> list[int]:
        """Return the instance of each object: the first comes before the ground."""
        return [THING, *(i + self.grounded for i in range(1, objects))]

    def apart(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return the scenes in which no object is in another: bool [B].

        Two are apart if a plane lies between their convex hulls: of many upright ones, by the
        farthest points of both in its direction, or a level one.
        """
        scenes, count = self.scenes(graphs), len(object_nodes(graphs.layout))
        angles = np.arange(LEVEL_DIRECTIONS) * 2 * np.pi / LEVEL_DIRECTIONS
        level = np.stack([np.cos(angles), np.zeros_like(angles), np.sin(angles)], -1)
        directions = np.concatenate([level, [[0, 1, 0], [0, -1, 0]]]).astype(np.float32)
        opposite = [*np.roll(np.arange(LEVEL_DIRECTIONS), LEVEL_DIRECTIONS // 2), -1, -2]
        reach = [
            (self._outline(scenes, instance) @ directions.T).max(1)
            for instance in self._instances(count)
        ]  # [B, D] each
        free = np.ones(len(graphs), dtype=bool)
        there = graphs.present[:, object_nodes(graphs.layout)]
        for second in range(count):
            for first in range(second):
                gap = (reach[first] + reach[second][:, opposite] < 0).any(1)
                free &= gap | ~there[:, first] | ~there[:, second]
        return free

    def kinds(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return which object each node of a scene shows: int [B, K], -1 of one not there.

        Classes are either the stage's names or, as in the published grammars, their numbers.

        Raises:
            UserError: the stage has no such object, or the scenes have none.
        """
        layout = graphs.layout
        self._check_object(layout)
        nodes = object_nodes(layout)
        kinds = np.full(len(layout.class_names), -1)
        for i, name in enumerate(layout.class_names):
            if isinstance(name, int) and 0 <= name < len(self.names):
                kinds[i] = name
            elif name in self.names:
                kinds[i] = self.names.index(name)
        classes = graphs.classes[:, nodes]
        shown = np.where(classes == ABSENT, -1, kinds[classes])
        if (wrong := (shown < 0) & (classes != ABSENT)).any():
            unknown = layout.class_names[int(classes[wrong][0])]
            raise UserError(
                f"the stage has no object {unknown!r}; it has "
                f"{', '.join(self.names)}, or their numbers 0 to {len(self.names) - 1}."
                + nearest_name(str(unknown), self.names)
            )
        return shown

    def _check_object(self, layout: SceneGraphLayout) -> None:
        if MAIN not in layout.node_names:
            numbers = ", ".join(f"{i} {name}" for i, name in enumerate(self.names))
            raise UserError(
                "the stage needs a node whose class is a number or random: "
                f'["Deterministic", 0] or ["Random", ["slipper", "mug"]]; the numbers are {numbers}'
            )

    def _place_object(
        self, scenes: Scenes, values: Values, node: int, instance: int, kinds: np.ndarray
    ) -> None:
        of = partial(values, node)
        scenes.mesh[:, instance] = np.where(kinds < 0, -1, self.first_object + kinds)
        rotation = pose_rotation(*(of(angle, 0) for angle in ANGLES))
        size = of("size", 1)
        scenes.rotation[:, instance] = rotation
        scenes.scale[:, instance] = size
        scenes.position[:, instance, 0] = -(of("loc_x", CENTRE) - CENTRE) / 100
        # A tilted object stands on its lowest point and does not sink into the ground.
        heights = np.einsum("bj,bpj->bp", rotation[:, 1], self.support[kinds])
        above = of("height", 0) / 100
        scenes.position[:, instance, 1] = above - size * heights.min(1)
        scenes.position[:, instance, 2] = (of("loc_z", CENTRE) - CENTRE) / 100
        self._dress(scenes, values, instance, node)

    def _dress(self, scenes: Scenes, values: Values, instance: int, node: str | int) -> None:
        if values.has(node, *NOMINAL_LOOKS):
            looks = [values(node, name, nominal) for name, nominal in NOMINAL_LOOKS.items()]
            scenes.recolour[:, instance] = recolouring(*looks)
        scenes.roughness[:, instance] = values(node, "roughness", 1)

    def _place_camera(self, scenes: Scenes, values: Values) -> None:
        """Place the camera on a sphere around the middle, at which it keeps looking."""
        camera = self.stage.camera
        down = rotation_about("x", -values("Camera", "camera_pitch", camera.pitch))
        if camera.yaw or values.has("Camera", "camera_yaw"):
            down = rotation_about("y", values("Camera", "camera_yaw", camera.yaw)) @ down
        distance = values("Camera", "distance", self.camera_height)
        scenes.eye[:] = distance[:, None] * down[:, :, 2]
        roll = values("Camera", "camera_roll", camera.roll)
        scenes.camera[:] = down @ rotation_about("z", roll)
        scenes.field_of_view[:] = np.radians(
            values("Camera", "field_of_view", camera.degrees_across)
        )
        scenes.principal[:], scenes.stretch[:] = camera.principal, camera.stretch
        scenes.focus[:] = distance if camera.focus is None else camera.focus
        if values.has("Camera", "focus"):
            scenes.focus[:] = values("Camera", "focus", 0)
        scenes.aperture[:] = values("Camera", "aperture", camera.aperture) / 1000 / 2
        scenes.exposure[:] = camera.exposure * values("Camera", "exposure", 1)
        if values.has("Camera", "white_balance", "tint"):
            balance = values("Camera", "white_balance", 1), values("Camera", "tint", 1)
            scenes.white_balance[:] = gains(*balance)

    def _set_light(self, scenes: Scenes, values: Values) -> None:
        light = self.stage.light
        scenes.light_direction[:] = light.direction
        if values.has("Light", "azimuth", "elevation"):
            right, up, near = light.direction
            # As the yaw of an object: 0 is the top of the picture, clockwise from above.
            azimuth = np.radians(values("Light", "azimuth", np.degrees(np.arctan2(right, -near))))
            level = np.degrees(np.arctan2(up, np.hypot(right, near)))
            elevation = np.radians(values("Light", "elevation", level))
            scenes.light_direction[:] = np.stack(
                [
                    np.cos(elevation) * np.sin(azimuth),
                    np.sin(elevation),
                    -np.cos(elevation) * np.cos(azimuth),
                ],
                -1,
            )
        intensity = values("Light", "intensity", NOMINAL_INTENSITY) / NOMINAL_INTENSITY
        scenes.light_colour[:] = np.clip(intensity, 0, None)[:, None] * light.radiance
        if values.has("Light", "warmth"):
            warmth = values("Light", "warmth", 1)
            scenes.light_colour[:] *= gains(warmth, np.ones_like(warmth))
        scenes.light_softness[:] = values("Light", "softness", light.softness)
        around = self.stage.all_environments
        scenes.environment[:] = self._chosen(values, "Environment", range(len(around)))
        brightness = np.array([e.brightness for e in around])[scenes.environment]
        scenes.environment_intensity[:] = brightness * values("Environment", "brightness", 1)
        turn = np.array([e.turn for e in around], dtype=np.float64)[scenes.environment]
        if values.has("Environment", "turn"):
            turn = values("Environment", "turn", 0)
        scenes.environment_rotation[:] = np.radians(turn)


def object_nodes(layout: SceneGraphLayout) -> list[int]:
    """Return the nodes that are objects; that at place k has the number k + 1 in a mask."""
    return [n for n, name in enumerate(layout.node_names) if name == MAIN]


def pose_rotation(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Return rotations [B, 3, 3] of poses in degrees, in Unity's order: roll, pitch, yaw."""
    return rotation_about("y", -yaw) @ rotation_about("x", pitch) @ rotation_about("z", -roll)
