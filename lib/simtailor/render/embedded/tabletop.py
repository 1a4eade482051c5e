"""The 3D-TYOL stage: one object on a dark table, seen from above, drawn by the ray caster.

Attributes as in the published grammars. Objects: yaw, pitch, roll in degrees, loc_x and
loc_z in centimetres, where (100, 100) is the middle of the picture. Light: intensity,
where 0.5 is the nominal light. Camera: camera_pitch (90 looks straight down) and
camera_roll in degrees. The published stage is a Unity scene and so left-handed: x points
to the left of the picture, z downwards, and a growing yaw turns the object clockwise.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from simtailor.assets.environments import soft_room
from simtailor.assets.mesh import Mesh
from simtailor.assets.tabletop import OBJECT_NAMES, room, tabletop_objects
from simtailor.errors import UserError, nearest_name
from simtailor.render.description import RenderMachine
from simtailor.render.embedded.contracts import TabletopSettings
from simtailor.render.raycast.caster import RayCaster, use_kernel_cache
from simtailor.render.raycast.environment import prefilter
from simtailor.render.raycast.ground import Ground
from simtailor.render.raycast.outlines import object_spans
from simtailor.render.raycast.scenes import Scenes, rotation_about
from simtailor.render.renderer import Equivalents
from simtailor.render.rendering import Rendering
from simtailor.scene.attributes import wrapped
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

FIELD_OF_VIEW = 40.0  # degrees
ANGLES = ("yaw", "pitch", "roll")
CENTRE = 100.0  # loc_x and loc_z of the picture's middle, centimetres
NOMINAL_INTENSITY = 0.5
ROOM, FIRST_OBJECT = 0, 1
OUTLINE_POINTS = 320  # directions whose farthest vertices stand for an object's outline
# Objects that look the same after half a turn about their upright axis (the basket but for
# its weave), and those that do after any turn.
SAME_AFTER_HALF_A_TURN = ("box", "basket")
SAME_AFTER_ANY_TURN = ("bowl",)


class TabletopRenderer:
    """Renders tabletop scene graphs.

    Args:
        image_size: pixels of the square picture.
        samples: rays a pixel.
        frame_width: metres of table that the picture shows from side to side.
        device: ``cpu`` or a CUDA device; threads: cores, None for all.
        cache: folder for prefiltered environments and, under ``kernels``, compiled kernels.
        tracer: see ``RayCaster``.
    """

    def __init__(
        self,
        *,
        image_size: int = 128,
        samples: int = 1,
        frame_width: float = 0.42,
        device: str = "cpu",
        threads: int | None = None,
        cache: str | Path | None = None,
        tracer: str | None = None,
    ) -> None:
        self.image_size = image_size
        self.samples = samples
        self.camera_height = frame_width / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2)
        if cache is not None:
            use_kernel_cache(Path(cache) / "kernels")
        meshes, around = tabletop_objects(), room()
        # The pose turns an object about the middle of its height.
        centred = [_centred(meshes[name]) for name in OBJECT_NAMES]
        self._support = np.stack([support_points(mesh) for mesh in centred])
        self._outline = np.stack([support_points(mesh, OUTLINE_POINTS) for mesh in centred])
        self._caster = RayCaster(
            [around, *centred],
            [prefilter(soft_room(), cache)],
            device=device,
            threads=threads,
            tracer=tracer,
        )
        self.identity = self._caster.traced_by
        self._ground = Ground(self._caster, slot=1)
        top = around.vertices[around.faces[:2]].reshape(-1, 3)
        self._table = top.min(0), top.max(0)

    @classmethod
    def create(cls, settings: TabletopSettings, machine: RenderMachine) -> TabletopRenderer:
        """Return the renderer of an experiment."""
        return cls(
            **settings.model_dump(),
            device=machine.device,
            threads=machine.threads,
            cache=machine.cache,
        )

    def __enter__(self) -> TabletopRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._caster.close()

    def render(
        self, graphs: SceneGraphBatch, *, masks: bool = False, depth: bool = False
    ) -> Rendering:
        """Render B graphs: images and, if wanted, masks (1 is the object) and depth."""
        return self.render_scenes(self.scenes(graphs), masks=masks, depth=depth)

    def render_scenes(
        self, scenes: Scenes, *, masks: bool = False, depth: bool = False
    ) -> Rendering:
        """Render scenes of ``scenes``: first the ground, then the object and its shadow."""
        size = self.image_size
        rendering = Rendering(self._ground.pictures(scenes, size, self.samples))
        points = self._outline[scenes.mesh[:, 0] - FIRST_OBJECT] * scenes.scale[:, :1, None]
        points = points @ scenes.rotation[:, 0].transpose(0, 2, 1) + scenes.position[:, None, 0]
        spans = object_spans(points, scenes, size, self._table)
        self._caster.draw(scenes, rendering, spans, samples=self.samples)
        if masks or depth:
            seen = self._caster.render(scenes, size, masks=masks, depth=depth)
            rendering.masks, rendering.depth = seen.masks, seen.depth
        return rendering

    def scenes(self, graphs: SceneGraphBatch) -> Scenes:
        """Turn B graphs into scenes in physical units."""
        count = len(graphs)

        def values(node: str, feature: str, default: float) -> np.ndarray:
            found = graphs.find(node, feature)
            return np.full(count, default) if found is None else found.astype(np.float64)

        scenes = Scenes.create(count, instances=2)
        kinds = self._object_kinds(graphs)
        scenes.mesh[:, 0] = FIRST_OBJECT + kinds
        scenes.mesh[:, 1] = ROOM
        scenes.label[:, 1] = 0
        scenes.casts_shadow[:, 1] = False
        rotation = _pose_rotation(*(values("object", angle, 0) for angle in ANGLES))
        scenes.rotation[:, 0] = rotation
        scenes.position[:, 0, 0] = -(values("object", "loc_x", CENTRE) - CENTRE) / 100
        # A tilted object stands on its lowest point and does not sink into the table.
        heights = np.einsum("bj,bpj->bp", rotation[:, 1], self._support[kinds])
        scenes.position[:, 0, 1] = -heights.min(1)
        scenes.position[:, 0, 2] = (values("object", "loc_z", CENTRE) - CENTRE) / 100
        # The camera moves on a circle around the middle of the table and keeps looking at it.
        down = rotation_about("x", -values("Camera", "camera_pitch", 90))
        scenes.eye[:] = self.camera_height * down[:, :, 2]
        scenes.camera[:] = down @ rotation_about("z", values("Camera", "camera_roll", 0))
        scenes.field_of_view[:] = np.radians(FIELD_OF_VIEW)
        scenes.focus[:] = self.camera_height
        light = values("Light", "intensity", NOMINAL_INTENSITY) / NOMINAL_INTENSITY
        scenes.light_direction[:] = [-0.45, 1.0, -0.35]
        scenes.light_colour[:] = np.clip(light, 0, None)[:, None] * [1.75, 1.7, 1.6]
        scenes.light_softness[:] = 0.06
        scenes.exposure[:] = 0.62
        scenes.seed[:] = graphs.seeds
        return scenes

    def nearest_equivalent(self, graphs: SceneGraphBatch, reference: np.ndarray) -> Equivalents:
        """Return the poses that look the same and are nearest to a reference.

        Every rotation has two triples of angles, (yaw, pitch, roll) and (yaw + 180,
        180 - pitch, roll + 180): the one whose tilt is nearer is taken. Half a turn of a box
        about its upright axis turns the signs of pitch and roll. Of a bowl only the direction
        of its axis can be seen: it gets the reference's yaw.

        Args:
            reference: float [N, F] in units of the features.
        """
        layout, identified = graphs.layout, np.ones(graphs.features.shape, dtype=bool)
        node = layout.node_names.index("object")
        columns = {
            name: layout.features.index(name)
            for name in ANGLES
            if name in layout.features and layout.maximum[node, layout.features.index(name)] > 0
        }
        kinds = np.array(OBJECT_NAMES)[self._object_kinds(graphs)]
        half, any_turn = np.isin(kinds, SAME_AFTER_HALF_A_TURN), np.isin(kinds, SAME_AFTER_ANY_TURN)
        if "yaw" not in columns:
            return Equivalents(graphs, identified, np.ones(len(graphs), dtype=bool))
        wanted = {
            n: float(reference[node, c] * layout.maximum[node, c]) for n, c in columns.items()
        }
        first = {
            name: graphs.features[:, node, column].astype(np.float64) * layout.maximum[node, column]
            for name, column in columns.items()
        }
        second = {"yaw": lambda a: a + 180, "pitch": lambda a: 180 - a, "roll": lambda a: a + 180}
        pose = dict(first)
        if len(columns) == len(ANGLES):

            def tilt(angles: dict[str, np.ndarray]) -> np.ndarray:
                off = [np.abs(wrapped(angles[n] - wanted[n], 360.0)) for n in ("pitch", "roll")]
                return off[0] + off[1]

            other = {name: second[name](angle) for name, angle in first.items()}
            nearer = tilt(other) < tilt(first)
            pose = {name: np.where(nearer, other[name], first[name]) for name in columns}
        flip = half & (np.abs(wrapped(pose["yaw"] - wanted["yaw"], 360.0)) > 90)
        signs = {"yaw": 1, "pitch": np.where(flip, -1, 1), "roll": np.where(flip, -1, 1)}
        pose = {name: angle * signs[name] for name, angle in pose.items()}
        pose["yaw"] = pose["yaw"] + 180 * flip
        level = self._at_yaw(pose, wanted["yaw"])
        features = graphs.features.copy()
        for name, column in columns.items():
            angle = np.where(any_turn, level[name], pose[name])
            maximum = float(layout.maximum[node, column])
            value = (angle % maximum / maximum).astype(np.float32)
            same = np.abs(wrapped(angle - first[name], 360.0)) < 1e-9
            features[:, node, column] = np.where(same, features[:, node, column], value)
        identified[any_turn, node, columns["yaw"]] = False
        return Equivalents(graphs.with_features(features), identified, ~(half | any_turn))

    @staticmethod
    def _at_yaw(pose: dict[str, np.ndarray], yaw: float) -> dict[str, np.ndarray]:
        """Return the angles with another yaw whose upright axis points the same way."""
        nothing = np.zeros_like(pose["yaw"])
        angles = (pose["yaw"], pose.get("pitch", nothing), pose.get("roll", nothing))
        axis = _pose_rotation(*angles)[..., 1]
        axis = np.einsum("ij,bj->bi", rotation_about("y", yaw), axis)
        return {
            "yaw": np.full_like(nothing, yaw),
            "pitch": np.degrees(np.arctan2(axis[:, 2], axis[:, 1])),
            "roll": np.degrees(np.arcsin(axis[:, 0].clip(-1, 1))),
        }

    def _object_kinds(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return which of ``OBJECT_NAMES`` each scene shows: int [B].

        Classes are either these names or, as in the published grammars, their numbers.
        """
        layout = graphs.layout
        _check_object(layout)
        node = layout.node_names.index("object")
        kinds = np.full(len(layout.class_names), -1)
        for i, name in enumerate(layout.class_names):
            if isinstance(name, int) and 0 <= name < len(OBJECT_NAMES):
                kinds[i] = name
            elif name in OBJECT_NAMES:
                kinds[i] = OBJECT_NAMES.index(name)
        shown = kinds[graphs.classes[:, node]]
        if (shown < 0).any():
            unknown = layout.class_names[int(graphs.classes[np.argmin(shown), node])]
            raise UserError(
                f"the tabletop stage has no object {unknown!r}; it has "
                f"{', '.join(OBJECT_NAMES)}, or their numbers 0 to {len(OBJECT_NAMES) - 1}."
                + nearest_name(str(unknown), OBJECT_NAMES)
            )
        return shown


def _check_object(layout: SceneGraphLayout) -> None:
    if "object" not in layout.node_names:
        numbers = ", ".join(f"{i} {name}" for i, name in enumerate(OBJECT_NAMES))
        raise UserError(
            "the tabletop stage needs a node whose class is a number or random: "
            f'["Deterministic", 0] or ["Random", ["slipper", "mug"]]; the numbers are {numbers}'
        )


def support_points(mesh: Mesh, directions: int = 1000) -> np.ndarray:
    """Return the vertices that lie furthest in evenly spread directions: float32 [directions, 3].

    They stand for the whole mesh where its lowest point is wanted, at a small part of the cost.
    """
    # A Fibonacci lattice, with the six axes among the directions for exact upright heights.
    index = np.arange(directions - 6) + 0.5
    polar, azimuth = np.arccos(1 - 2 * index / (directions - 6)), np.pi * (1 + 5**0.5) * index
    lattice = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)], -1
    )
    spread = np.concatenate([np.eye(3), -np.eye(3), lattice])
    return mesh.vertices[np.argmax(spread @ mesh.vertices.T, axis=1)]


def _pose_rotation(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Return rotations [B, 3, 3] of poses in degrees, in Unity's order: roll, pitch, yaw."""
    return rotation_about("y", -yaw) @ rotation_about("x", pitch) @ rotation_about("z", -roll)


def _centred(mesh: Mesh) -> Mesh:
    middle = (mesh.vertices[:, 1].min() + mesh.vertices[:, 1].max()) / 2
    return replace(mesh, vertices=mesh.vertices - np.float32([0, middle, 0]))
