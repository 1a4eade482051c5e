"""A batch of scenes in physical units: what the ray caster draws."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(eq=False)
class Scenes:
    """B scenes of up to K instances each. Lengths in metres, y points up, right-handed.

    Attributes:
        eye: [B, 3] position of the camera.
        camera: [B, 3, 3] rotation whose columns are right, up and backwards.
        field_of_view: [B] horizontal, radians, as if the camera's axis met the middle.
        principal: [B, 2] where it meets the picture, from the middle to the right and down, in
            half widths; stretch: [B] how much higher than wide a square looks.
        mesh: int [B, K] index of the mesh in the ray caster, -1 for none.
        rotation: [B, K, 3, 3]; position: [B, K, 3]; scale: [B, K], greater than 0.
        label: int [B, K] value of the instance in the mask, 0 for scenery.
        material: int [B, K, S] of the mesh's material slots, slot s having that of s modulo S;
            -1 is the mesh's own. S divides ``records.SLOTS``.
        casts_shadow: bool [B, K].
        recolour: [B, K, 3, 3] takes linear base colours to those that show.
        roughness: [B, K] factor of the materials' own.
        light_direction: [B, 3] towards the light; light_colour: [B, 3] linear.
        light_softness: [B] half width of the light as a share of its distance; 0 is sharp.
        environment: int [B]; environment_rotation: [B] radians; environment_intensity: [B].
        exposure: [B] factor before the filmic curve; white_balance: [B, 3] further factors of
            red, green and blue.
        focus: [B] distance in focus; aperture: [B] radius of the lens, 0 for a pinhole.
        seed: int [B] in [0, 2**31), decides all noise of the scene.
    """

    eye: np.ndarray
    camera: np.ndarray
    field_of_view: np.ndarray
    principal: np.ndarray
    stretch: np.ndarray
    mesh: np.ndarray
    rotation: np.ndarray
    position: np.ndarray
    scale: np.ndarray
    label: np.ndarray
    material: np.ndarray
    casts_shadow: np.ndarray
    recolour: np.ndarray
    roughness: np.ndarray
    light_direction: np.ndarray
    light_colour: np.ndarray
    light_softness: np.ndarray
    environment: np.ndarray
    environment_rotation: np.ndarray
    environment_intensity: np.ndarray
    exposure: np.ndarray
    white_balance: np.ndarray
    focus: np.ndarray
    aperture: np.ndarray
    seed: np.ndarray

    @classmethod
    def create(cls, count: int, instances: int = 1, slots: int = 1) -> Scenes:
        """Return ``count`` default scenes.

        Each shows mesh 0 from 2.6 m in front and is lit from above.

        Args:
            slots: S of the attribute ``material``.
        """

        def full(value: object, *shape: int, dtype: type = np.float32) -> np.ndarray:
            value = np.asarray(value, dtype=dtype)
            return np.broadcast_to(value, (count, *shape, *value.shape)).copy()

        scenes = cls(
            eye=full([0, 0, 2.6]),
            camera=full(np.eye(3)),
            field_of_view=full(0.7),
            principal=full([0, 0]),
            stretch=full(1),
            mesh=full(-1, instances, dtype=np.int32),
            rotation=full(np.eye(3), instances),
            position=full([0, 0, 0], instances),
            scale=full(1, instances),
            label=full(1, instances, dtype=np.int32),
            material=full(-1, instances, slots, dtype=np.int32),
            casts_shadow=full(True, instances, dtype=bool),
            recolour=full(np.eye(3), instances),
            roughness=full(1, instances),
            light_direction=full([0.6, 0.9, 0.5]),
            light_colour=full([3, 2.8, 2.5]),
            light_softness=full(0.05),
            environment=full(0, dtype=np.int32),
            environment_rotation=full(0),
            environment_intensity=full(1),
            exposure=full(0.8),
            white_balance=full([1, 1, 1]),
            focus=full(2.6),
            aperture=full(0),
            seed=np.arange(count, dtype=np.int64),
        )
        scenes.mesh[:, 0] = 0
        return scenes

    def __len__(self) -> int:
        return len(self.eye)

    def __getitem__(self, index: slice | np.ndarray | list[int]) -> Scenes:
        return Scenes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def rotation_about(axis: str, degrees: np.ndarray | float) -> np.ndarray:
    """Return rotation matrices [..., 3, 3] about ``x``, ``y`` or ``z`` (right-handed)."""
    radians = np.radians(np.asarray(degrees, dtype=np.float64))
    c, s = np.cos(radians), np.sin(radians)
    zero, one = np.zeros_like(c), np.ones_like(c)
    rows = {
        "x": [one, zero, zero, zero, c, -s, zero, s, c],
        "y": [c, zero, s, zero, one, zero, -s, zero, c],
        "z": [c, -s, zero, s, c, zero, zero, zero, one],
    }[axis]
    return np.stack(rows, -1).reshape(*c.shape, 3, 3)


def look_at(eye: np.ndarray, target: np.ndarray, up: np.ndarray | None = None) -> np.ndarray:
    """Return camera rotations [B, 3, 3] that look from ``eye`` at ``target``, both [B, 3]."""
    up = np.array([0.0, 1.0, 0.0]) if up is None else np.asarray(up, dtype=np.float64)
    back = np.asarray(eye, dtype=np.float64) - np.asarray(target, dtype=np.float64)
    back /= np.linalg.norm(back, axis=-1, keepdims=True)
    right = np.cross(np.broadcast_to(up, back.shape), back)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(back, right), back], axis=-1)
