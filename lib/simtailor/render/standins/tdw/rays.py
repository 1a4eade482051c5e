"""How the stand-in draws: a ball or a box in place of every model, by simtailor's ray caster."""

import zlib

import numpy as np

from simtailor.assets.environments import sky
from simtailor.assets.mesh import Material, box, grid_surface
from simtailor.render.raycast.caster import RayCaster, use_kernel_cache
from simtailor.render.raycast.environment import prefilter
from simtailor.render.raycast.scenes import Scenes
from simtailor.render.standins.tdw.drawing import tint
from simtailor.render.standins.tdw.world import World

MIRROR = np.diag([1.0, 1.0, -1.0])  # from Unity's axes, which are left-handed


class Rays:
    """Draws balls and boxes by the ray caster."""

    def __init__(self, cache: str | None) -> None:
        use_kernel_cache(cache)
        grounds = ((0.5, 0.1, 0.1), (0.1, 0.4, 0.1), (0.1, 0.2, 0.6), (0.5, 0.4, 0.1))
        self._skies = [prefilter(sky(32, ground=ground)) for ground in grounds]
        self._caster, self._names = None, {}

    def draw(self, world: World, avatar: str) -> tuple[np.ndarray, np.ndarray]:
        """Return an image, uint8 [H, W, 3], and a mask, bool [H, W]."""
        camera, count = world.avatars[avatar], max(1, len(world.objects))
        scenes = Scenes.create(1, count)
        scenes.mesh[:] = -1
        scenes.eye[0] = MIRROR @ camera.place
        axes = MIRROR @ camera.turn.as_matrix()  # right, up and forwards
        scenes.camera[0] = axes * [1, 1, -1]
        scenes.field_of_view[0] = np.radians(camera.field_of_view)
        for place, thing in enumerate(world.objects.values()):
            scenes.mesh[0, place] = self._mesh(thing)
            scenes.rotation[0, place] = MIRROR @ thing.turn.as_matrix() @ MIRROR
            scenes.position[0, place] = MIRROR @ thing.place
            scenes.scale[0, place] = thing.scale
            scenes.recolour[0, place] = np.diag(tint(thing))
        scenes.light_direction[0] = -MIRROR @ world.sun_turn.apply([0, 0, 1])
        scenes.light_colour[0] = 3 * world.sun * world.sun_colour
        scenes.environment[0] = zlib.crc32((world.sky or "").encode()) % len(self._skies)
        scenes.focus[0] = world.focus
        scenes.aperture[0] = 0 if world.aperture > 10 else 0.02 / world.aperture
        scenes.seed[0] = 1
        rendering = self._caster.render(scenes, world.size[::-1], samples=1, masks=True)
        return rendering.images[0], rendering.masks[0] > 0

    def _mesh(self, thing) -> int:
        """Return the number of a model's mesh; a new one starts the ray caster anew."""
        if thing.name not in self._names:
            self._names[thing.name] = thing.low, thing.high
            if self._caster is not None:
                self._caster.close()
            meshes = [shape(name, *ends) for name, ends in self._names.items()]
            self._caster = RayCaster(meshes, self._skies, device="cpu", threads=1)
        return list(self._names).index(thing.name)


def shape(name: str, low: np.ndarray, high: np.ndarray):
    """Return a white ball or box between two corners, given in Unity's axes."""
    low, high = np.sort([MIRROR @ low, MIRROR @ high], axis=0)
    high = np.maximum(high, low + 1e-3)
    white = Material((1.0, 1.0, 1.0))
    if zlib.crc32(name.encode()) % 2:
        return box(low, high, white)
    up, around = np.meshgrid(
        np.linspace(0, np.pi, 13), np.linspace(0, 2 * np.pi, 25), indexing="ij"
    )
    points = np.stack([np.sin(up) * np.cos(around), np.cos(up), np.sin(up) * np.sin(around)], -1)
    return grid_surface((low + high) / 2 + points * (high - low) / 2, white, (1.0, 1.0))
