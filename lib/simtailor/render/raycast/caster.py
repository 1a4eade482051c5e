"""The ray caster: holds assets on a device and renders batches of scenes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import warp as wp

from simtailor.assets.mesh import Material, Mesh
from simtailor.devices import cores_here
from simtailor.errors import UserError
from simtailor.render.raycast import records
from simtailor.render.raycast.environment import Environment
from simtailor.render.raycast.painting import NONE, Block, Painter
from simtailor.render.raycast.pixels import Spans, pixel_list
from simtailor.render.raycast.scenes import Scenes
from simtailor.render.raycast.tracers import make_tracer, tracing_package
from simtailor.render.raycast.uploads import upload_assets
from simtailor.render.rendering import Rendering

BLOCK_PIXELS = 1 << 22  # of scenes that are drawn together; bounds the memory of a batch


def use_kernel_cache(folder: str | Path | None) -> None:
    """Keep compiled kernels in ``folder``; takes effect before the first renderer is made."""
    if folder is None:
        return
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # Warp's start adds a folder of its version, which must not be taken away again.
    used = wp.config.kernel_cache_dir
    if used is None or Path(used).parent != folder:
        wp.config.kernel_cache_dir = str(folder)


@contextmanager
def _without_native_output() -> Iterator[None]:
    """Leave out what is written to standard error past Python.

    Warp's library warns that it finds no driver of a GPU, which a run on the CPU does not need,
    and has no setting for it.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def warp_device(name: str) -> wp.Device:
    """Return Warp's device, or raise a UserError that says what there is."""
    wp.config.quiet = True  # what older versions of Warp read
    wp.config.log_level = getattr(wp, "LOG_WARNING", 30)
    with _without_native_output() if name == "cpu" else nullcontext():
        wp.init()
    try:
        return wp.get_device(name)
    except (RuntimeError, ValueError) as error:
        known = ", ".join(device.alias for device in wp.get_devices())
        raise UserError(
            f"configuration key 'device': this machine has no device '{name}'; it has: {known}"
        ) from error


class RayCaster:
    """Renders scenes made of a fixed list of meshes and environments.

    Args:
        meshes: what ``Scenes.mesh`` indexes.
        environments: what ``Scenes.environment`` indexes; all of one size.
        extra_materials: what ``Scenes.material`` indexes.
        device: ``cpu`` or a CUDA device such as ``cuda`` or ``cuda:1``.
        threads: cores to render on; None takes all that this process may use. The bytes of
            an image depend neither on the threads nor on the batch. They may differ in the
            last bit between kinds of CPU, and between CPU and GPU.
        tracer: the package that traces the rays, ``warp-lang`` or, on a CPU, ``embreex``;
            None for the fastest that is there. Their pictures differ by single levels.
    """

    def __init__(
        self,
        meshes: Sequence[Mesh],
        environments: Sequence[Environment],
        *,
        extra_materials: Sequence[Material] = (),
        device: str = "cpu",
        threads: int | None = None,
        tracer: str | None = None,
    ) -> None:
        self.device = warp_device(device)
        self.threads = max(1, threads or cores_here())
        self._first_extra_material = sum(len(mesh.materials) for mesh in meshes)
        self.assets = upload_assets(meshes, environments, extra_materials, self.device)
        traced = make_tracer(tracer, meshes, self.assets, self.device)
        self._painter = Painter(self.device, self.assets, traced, self.threads)
        self.traced_by = tracing_package(self.device.alias, tracer)

    def share(self, work: Callable[[slice], None], count: int) -> None:
        """Do work on parts of ``count`` scenes, all cores at a time; see ``Painter.share``."""
        self._painter.share(work, count)

    def close(self) -> None:
        """Stop the threads."""
        self._painter.close()

    def __enter__(self) -> RayCaster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def render(
        self,
        scenes: Scenes,
        size: int | tuple[int, int],
        *,
        samples: int = 1,
        adaptive: bool = False,
        shadows: bool = True,
        masks: bool = False,
        depth: bool = False,
    ) -> Rendering:
        """Render a batch.

        Args:
            scenes: B scenes.
            size: pixels, one number for a square or (height, width).
            samples: rays a pixel, at least 1.
            adaptive: spend them only where a first picture with few rays has contrast.
            masks, depth: what is wanted beside the images; they change no image.

        Returns:
            images uint8 [B, H, W, 3] in sRGB-like encoding; if wanted, masks uint8 [B, H, W]
            with the instances' labels, and depth float32 [B, H, W] along the camera's axis in
            metres, infinite for the sky.
        """
        height, width = (size, size) if isinstance(size, int) else size
        count = len(scenes)
        rendering = Rendering(
            images=np.zeros((count, height, width, 3), np.uint8),
            masks=np.zeros((count, height, width), np.uint8) if masks else None,
            depth=np.zeros((count, height, width), np.float32) if depth else None,
        )
        self.draw(scenes, rendering, samples=samples, adaptive=adaptive, shadows=shadows)
        return rendering

    def look(self, scenes: Scenes, size: tuple[int, int]) -> Rendering:
        """Return masks and depth of ``render`` without the cost of the images, which are empty."""
        shape = (len(scenes), *size)
        nothing = np.zeros((*shape, 0), np.uint8)
        seen = Rendering(nothing, np.zeros(shape, np.uint8), np.zeros(shape, np.float32))
        self.draw(scenes, seen, colour=False)
        return seen

    def draw(
        self,
        scenes: Scenes,
        rendering: Rendering,
        where: Spans | np.ndarray | None = None,
        *,
        samples: int = 1,
        adaptive: bool = False,
        shadows: bool = True,
        drawn: int = NONE,
        colour: bool = True,
    ) -> None:
        """Draw into pictures that are there; masks and depth where ``rendering`` has them.

        Args:
            where: some spans of the pictures' rows, or bool [B, H, W]; None is everywhere,
                which adaptive samples need.
            drawn: the instance whose clear top, where light reaches it, the pictures show
                already; see ``Painter.draw``.
            colour: False leaves the images as they are.
        """
        height, width = rendering.images.shape[1:3]
        together = max(1, BLOCK_PIXELS // max(1, height * width))
        for first in range(0, len(scenes), together):
            part = slice(first, first + together)
            some = scenes[part]
            outputs = [
                None if values is None else values[part].reshape(len(some), height * width, -1)
                for values in (rendering.images, rendering.masks, rendering.depth)
            ]
            # Scenes of one mesh follow one another, so that its rays are traced together.
            order = np.lexsort(some.mesh.T[::-1])
            block = self._block(some, outputs, height, width)
            lens = some.aperture > 0
            if adaptive:
                self._painter.draw_adaptively(block, order, lens, samples, shadows)
            else:
                chosen = None if where is None else where[part]
                pixels = pixel_list(order, chosen, height, width)
                if colour:
                    self._painter.draw(block, pixels, bool(lens.any()), samples, shadows, drawn)
                else:
                    self._painter.look(block, pixels)
            if not self.device.is_cpu:
                results = (block.images, block.masks, block.depth)
                for values, result in zip(outputs, results, strict=True):
                    if values is not None:
                        values[:] = result.numpy().reshape(values.shape)

    def _block(
        self, scenes: Scenes, outputs: list[np.ndarray | None], height: int, width: int
    ) -> Block:
        scene_records, instances = self.upload(scenes)
        images, masks, depth = outputs

        def output(values: np.ndarray | None, kind: type) -> wp.array:
            """On the CPU the kernels write into the caller's own memory."""
            if values is None:
                return wp.empty((0, 0), dtype=kind, device=self.device)
            return wp.array(values, dtype=kind, device=self.device, copy=not self.device.is_cpu)

        return Block(
            scenes=scene_records,
            instances=instances,
            meshes=scenes.mesh,
            casting=scenes.casts_shadow.any(0),
            images=output(images, wp.uint8),
            masks=output(None if masks is None else masks[..., 0], wp.uint8),
            depth=output(None if depth is None else depth[..., 0], wp.float32),
            height=height,
            width=width,
        )

    def upload(self, scenes: Scenes) -> tuple[wp.array, wp.array]:
        """Return scenes and their instances on the device."""
        scene_records, instances = self.records_of(scenes)
        return (
            wp.array(scene_records, dtype=records.SceneRecord, device=self.device),
            wp.array(instances, dtype=records.InstanceRecord, device=self.device),
        )

    def records_of(self, scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
        """Return scenes [B] and their instances [B, K] as the kernels know them."""
        record = np.zeros(len(scenes), records.SceneRecord.numpy_dtype())
        direct = (
            "eye", "camera", "principal", "stretch", "focus", "aperture", "light_colour",
            "light_softness", "environment", "environment_rotation", "environment_intensity",
        )  # fmt: skip
        for name in direct:
            record[name] = getattr(scenes, name)
        light = scenes.light_direction
        record["light_direction"] = light / np.linalg.norm(light, axis=-1, keepdims=True)
        record["exposure"] = scenes.exposure[:, None] * scenes.white_balance
        record["tangent"] = np.tan(scenes.field_of_view / 2)
        record["seed"] = scenes.seed
        instances = np.zeros(scenes.mesh.shape, records.InstanceRecord.numpy_dtype())
        direct = (
            "mesh", "rotation", "position", "scale", "label", "casts_shadow", "recolour",
            "roughness",
        )  # fmt: skip
        for name in direct:
            instances[name] = getattr(scenes, name)
        materials = scenes.material[:, :, np.arange(records.SLOTS) % scenes.material.shape[2]]
        extra = materials + self._first_extra_material
        instances["materials"] = np.where(materials < 0, -1, extra)
        return record, instances
