"""How the stand-in draws without simtailor, for tests that are about the protocol alone: discs."""

import io
import zlib

import numpy as np
from PIL import Image

from simtailor.render.standins.tdw.world import World


def encoded(pixels: np.ndarray, is_png: bool = True) -> bytes:
    """Return an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG" if is_png else "JPEG")
    return buffer.getvalue()


def chance(name: str) -> np.random.Generator:
    """Return numbers that a name decides."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def tint(thing) -> np.ndarray:
    """Return the colour, linear [3], of an object: that of its materials, or its own."""
    names = list(thing.materials.values()) or [thing.name]
    return np.mean([chance(name).uniform(0.05, 0.8, 3) for name in names], 0)


class Discs:
    """Draws discs where objects are."""

    def draw(self, world: World, avatar: str) -> tuple[np.ndarray, np.ndarray]:
        """Return an image, uint8 [H, W, 3], and a mask, bool [H, W]."""
        camera, (width, height) = world.avatars[avatar], world.size
        rows, columns = np.indices((height, width)) + 0.5
        image = np.zeros((height, width, 3), np.uint8)
        image[:] = chance(world.sky or "none").integers(20, 90, 3)
        mask = np.zeros((height, width), bool)
        focal = height / 2 / np.tan(np.radians(camera.field_of_view) / 2)
        for number, thing in world.objects.items():
            x, y, z = camera.turn.inv().apply(world.box_points(number)[-1] - camera.place)
            radius = 0.5 * thing.scale * (thing.high - thing.low).max() * focal / max(z, 1e-3)
            away = np.hypot(columns - width / 2 - focal * x / z, rows - height / 2 + focal * y / z)
            mask |= (away < radius) & (z > 0)
            image[mask] = np.clip(255 * tint(thing) * world.sun_colour * world.sun, 0, 255)
        return image, mask
