"""From scene graphs to scenes in physical units: what the attributes of a stage move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simtailor.assets.mesh import Mesh
from simtailor.errors import UserError, nearest_name
from simtailor.render.embedded.looks import gains, recolouring
from simtailor.render.embedded.stage_file import Stage
from simtailor.render.raycast.scenes import Scenes, rotation_about
from simtailor.scene.grammar_nodes import MAIN
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

ANGLES = ("yaw", "pitch", "roll")
CENTRE = 100.0  # loc_x and loc_z of the picture's middle, centimetres
NOMINAL_INTENSITY = 0.5
GROUND, FIRST_OBJECT = 0, 1
THING, BELOW = 0, 1  # instances: the object, and the ground
SLACK_DIRECTIONS = 1500
OUTLINE_POINTS = 320  # directions whose farthest vertices stand for an object's outline
NOMINAL_LOOKS = {"hue": 0.0, "saturation": 1.0, "brightness": 1.0}


class Values:
    """The attributes of B scenes, in their own units, or what the stage says instead."""

    def __init__(self, graphs: SceneGraphBatch) -> None:
        self._graphs = graphs

    def __call__(self, node: str, feature: str, default: float) -> np.ndarray:
        """Return float64 [B]."""
        found = self._graphs.find(node, feature)
        if found is None:
            return np.full(len(self._graphs), float(default))
        return found.astype(np.float64)

    def has(self, node: str, *features: str) -> bool:
        """Return whether the scenes have any of some attributes."""
        return any(self._graphs.find(node, feature) is not None for feature in features)


@dataclass(frozen=True, eq=False)
class Placing:
    """Places objects, light and camera as scene graphs say.

    Attributes:
        stage: what stands where the graphs say nothing.
        names: of the objects; support, outline: points [n, P, 3] around each.
        slack: [n] metres that each reaches beyond its outline, at most.
        camera_height: metres from the camera to the middle of the ground.
        grounded: whether there is a ground.
    """

    stage: Stage
    names: tuple[str, ...]
    support: np.ndarray
    outline: np.ndarray
    slack: np.ndarray
    camera_height: float
    grounded: bool

    @classmethod
    def of(cls, stage: Stage, objects: list[Mesh], frame_width: float, grounded: bool) -> Placing:
        """Return what places some objects, in the order of the stage's classes."""
        half = np.tan(np.radians(stage.camera.field_of_view) / 2)
        outlines = [support_points(mesh, OUTLINE_POINTS) for mesh in objects]
        return cls(
            stage,
            tuple(stage.objects),
            np.stack([support_points(mesh) for mesh in objects]),
            np.stack(outlines),
            np.array([slack_of(*pair) for pair in zip(objects, outlines, strict=True)]),
            frame_width / 2 / half,
            grounded,
        )

    def scenes(self, graphs: SceneGraphBatch) -> Scenes:
        """Turn B graphs into scenes of an object and, if there is one, the ground."""
        values = Values(graphs)
        scenes = Scenes.create(len(graphs), instances=2 if self.grounded else 1)
        self._place_object(scenes, values, self.kinds(graphs))
        if self.grounded:
            scenes.mesh[:, BELOW] = GROUND
            scenes.label[:, BELOW] = 0
            scenes.casts_shadow[:, BELOW] = False
            self._dress(scenes, values, BELOW, "Ground")
        self._place_camera(scenes, values)
        self._set_light(scenes, values)
        scenes.seed[:] = graphs.seeds
        return scenes

    def outlines(self, scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
        """Return points around each scene's object, [B, P, 3] metres, and their slack [B]."""
        kinds = scenes.mesh[:, THING] - FIRST_OBJECT
        points = self.outline[kinds] * scenes.scale[:, :1, None]
        points = points @ scenes.rotation[:, THING].transpose(0, 2, 1)
        slack = self.slack[kinds] * scenes.scale[:, THING]
        return points + scenes.position[:, None, THING], slack

    def kinds(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return which object each scene shows: int [B].

        Classes are either the stage's names or, as in the published grammars, their numbers.

        Raises:
            UserError: the stage has no such object, or the scenes have none.
        """
        layout = graphs.layout
        self._check_object(layout)
        node = layout.node_names.index(MAIN)
        kinds = np.full(len(layout.class_names), -1)
        for i, name in enumerate(layout.class_names):
            if isinstance(name, int) and 0 <= name < len(self.names):
                kinds[i] = name
            elif name in self.names:
                kinds[i] = self.names.index(name)
        shown = kinds[graphs.classes[:, node]]
        if (shown < 0).any():
            unknown = layout.class_names[int(graphs.classes[np.argmin(shown), node])]
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

    def _place_object(self, scenes: Scenes, values: Values, kinds: np.ndarray) -> None:
        scenes.mesh[:, THING] = FIRST_OBJECT + kinds
        rotation = pose_rotation(*(values(MAIN, angle, 0) for angle in ANGLES))
        size = values(MAIN, "size", 1)
        scenes.rotation[:, THING] = rotation
        scenes.scale[:, THING] = size
        scenes.position[:, THING, 0] = -(values(MAIN, "loc_x", CENTRE) - CENTRE) / 100
        # A tilted object stands on its lowest point and does not sink into the ground.
        heights = np.einsum("bj,bpj->bp", rotation[:, 1], self.support[kinds])
        above = values(MAIN, "height", 0) / 100
        scenes.position[:, THING, 1] = above - size * heights.min(1)
        scenes.position[:, THING, 2] = (values(MAIN, "loc_z", CENTRE) - CENTRE) / 100
        self._dress(scenes, values, THING, MAIN)

    def _dress(self, scenes: Scenes, values: Values, instance: int, node: str) -> None:
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
            values("Camera", "field_of_view", camera.field_of_view)
        )
        scenes.focus[:] = distance
        scenes.exposure[:] = camera.exposure * values("Camera", "exposure", 1)
        if values.has("Camera", "white_balance", "tint"):
            balance = values("Camera", "white_balance", 1), values("Camera", "tint", 1)
            scenes.white_balance[:] = gains(*balance)

    def _set_light(self, scenes: Scenes, values: Values) -> None:
        light, around = self.stage.light, self.stage.environment
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
        scenes.environment_intensity[:] = around.brightness * values("Environment", "brightness", 1)
        scenes.environment_rotation[:] = np.radians(values("Environment", "turn", around.turn))


def pose_rotation(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Return rotations [B, 3, 3] of poses in degrees, in Unity's order: roll, pitch, yaw."""
    return rotation_about("y", -yaw) @ rotation_about("x", pitch) @ rotation_about("z", -roll)


def support_points(mesh: Mesh, directions: int = 1000) -> np.ndarray:
    """Return the vertices that lie furthest in evenly spread directions: float32 [directions, 3].

    They stand for the whole mesh where its lowest point is wanted, at a small part of the cost.
    """
    return mesh.vertices[np.argmax(even_directions(directions) @ mesh.vertices.T, axis=1)]


def even_directions(count: int) -> np.ndarray:
    """Return directions [count, 3]: a Fibonacci lattice, and the axes for exact upright heights."""
    index = np.arange(count - 6) + 0.5
    polar, azimuth = np.arccos(1 - 2 * index / (count - 6)), np.pi * (1 + 5**0.5) * index
    lattice = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)], -1
    )
    return np.concatenate([np.eye(3), -np.eye(3), lattice])


def slack_of(mesh: Mesh, outline: np.ndarray) -> float:
    """Return how far a mesh reaches beyond the convex hull of some of its points, in metres.

    Twice what is found in so many directions, for those between them.
    """
    directions = even_directions(SLACK_DIRECTIONS)
    reach, of_outline = ((directions @ p.T).max(1) for p in (mesh.vertices, outline))
    return 2 * float((reach - of_outline).max())
