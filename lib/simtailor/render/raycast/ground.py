"""Pictures of the ground alone: a large flat top, smooth in light, and what lies around it.

Where the ground's clear top fills a cell of a coarse grid, its corners are shaded and what lies
between them is interpolated. Two things could make that wrong, and such a cell is drawn pixel by
pixel: a corner does not lie on the top, or the shaded middle of the cell differs from the
interpolated one. The top is convex and nothing stands before it, so a cell whose corners all lie
on it shows nothing else.

A picture depends on camera and light alone: the light comes from its middle, without the noise
that a scene's seed decides. So one picture serves all scenes that share camera and light.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import warp as wp

from simtailor.render.raycast.caster import BLOCK_PIXELS, RayCaster
from simtailor.render.raycast.geometry import (
    camera_direction,
    clear_top_distance,
    clear_top_hit,
    local_ray,
)
from simtailor.render.raycast.kernels import MAXIMUM_RADIANCE
from simtailor.render.raycast.records import Assets, InstanceRecord, SceneRecord
from simtailor.render.raycast.scenes import Scenes
from simtailor.render.raycast.shading import encoded, normal_of, reflected_light
from simtailor.render.rendering import Rendering

STEP = 8  # pixels between the grid's lines
TOLERANCE = 0.25  # levels that the interpolated middle of a cell may be off
KEPT = 16  # pictures that are kept for the next call


@wp.kernel(enable_backward=False)
def shade_grid(
    scenes: wp.array(dtype=SceneRecord),
    instances: wp.array2d(dtype=InstanceRecord),
    assets: Assets,
    k: int,
    offset: float,
    width: int,
    height: int,
    levels: wp.array3d(dtype=wp.vec3),
):
    """Shade points of the clear top of instance ``k``; levels are -1 where it is not seen."""
    s, row, column = wp.tid()
    scene = scenes[s]
    instance = instances[s, k]
    mesh = assets.meshes[instance.mesh]
    x = float(STEP * column) + offset + 0.5
    y = float(STEP * row) + offset + 0.5
    direction = wp.normalize(scene.camera * camera_direction(scene, x, y, width, height))
    origin, local = local_ray(instance, scene.eye, direction)
    top = clear_top_distance(mesh, origin, local)
    result = wp.vec3(-1.0)
    if top > 0.0:
        face, weights = clear_top_hit(assets, mesh, origin + local * top)
        footprint = top * instance.scale * 2.0 * scene.tangent / float(width)
        light = scene.light_direction
        normal = normal_of(assets, instance, face, weights, direction)
        lit = wp.dot(normal, light) > 0.0
        colour, direct = reflected_light(
            assets, scene, instance, face, weights, normal, direction, light, footprint, lit
        )
        colour = wp.min(colour + direct, wp.vec3(MAXIMUM_RADIANCE))
        result = encoded(wp.cw_mul(colour, scene.exposure))
    levels[s, row, column] = result


@wp.kernel(enable_backward=False)
def fill_cells(
    corners: wp.array3d(dtype=wp.vec3),
    middles: wp.array3d(dtype=wp.vec3),
    width: int,
    height: int,
    images: wp.array3d(dtype=wp.uint8),
    left: wp.array2d(dtype=wp.uint8),
):
    """Interpolate the cells where that is right, and mark the pixels of the others."""
    s, row, column = wp.tid()
    a = corners[s, row, column]
    b = corners[s, row, column + 1]
    c = corners[s, row + 1, column]
    d = corners[s, row + 1, column + 1]
    smooth = wp.min(wp.min(a[0], b[0]), wp.min(c[0], d[0])) >= 0.0
    error = middles[s, row, column] - (a + b + c + d) * 0.25
    smooth = smooth and wp.max(wp.abs(error)) <= TOLERANCE
    for dy in range(STEP):
        y = row * STEP + dy
        first = wp.lerp(a, c, float(dy) / float(STEP))
        last = wp.lerp(b, d, float(dy) / float(STEP))
        for dx in range(STEP):
            x = column * STEP + dx
            if y < height and x < width:
                if smooth:
                    level = wp.lerp(first, last, float(dx) / float(STEP))
                    for channel in range(3):
                        images[s, y * width + x, channel] = wp.uint8(level[channel] + 0.5)
                else:
                    left[s, y * width + x] = wp.uint8(1)


class Ground:
    """Draws the ground of scenes, one instance whose mesh has a clear top and casts no shadow.

    Args:
        slot: which of the scenes' instances is the ground.
        smooth: whether it has no picture; between points of one nothing is interpolated.
    """

    def __init__(self, caster: RayCaster, slot: int, *, smooth: bool = True) -> None:
        self._caster, self._slot, self._smooth = caster, slot, smooth
        self._kept: OrderedDict[bytes, np.ndarray] = OrderedDict()
        wp.load_module(shade_grid.module, device=caster.device)

    def pictures(self, scenes: Scenes, size: tuple[int, int], samples: int) -> np.ndarray:
        """Return the ground of B scenes seen through pinholes: uint8 [B, H, W, 3] of that size."""
        if not len(scenes):
            return np.empty((0, *size, 3), np.uint8)
        alone = scenes[:]
        alone.mesh = np.where(np.arange(scenes.mesh.shape[1]) == self._slot, scenes.mesh, -1)
        alone.seed = np.zeros_like(scenes.seed)
        alone.light_softness = np.zeros_like(scenes.light_softness)
        records, instances = self._caster.records_of(alone)
        kinds = (records, instances[:, self._slot].copy())
        rows = [row.view(np.uint8).reshape(len(scenes), -1) for row in kinds]
        mark = np.array([*size, samples]).tobytes()
        keys = [row.tobytes() + mark for row in np.concatenate(rows, 1)]
        first = {key: i for i, key in reversed(list(enumerate(keys))) if key not in self._kept}
        new = sorted(first.values())
        drawn = self._draw(alone[new], size, samples)
        if len(new) == len(scenes):
            pictures = drawn
        else:
            made = {keys[i]: picture for i, picture in zip(new, drawn, strict=True)}
            pictures = np.stack([made[k] if k in made else self._kept[k] for k in keys])
        for i, picture in zip(new[-KEPT:], drawn[-KEPT:], strict=True):
            self._kept[keys[i]] = picture.copy()
        for key in keys[-KEPT:]:
            if key in self._kept:
                self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return pictures

    def _draw(self, scenes: Scenes, size: tuple[int, int], samples: int) -> np.ndarray:
        images = np.zeros((len(scenes), *size, 3), np.uint8)
        together = max(1, BLOCK_PIXELS // (size[0] * size[1]))
        for first in range(0, len(scenes), together):
            part = slice(first, first + together)
            left = self._interpolate_all(scenes[part], images[part]) if self._smooth else None
            self._caster.draw(scenes[part], Rendering(images[part]), left, samples=samples)
        return images

    def _interpolate_all(self, scenes: Scenes, images: np.ndarray) -> np.ndarray:
        """Draw the smooth cells and return what is left to draw: bool [B, H, W]."""
        left = np.empty(images.shape[:3], dtype=bool)

        def work(part: slice) -> None:
            left[part] = self._interpolate(scenes[part], images[part])

        self._caster.share(work, len(images))
        return left

    def _interpolate(self, scenes: Scenes, images: np.ndarray) -> np.ndarray:
        """Do so for a part of them."""
        caster, (count, height, width) = self._caster, images.shape[:3]
        device, cells = caster.device, (-(-height // STEP), -(-width // STEP))
        scene_records, instances = caster.upload(scenes)

        def launch(kernel: wp.Kernel, dim: tuple[int, ...], *inputs: object) -> None:
            wp.launch(kernel, dim=dim, inputs=list(inputs), device=device)

        grids = []
        for offset, more in ((0.0, 1), (STEP / 2, 0)):
            lines = (cells[0] + more, cells[1] + more)
            grid = wp.empty((count, *lines), dtype=wp.vec3, device=device)
            launch(
                shade_grid, grid.shape, scene_records, instances, caster.assets, self._slot,
                offset, width, height, grid,
            )  # fmt: skip
            grids.append(grid)
        flat = images.reshape(count, height * width, 3)
        drawn = wp.array(flat, dtype=wp.uint8, device=device, copy=not device.is_cpu)
        left = wp.zeros((count, height * width), dtype=wp.uint8, device=device)
        launch(fill_cells, (count, *cells), *grids, width, height, drawn, left)
        if not device.is_cpu:
            flat[:] = drawn.numpy()
        return left.numpy().reshape(count, height, width) > 0
