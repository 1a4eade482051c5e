"""Scenes drawn from the nine simulation parameters.

Image i of a seed has the same random numbers in every set, so two sets differ by their
parameters alone, and an image depends neither on the batch nor on the images around it.

Source of the parameters: Mishra et al., "Task2Sim: Towards Effective Pre-training and Transfer
from Synthetic Data" (CVPR 2022), section 3.1 and the published generator's ranges and places.
What differs from these stands with its reason in docs/published_study.md; most of all, the
object's pose and the light belong to the camera, so that a camera that looks elsewhere changes
what lies behind the object, not the view of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simtailor.render.raycast.records import SLOTS
from simtailor.render.raycast.scenes import Scenes, rotation_about
from simtailor.seeds import generator
from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.taking import ImageSampler, SampledImages

SIDE = 1.0  # longest side of the box around every object, metres
CAMERA = np.array([1.0, 0.5, 1.8])  # from the object's centre, metres: aside, above, before
DISTANCE = float(np.linalg.norm(CAMERA))
DISTANCE_FACTORS = (0.4, 1.5)
VIEW_YAW = float(np.degrees(np.arctan2(CAMERA[0], CAMERA[2])))
VIEW_PITCH = float(np.degrees(np.arcsin(CAMERA[1] / DISTANCE)))
CAMERA_OFFSET = 15.0  # degrees, to each side, up and down
BLURRED_SHARE = 0.75
FOCUS_RANGE = 1.0  # metres before or behind the object
NEAREST_FOCUS = 0.3  # metres
F_NUMBERS = (0.5, 1.2)
FOCAL_LENGTH = 0.035  # metres, of the lens that blurs; the published build's is not known
FILM = 0.024  # metres, height
LIGHT = 7.0  # nominal radiance of the directional light
LIGHT_FROM = (-0.4, 0.75, 0.9)  # seen from the camera: right, up, backwards
INTENSITY_RANGE = 0.6
COLOURS = (0.05, 1.0)
LIGHT_SOFTNESS = 0.03
EXPOSURE = 0.55
PLAIN_MATERIAL = 0  # that of all objects where materials are one; the catalogue's follow

RESAMPLES = 3  # times an object that hardly shows is drawn anew before the camera zooms in
ZOOM = 0.7
# How many numbers a parameter draws for an image. The order is part of the format: a change
# changes every set.
DRAWS = {
    "sky": 1, "camera": 2, "blur": 3, "colour": 3, "direction": 2, "intensity": 1,
    "material": SLOTS,
    "offset": 2, "rotation": 3, "distance": 1, "noise": 1,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sampler(ImageSampler):
    """Draws the scenes of one set, for a ray caster with the meshes of the catalogue's models,
    its skies, and as extra materials the one of all objects and then the catalogue's.

    Of the attributes, lengths and angles are in metres and degrees. A light's direction is as the
    camera sees it (right, up, backwards); an f-number of 0 stands for a pinhole, before which all
    is in focus; material, [B, SLOTS], is that of each of a model's slots: -1 the model's own, 0
    the plain one of all objects, above the catalogue's.

    Attributes:
        field_of_view: of the camera, degrees.
        sky_intensities: float [skies] factors that make all skies about equally bright.
    """

    parameters: SimulationParameters
    seed: int
    catalogue: Catalogue
    field_of_view: float
    sky_intensities: np.ndarray

    def sample(self, indices: np.ndarray, attempts: np.ndarray | None = None) -> SampledImages:
        """Return the scenes of some images."""
        indices = np.asarray(indices)
        attempts = np.zeros_like(indices) if attempts is None else np.asarray(attempts)
        u = uniform_numbers(self.seed, indices, attempts)
        labels, models = self.catalogue.classes_of(indices), self.catalogue.models_of(indices)
        scenes = Scenes.create(len(indices), slots=SLOTS)
        scenes.exposure[:] = EXPOSURE
        scenes.seed[:] = (u["noise"][:, 0] * 2**31).astype(np.int64)
        towards, place = self._place_camera(scenes, u, attempts)
        attributes = {
            **place,
            **self._place_object(scenes, u, models, towards),
            **self._set_lens(scenes, u, place["distance"]),
            **self._set_light(scenes, u, towards),
            "attempts": attempts,
        }
        return SampledImages(scenes, labels, models, attributes)

    @property
    def _half_height(self) -> float:
        """Half of what the camera sees of a plane at distance 1."""
        return np.tan(np.radians(self.field_of_view) / 2)

    def _place_camera(
        self, scenes: Scenes, u: dict[str, np.ndarray], attempts: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the directions from the object to the camera as rotations [B, 3, 3]."""
        on, count = self.parameters, len(scenes)
        # Where new numbers cannot move the object, only zooming helps.
        resamples = RESAMPLES if on.pose_rot or on.pose_scale or on.pose_cam else 0
        zoom = ZOOM ** np.maximum(attempts - resamples, 0)
        field_of_view = 2 * np.arctan(self._half_height * zoom)
        sky = np.floor(u["sky"][:, 0] * len(self.catalogue.skies)).astype(int) * on.backgr
        azimuth = 360 * u["camera"][:, 0] * on.backgr
        # As many over each part of the sphere.
        elevation = np.degrees(np.arcsin(2 * u["camera"][:, 1] - 1))
        elevation = elevation if on.backgr else np.full(count, VIEW_PITCH)
        towards = rotation_about("y", azimuth) @ rotation_about("x", -elevation)
        factor = between(DISTANCE_FACTORS, u["distance"][:, 0])
        factor = factor if on.pose_scale else np.ones(count)
        offset = CAMERA_OFFSET * (2 * u["offset"] - 1) * zoom[:, None] * on.pose_cam
        scenes.environment[:] = sky
        scenes.environment_intensity[:] = self.sky_intensities[sky]
        scenes.field_of_view[:] = field_of_view
        scenes.eye[:] = towards[:, :, 2] * (DISTANCE * factor)[:, None]
        scenes.camera[:] = (
            towards @ rotation_about("y", offset[:, 0]) @ rotation_about("x", offset[:, 1])
        )
        return towards, {
            "sky": sky,
            "camera_azimuth": azimuth,
            "camera_elevation": elevation,
            "camera_offset": offset,
            "field_of_view": np.degrees(field_of_view),
            "distance": DISTANCE * factor,
            "distance_factor": factor,
        }

    def _place_object(
        self, scenes: Scenes, u: dict[str, np.ndarray], models: np.ndarray, towards: np.ndarray
    ) -> dict[str, np.ndarray]:
        angles = (360 * u["rotation"] - 180) * self.parameters.pose_rot
        # One after the other about the axes of the world in which the object stands upright.
        x, y, z = (rotation_about(axis, a) for axis, a in zip("xyz", angles.T, strict=True))
        turn = rotation_about("x", VIEW_PITCH) @ rotation_about("y", VIEW_YAW) @ z @ y @ x
        material = drawn_materials(
            self.parameters.materials,
            self.seed,
            models,
            u["material"],
            of=len(self.catalogue.models),
            count=len(self.catalogue.materials),
        )
        scenes.mesh[:, 0] = models
        scenes.rotation[:, 0] = towards @ turn
        scenes.scale[:, 0] = SIDE / self.catalogue.sides[models]
        scenes.material[:, 0] = material
        return {"rotation": angles, "material": material}

    def _set_lens(
        self, scenes: Scenes, u: dict[str, np.ndarray], distance: np.ndarray
    ) -> dict[str, np.ndarray]:
        chance, ahead, aperture = u["blur"].T
        blurred = (chance < BLURRED_SHARE) & bool(self.parameters.blur)
        focus = np.maximum(distance + FOCUS_RANGE * (2 * ahead - 1), NEAREST_FOCUS)
        focus = np.where(blurred, focus, distance)
        f_number = between(F_NUMBERS, aperture)
        scenes.focus[:] = focus
        # As game engines blur, who take the film for as high whatever the field of view.
        radius = FOCAL_LENGTH**2 * self._half_height / FILM / f_number
        scenes.aperture[:] = np.where(blurred, radius, 0)
        return {"f_number": np.where(blurred, f_number, 0), "focus_distance": focus}

    def _set_light(
        self, scenes: Scenes, u: dict[str, np.ndarray], towards: np.ndarray
    ) -> dict[str, np.ndarray]:
        on, count = self.parameters, len(scenes)
        intensity = 1 + INTENSITY_RANGE * (2 * u["intensity"] - 1) * on.lighting_intensity
        colour = between(COLOURS, u["colour"]) if on.lighting_color else np.ones((count, 3))
        light = np.array(LIGHT_FROM) / np.linalg.norm(LIGHT_FROM)
        light = on_sphere(u["direction"]) if on.lighting_dir else np.tile(light, (count, 1))
        scenes.light_colour[:] = LIGHT * intensity * colour
        scenes.light_direction[:] = np.einsum("bij,bj->bi", towards, light)
        scenes.light_softness[:] = LIGHT_SOFTNESS
        return {
            "light_intensity": intensity[:, 0],
            "light_colour": colour,
            "light_direction": light,
        }


def drawn_materials(
    choice: int, seed: int, models: np.ndarray, numbers: np.ndarray, *, of: int, count: int
) -> np.ndarray:
    """Return the materials of each model's slots, int [B, n]: -1 its own, 0 the plain one.

    Args:
        choice: value of the parameter ``materials``.
        models: int [B]; numbers: uniform in [0, 1), [B, n].
        of: how many models there are; count: how many random materials, which follow the plain.
    """
    first = PLAIN_MATERIAL + 1
    match choice:
        case 0:
            return np.full(numbers.shape, PLAIN_MATERIAL)
        case 1:
            return np.full(numbers.shape, -1)
        case 2:
            random = generator(seed, "material of each model")
            return first + random.integers(0, count, (of, numbers.shape[1]))[models]
        case _:
            return first + (numbers * count).astype(int)


def uniform_numbers(seed: int, indices: np.ndarray, attempts: np.ndarray) -> dict[str, np.ndarray]:
    """Return uniform numbers in [0, 1) by purpose, [B, n] each, fixed by seed and image.

    Args:
        indices, attempts: int [B].
    """
    numbers = np.empty((len(indices), sum(DRAWS.values())))
    for row, index, attempt in zip(numbers, indices, attempts, strict=True):
        generator(seed, "simulated image", index, attempt).random(out=row)
    edges = np.cumsum(list(DRAWS.values()))[:-1]
    return dict(zip(DRAWS, np.split(numbers, edges, axis=1), strict=True))


def between(limits: tuple[float, float], numbers: np.ndarray) -> np.ndarray:
    """Bring uniform numbers in [0, 1) between two limits."""
    low, high = limits
    return low + (high - low) * numbers


def on_sphere(numbers: np.ndarray) -> np.ndarray:
    """Return directions [B, 3], evenly spread, of uniform numbers [B, 2]."""
    height, turn = 2 * numbers[:, 0] - 1, 2 * np.pi * numbers[:, 1]
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(turn), height, across * np.sin(turn)], -1)
