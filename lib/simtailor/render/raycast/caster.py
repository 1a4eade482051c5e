"""The ray caster: holds assets on a device and renders batches of scenes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import warp as wp

from simtailor.assets.mesh import Material, Mesh
from simtailor.errors import UserError
from simtailor.render.raycast import kernels
from simtailor.render.raycast.environment import Environment
from simtailor.render.raycast.scenes import Scenes
from simtailor.render.rendering import Rendering

CUDA_CHUNK_PIXELS = 1 << 25  # pixels of one launch on a GPU; bounds the memory of a batch


def use_kernel_cache(folder: str | Path | None) -> None:
    """Keep compiled kernels in ``folder``; takes effect before the first renderer is made."""
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        wp.config.kernel_cache_dir = str(Path(folder).resolve())


def compile_kernels(cache: str | Path, device: str) -> str:
    """Compile all kernels into ``cache`` / kernels and return a line that says for what.

    Raises:
        UserError: the device does not exist on this machine.
    """
    use_kernel_cache(Path(cache) / "kernels")
    chosen = warp_device(device)
    wp.load_module(kernels, device=chosen)
    return f"warp {wp.__version__} on {chosen.name}"


def warp_device(name: str) -> wp.Device:
    """Return Warp's device, or raise a UserError that says what there is."""
    wp.config.quiet = True  # what older versions of Warp read
    wp.config.log_level = getattr(wp, "LOG_WARNING", 30)
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
    """

    def __init__(
        self,
        meshes: Sequence[Mesh],
        environments: Sequence[Environment],
        *,
        extra_materials: Sequence[Material] = (),
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.device = warp_device(device)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.threads = max(1, threads or cores or 1)
        # Warp's CPU kernels run on one thread and release the interpreter's lock, so one
        # launch a thread, each on its share of the batch, uses all cores without processes.
        self._pool = ThreadPoolExecutor(self.threads) if self.device.is_cpu else None
        self._upload_environments(environments)
        self._upload_materials(meshes, extra_materials)
        self._upload_meshes(meshes)
        wp.load_module(kernels, device=self.device)

    def close(self) -> None:
        """Stop the threads."""
        if self._pool:
            self._pool.shutdown()

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
        shadows: bool = True,
        masks: bool = False,
        depth: bool = False,
    ) -> Rendering:
        """Render a batch.

        Args:
            scenes: B scenes.
            size: pixels, one number for a square or (height, width).
            samples: rays a pixel, at least 1.
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
        records, instances = self._records(scenes)
        outputs = (rendering.images, rendering.masks, rendering.depth)

        def launch(part: slice) -> None:
            inputs = [
                wp.array(np.ascontiguousarray(values[part]), dtype=kind, device=self.device)
                for values, kind in (
                    (records, kernels.SceneRecord),
                    (instances, kernels.InstanceRecord),
                )
            ]
            wanted = [None if values is None else values[part] for values in outputs]
            results = [
                self._output(values, kind)
                for values, kind in zip(wanted, (wp.uint8, wp.uint8, wp.float32), strict=True)
            ]
            wp.launch(
                kernels.render_pixels,
                dim=wanted[0].shape[:3],
                inputs=[
                    *inputs, *self._assets, samples, int(shadows), int(masks), int(depth), *results
                ],
                device=self.device,
            )  # fmt: skip
            if not self.device.is_cpu:
                for values, result in zip(wanted, results, strict=True):
                    if values is not None:
                        values[:] = result.numpy()

        parts = self._parts(count, height * width)
        if self._pool and len(parts) > 1:
            list(self._pool.map(launch, parts))
        else:
            for part in parts:
                launch(part)
        return rendering

    def _output(self, values: np.ndarray | None, kind: type) -> wp.array:
        """On the CPU the kernel writes into the caller's own memory."""
        if values is None:
            return wp.empty((0, 0, 0), dtype=kind, device=self.device)
        if self.device.is_cpu:
            return wp.array(values, dtype=kind, device=self.device, copy=False)
        return wp.empty(values.shape, dtype=kind, device=self.device)

    def _parts(self, count: int, pixels: int) -> list[slice]:
        if self.device.is_cpu:
            # Several small parts a thread even out scenes of unequal cost.
            length = max(1, min(16, -(-count // self.threads)))
        else:
            length = max(1, CUDA_CHUNK_PIXELS // pixels)
        return [slice(i, i + length) for i in range(0, count, length)]

    def _records(self, scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
        records = np.zeros(len(scenes), kernels.SceneRecord.numpy_dtype())
        direct = (
            "eye", "camera", "focus", "aperture", "light_colour", "light_softness", "environment",
            "environment_rotation", "environment_intensity", "exposure",
        )  # fmt: skip
        for name in direct:
            records[name] = getattr(scenes, name)
        light = scenes.light_direction
        records["light_direction"] = light / np.linalg.norm(light, axis=-1, keepdims=True)
        records["tangent"] = np.tan(scenes.field_of_view / 2)
        records["seed"] = scenes.seed
        instances = np.zeros(scenes.mesh.shape, kernels.InstanceRecord.numpy_dtype())
        for name in ("mesh", "rotation", "position", "scale", "label", "casts_shadow"):
            instances[name] = getattr(scenes, name)
        own = scenes.material < 0
        instances["material"] = np.where(own, -1, scenes.material + self._first_extra_material)
        return records, instances

    def _array(self, values: np.ndarray, kind: type) -> wp.array:
        return wp.array(np.ascontiguousarray(values), dtype=kind, device=self.device)

    def _upload_environments(self, environments: Sequence[Environment]) -> None:
        self._environments = (
            self._array(np.stack([e.background for e in environments])[:, None], wp.vec3h),
            self._array(np.stack([e.reflections for e in environments]), wp.vec3h),
            self._array(np.stack([e.harmonics for e in environments]), wp.vec3),
        )

    def _upload_materials(self, meshes: Sequence[Mesh], extra: Sequence[Material]) -> None:
        materials = [material for mesh in meshes for material in mesh.materials]
        self._first_extra_material = len(materials)
        materials += extra
        textures, texels, known = [], [np.zeros((1, 3), np.float16)], {}
        records = np.zeros(max(1, len(materials)), kernels.MaterialRecord.numpy_dtype())
        for record, material in zip(records, materials, strict=False):
            record["base_colour"] = material.base_colour
            record["roughness"] = material.roughness
            record["metallic"] = material.metallic
            record["texture"] = -1
            if material.texture is not None:
                key = id(material.texture)
                if key not in known:
                    known[key] = len(textures)
                    levels = mip_levels(material.texture)
                    height, width = material.texture.shape[:2]
                    first = sum(len(t) for t in texels)
                    textures.append((first, width, height, len(levels)))
                    texels += [level.reshape(-1, 3).astype(np.float16) for level in levels]
                record["texture"] = known[key]
        texture_records = np.zeros(max(1, len(textures)), kernels.TextureRecord.numpy_dtype())
        for record, values in zip(texture_records, textures, strict=False):
            names = ("first_texel", "width", "height", "levels")
            for name, value in zip(names, values, strict=True):
                record[name] = value
        self._materials = (
            self._array(records, kernels.MaterialRecord),
            self._array(texture_records, kernels.TextureRecord),
            self._array(np.concatenate(texels), wp.vec3h),
        )

    def _upload_meshes(self, meshes: Sequence[Mesh]) -> None:
        self._meshes = []  # keeps the bounding volume hierarchies alive
        records = np.zeros(len(meshes), kernels.MeshRecord.numpy_dtype())
        first_vertex = first_face = first_material = 0
        for record, mesh in zip(records, meshes, strict=True):
            shape = wp.Mesh(
                points=self._array(mesh.vertices, wp.vec3),
                indices=self._array(mesh.faces.reshape(-1), wp.int32),
                # The surface area heuristic is faster to query, but is built on the CPU only.
                **({"bvh_constructor": "sah"} if self.device.is_cpu else {}),
            )
            self._meshes.append(shape)
            low, high = mesh.vertices.min(0), mesh.vertices.max(0)
            centre = (low + high) / 2
            record["id"] = shape.id
            record["first_vertex"], record["first_face"] = first_vertex, first_face
            record["first_material"] = first_material
            record["centre"] = centre
            record["radius"] = np.linalg.norm(mesh.vertices - centre, axis=1).max() * 1.0001
            record["texture_density"] = mesh.texture_density
            if mesh.clear_top:
                corners = mesh.vertices[mesh.faces[:2]].reshape(-1, 3)
                record["clear_top"] = 1
                record["clear_low"], record["clear_high"] = corners.min(0), corners.max(0)
            first_vertex += len(mesh.vertices)
            first_face += len(mesh.faces)
            first_material += len(mesh.materials)
        self._assets = (
            self._array(records, kernels.MeshRecord),
            *self._materials,
            self._array(np.concatenate([m.normals for m in meshes]), wp.vec3),
            self._array(np.concatenate([m.coordinates for m in meshes]), wp.vec2),
            self._array(np.concatenate([m.face_materials for m in meshes]), wp.int32),
            *self._environments,
        )


def mip_levels(texture: np.ndarray) -> list[np.ndarray]:
    """Return the texture and its halvings down to one texel: [h, w, 3], [h/2, w/2, 3], ..."""
    levels = [np.asarray(texture, dtype=np.float32)]
    while max(levels[-1].shape[:2]) > 1:
        level = levels[-1]
        for axis in (0, 1):
            if level.shape[axis] > 1:
                even = level.shape[axis] // 2 * 2
                first = level.take(range(0, even, 2), axis)
                level = (first + level.take(range(1, even, 2), axis)) / 2
        levels.append(level)
    return levels
