"""Scenes drawn from the nine simulation parameters.

Image i of a seed has the same random numbers in every set, so two sets differ by their
parameters alone, and an image depends neither on the batch nor on the images around it.

Source of the parameters: Mishra et al., "Task2Sim: Towards Effective Pre-training and Transfer
from Synthetic Data" (CVPR 2022), section 3.1 and the published generator's ranges. Two choices
are ours: every model is drawn as large as all others, one metre across (where it is known, the
size in metres is an attribute), and the object's pose and the light belong to the camera, so
that a camera that looks elsewhere changes what lies behind the object, not the view of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simtailor.render.raycast.scenes import Scenes, rotation_about
from simtailor.seeds import generator
from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.parameters import SimulationParameters

RADIUS = 0.5  # of the sphere around every object, metres
FIELD_OF_VIEW = 54.43  # degrees, that of ThreeDWorld's camera
DISTANCE = 3.0 * RADIUS  # fills two thirds of the image's height at most
DISTANCE_FACTORS = (0.4, 1.5)
VIEW_YAW, VIEW_PITCH = 30.0, 15.0  # degrees: a little from the side and from above
CAMERA_ELEVATIONS = (-20.0, 40.0)  # degrees above the horizon
CAMERA_OFFSET = 15.0  # degrees, to each side, up and down
BLURRED_SHARE = 0.75
FOCUS_RANGE = 1.0  # metres before or behind the object
NEAREST_FOCUS = 0.3  # metres
F_NUMBERS = (0.5, 1.2)
FOCAL_LENGTH = 0.035  # metres; the lens is as wide as this over the f-number
LIGHT = 4.0  # nominal radiance of the directional light
LIGHT_FROM = (-0.5, 0.85, 0.75)  # seen from the camera: right, up, backwards
INTENSITY_RANGE = 0.6
COLOURS = (0.05, 1.0)
LIGHT_SOFTNESS = 0.06
EXPOSURE = 0.75
ONE_MATERIAL = 0  # among the extra materials: that of all objects where materials are one

RESAMPLES = 3  # times an object that hardly shows is drawn anew before the camera zooms in
ZOOM = 0.7
# How many numbers a parameter draws for an image. The order is part of the format: a change
# changes every set.
DRAWS = {
    "sky": 1, "camera": 2, "blur": 3, "colour": 3, "direction": 2, "intensity": 1, "material": 1,
    "offset": 2, "rotation": 3, "distance": 1, "noise": 1,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SampledScenes:
    """B scenes and what was drawn for them.

    Attributes:
        scenes: for a ray caster with the meshes of the catalogue's models, its skies, and as
            extra materials the one of all objects and then the catalogue's.
        labels: int [B] class; models: int [B].
        attributes: values by name, [B] or [B, n], in metres and degrees. A light's direction is
            as the camera sees it (right, up, backwards); material is -1 for the model's own.
    """

    scenes: Scenes
    labels: np.ndarray
    models: np.ndarray
    attributes: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws the scenes of one set.

    Attributes:
        sky_intensities: float [skies] factors that make all skies about equally bright.
    """

    parameters: SimulationParameters
    seed: int
    catalogue: Catalogue
    sky_intensities: np.ndarray

    def sample(self, indices: np.ndarray, attempts: np.ndarray | None = None) -> SampledScenes:
        """Return the scenes of some images.

        Args:
            indices: int [B], any images of the set.
            attempts: int [B], how often an image was drawn before and its object hardly seen.
        """
        indices = np.asarray(indices)
        attempts = np.zeros_like(indices) if attempts is None else np.asarray(attempts)
        count, on = len(indices), self.parameters
        u = self._uniform(indices, attempts)
        labels, models = self.catalogue.classes_of(indices), self.catalogue.models_of(indices)
        scenes = Scenes.create(count)
        attributes: dict[str, np.ndarray] = {}

        # Where new numbers cannot move the object, only zooming helps.
        moves = on.pose_rot or on.pose_scale or on.pose_cam
        zoom = ZOOM ** np.maximum(attempts - (RESAMPLES if moves else 0), 0)
        tangent = np.tan(np.radians(FIELD_OF_VIEW) / 2) * zoom
        scenes.field_of_view[:] = 2 * np.arctan(tangent)

        sky = (u["sky"][:, 0] * len(self.catalogue.skies)).astype(int) * on.backgr
        azimuth = 360 * u["camera"][:, 0] * on.backgr
        low, high = CAMERA_ELEVATIONS
        elevation = low + (high - low) * u["camera"][:, 1] if on.backgr else VIEW_PITCH
        elevation = np.broadcast_to(elevation, count)
        scenes.environment[:] = sky
        scenes.environment_intensity[:] = self.sky_intensities[sky]
        towards = rotation_about("y", azimuth) @ rotation_about("x", -elevation)

        factor = DISTANCE_FACTORS[0] + np.ptp(DISTANCE_FACTORS) * u["distance"][:, 0]
        factor = factor if on.pose_scale else np.ones(count)
        distance = DISTANCE * factor
        scenes.eye[:] = towards[:, :, 2] * distance[:, None]
        offset = CAMERA_OFFSET * (2 * u["offset"] - 1) * zoom[:, None] * on.pose_cam
        scenes.camera[:] = (
            towards @ rotation_about("y", offset[:, 0]) @ rotation_about("x", offset[:, 1])
        )

        angles = (360 * u["rotation"] - 180) * on.pose_rot
        turn = rotation_about("x", VIEW_PITCH) @ rotation_about("y", VIEW_YAW)
        if on.pose_rot:
            turn = np.eye(3)
            for axis, angle in zip("xyz", angles.T, strict=True):
                turn = turn @ rotation_about(axis, angle)
        scenes.mesh[:, 0] = models
        scenes.rotation[:, 0] = towards @ turn
        scenes.scale[:, 0] = RADIUS / self.catalogue.radii[models]
        scenes.material[:, 0] = material = self._materials(models, u["material"][:, 0])

        blurred = (u["blur"][:, 0] < BLURRED_SHARE) & bool(on.blur)
        focus = np.maximum(distance + FOCUS_RANGE * (2 * u["blur"][:, 1] - 1), NEAREST_FOCUS)
        f_number = F_NUMBERS[0] + np.ptp(F_NUMBERS) * u["blur"][:, 2]
        scenes.focus[:] = focus = np.where(blurred, focus, distance)
        scenes.aperture[:] = np.where(blurred, FOCAL_LENGTH / (2 * f_number), 0)

        intensity = 1 + INTENSITY_RANGE * (2 * u["intensity"] - 1) * on.lighting_intensity
        colour = COLOURS[0] + np.ptp(COLOURS) * u["colour"]
        colour = colour if on.lighting_color else np.ones((count, 3))
        light = np.array(LIGHT_FROM) / np.linalg.norm(LIGHT_FROM)
        light = _on_sphere(u["direction"]) if on.lighting_dir else np.tile(light, (count, 1))
        scenes.light_colour[:] = LIGHT * intensity * colour
        scenes.light_direction[:] = np.einsum("bij,bj->bi", towards, light)
        scenes.light_softness[:] = LIGHT_SOFTNESS
        scenes.exposure[:] = EXPOSURE
        scenes.seed[:] = (u["noise"][:, 0] * 2**31).astype(np.int64)

        attributes |= {
            "sky": sky,
            "camera_azimuth": azimuth,
            "camera_elevation": elevation,
            "camera_offset": offset,
            "field_of_view": np.degrees(2 * np.arctan(tangent)),
            "distance": distance,
            "distance_factor": factor,
            "rotation": angles,
            "material": np.where(material < 0, -1, material),
            "light_intensity": intensity[:, 0],
            "light_colour": colour,
            "light_direction": light,
            "f_number": np.where(blurred, f_number, 0),
            "focus_distance": focus,
            "attempts": attempts,
        }
        return SampledScenes(scenes, labels, models, attributes)

    def _uniform(self, indices: np.ndarray, attempts: np.ndarray) -> dict[str, np.ndarray]:
        """Return uniform numbers in [0, 1) by purpose, [B, n] each, fixed by seed and image."""
        total = sum(DRAWS.values())
        numbers = np.empty((len(indices), total))
        for row, index, attempt in zip(numbers, indices, attempts, strict=True):
            generator(self.seed, "simulated image", index, attempt).random(out=row)
        edges = np.cumsum(list(DRAWS.values()))[:-1]
        return dict(zip(DRAWS, np.split(numbers, edges, axis=1), strict=True))

    def _materials(self, models: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return the extra material of each scene, or -1 for the model's own."""
        count, first = len(self.catalogue.materials), ONE_MATERIAL + 1
        match self.parameters.materials:
            case 0:
                return np.full(len(models), ONE_MATERIAL)
            case 1:
                return np.full(len(models), -1)
            case 2:
                random = generator(self.seed, "material of each model")
                return first + random.integers(0, count, len(self.catalogue.models))[models]
            case _:
                return first + (numbers * count).astype(int)


def _on_sphere(numbers: np.ndarray) -> np.ndarray:
    """Return directions [B, 3], evenly spread, of uniform numbers [B, 2]."""
    height, turn = 2 * numbers[:, 0] - 1, 2 * np.pi * numbers[:, 1]
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(turn), height, across * np.sin(turn)], -1)
