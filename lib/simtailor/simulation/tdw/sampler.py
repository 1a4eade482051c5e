"""What ThreeDWorld's images show, drawn from the nine simulation parameters.

Places and ranges are those of the published generator (Mishra et al., "Task2Sim", CVPR 2022). As
in the sets of the ray caster, image i of a seed has the same random numbers in every set. Unlike
there, light comes from the sky's sun. Lengths are in metres, axes are Unity's: left-handed, x to
the right, y up, z forwards; rotation matrices look the same in both kinds of axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simtailor.render.raycast.scenes import rotation_about
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.sampler import (
    BLURRED_SHARE,
    CAMERA_OFFSET,
    COLOURS,
    DISTANCE_FACTORS,
    F_NUMBERS,
    FOCUS_RANGE,
    INTENSITY_RANGE,
    NEAREST_FOCUS,
    RESAMPLES,
    ZOOM,
    between,
    drawn_materials,
    on_sphere,
    uniform_numbers,
)
from simtailor.simulation.taking import ImageSampler, SampledImages
from simtailor.simulation.tdw.records import ThreeDWorldCatalogue

EYE = np.array([1.0, 1.5, 1.8])
CENTRE = np.array([0.0, 1.0, 0.0])  # of the object
DISTANCE = float(np.linalg.norm(CENTRE - EYE))
ALL_IN_FOCUS = 70.0  # f-number


@dataclass(frozen=True, eq=False)
class Shots:
    """B images, each by itself: none depends on the one before.

    Attributes:
        models, skies: int [B].
        camera: [B, 3, 3] whose columns are right, up and forwards; it stands at ``EYE``.
        field_of_view: [B] degrees, of the height.
        centres: [B, 3] of the object's box; rotations: [B, 3, 3] of the object.
        focus: [B]; f_numbers: [B].
        sun: [B, 2] yaw and pitch of the light in degrees, or None for the sky's.
        colours: [B, 3] of the light, or None for the build's.
        brighter: [B] what is added to the sky's sun, or None.
        materials: int [B, SLOTS], -1 for the model's own.
    """

    models: np.ndarray
    skies: np.ndarray
    camera: np.ndarray
    field_of_view: np.ndarray
    centres: np.ndarray
    rotations: np.ndarray
    focus: np.ndarray
    f_numbers: np.ndarray
    sun: np.ndarray | None
    colours: np.ndarray | None
    brighter: np.ndarray | None
    materials: np.ndarray

    def __len__(self) -> int:
        return len(self.models)


@dataclass(frozen=True, eq=False)
class ShotSampler(ImageSampler):
    """Draws the shots of one set.

    Of the attributes, an f-number of 70 stands for all in focus; material is as in the sets of
    the ray caster. Those that are None in ``Shots`` are absent.

    Attributes:
        field_of_view: of the camera, degrees.
    """

    parameters: SimulationParameters
    seed: int
    catalogue: ThreeDWorldCatalogue
    field_of_view: float

    def sample(self, indices: np.ndarray, attempts: np.ndarray | None = None) -> SampledImages:
        """Return the shots of some images."""
        indices = np.asarray(indices)
        attempts = np.zeros_like(indices) if attempts is None else np.asarray(attempts)
        u, on = uniform_numbers(self.seed, indices, attempts), self.parameters
        labels, models = self.catalogue.classes_of(indices), self.catalogue.models_of(indices)
        skies = np.floor(u["sky"][:, 0] * len(self.catalogue.skies)).astype(int) * on.backgr
        # Where new numbers cannot move the object, only zooming helps.
        resamples = RESAMPLES if on.pose_rot or on.pose_scale or on.pose_cam else 0
        zoom = ZOOM ** np.maximum(attempts - resamples, 0)
        half = np.tan(np.radians(self.field_of_view) / 2)
        field_of_view = np.degrees(2 * np.arctan(half * zoom))
        pose, place = self._pose(u, zoom)
        focus, f_numbers = self._lens(u, place["distance"])
        sun = 360 * u["direction"] if on.lighting_dir else None
        colours = between(COLOURS, u["colour"]) if on.lighting_color else None
        brighter = self._brighter(u, skies) if on.lighting_intensity else None
        materials = drawn_materials(
            on.materials,
            self.seed,
            models,
            u["material"],
            of=len(self.catalogue.models),
            count=len(self.catalogue.materials) - 1,  # without the plain one
        )
        light = {"sun": sun, "light_colour": colours, "light_intensity_added": brighter}
        attributes = {
            "sky": skies,
            **place,
            "field_of_view": field_of_view,
            "f_number": f_numbers,
            "focus_distance": focus,
            **{name: values for name, values in light.items() if values is not None},
            "material": materials,
            "attempts": attempts,
        }
        shots = Shots(
            models, skies, field_of_view=field_of_view, focus=focus, f_numbers=f_numbers, sun=sun,
            colours=colours, brighter=brighter, materials=materials, **pose,
        )  # fmt: skip
        return SampledImages(shots, labels, models, attributes)

    def _pose(
        self, u: dict[str, np.ndarray], zoom: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return where camera and object are, and what was drawn for it.

        The object is turned about its centre, not its pivot, and the camera is always aimed at
        it: else objects swing out of the image.
        """
        on, count = self.parameters, len(zoom)
        factor = between(DISTANCE_FACTORS, u["distance"][:, 0]) * on.pose_scale
        factor = np.where(factor > 0, factor, 1.0)
        usual = np.tile((CENTRE - EYE) / DISTANCE, (count, 1))
        towards = on_sphere(u["camera"]) if on.backgr else usual
        angles = (360 * u["rotation"] - 180) * on.pose_rot
        pitch, yaw, roll = (rotation_about(a, v) for a, v in zip("xyz", angles.T, strict=True))
        aim, usual_aim = looking(towards), looking(usual)
        # The object goes with the camera, so the view of it stays.
        rotations = aim @ usual_aim.transpose(0, 2, 1) @ roll @ yaw @ pitch
        offset = CAMERA_OFFSET * (2 * u["offset"] - 1) * zoom[:, None] * on.pose_cam
        camera = aim @ rotation_about("x", offset[:, 0]) @ rotation_about("y", offset[:, 1])
        distance = DISTANCE * factor
        pose = {"camera": camera, "centres": EYE + distance[:, None] * towards,
                "rotations": rotations}  # fmt: skip
        return pose, {"camera_direction": towards, "camera_offset": offset, "distance": distance,
                      "distance_factor": factor, "rotation": angles}  # fmt: skip

    def _lens(
        self, u: dict[str, np.ndarray], distance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        chance, ahead, aperture = u["blur"].T
        blurred = (chance < BLURRED_SHARE) & bool(self.parameters.blur)
        focus = np.maximum(distance + FOCUS_RANGE * (2 * ahead - 1), NEAREST_FOCUS)
        return (
            np.where(blurred, focus, distance),
            np.where(blurred, between(F_NUMBERS, aperture), ALL_IN_FOCUS),
        )

    def _brighter(self, u: dict[str, np.ndarray], skies: np.ndarray) -> np.ndarray:
        """Return what is added to the suns; none is left with less than nothing."""
        added = INTENSITY_RANGE * (2 * u["intensity"][:, 0] - 1)
        return np.maximum(added, -self._suns[skies])

    @cached_property
    def _suns(self) -> np.ndarray:
        return np.array([float(sky.facts["sun_intensity"]) for sky in self.catalogue.skies])


def looking(directions: np.ndarray) -> np.ndarray:
    """Return rotations [B, 3, 3] that look along directions [B, 3] without roll."""
    x, y, z = directions.T
    yaw = np.degrees(np.arctan2(x, z))
    pitch = -np.degrees(np.arcsin(np.clip(y, -1, 1)))
    return rotation_about("y", yaw) @ rotation_about("x", pitch)
