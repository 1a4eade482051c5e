"""What finds the hits of rays: Warp everywhere, or Embree on a CPU where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

import numpy as np
import warp as wp

from simtailor.assets.mesh import Mesh
from simtailor.render.raycast import kernels, records

WARP, EMBREE = "warp-lang", "embreex"  # the packages


@dataclass(eq=False)
class RayList:
    """A list of rays under way, and the scenes that they belong to.

    Attributes:
        rays: arrays of at least ``count`` entries.
        scene: int32 [count], the rays' scenes; meshes: int32 [B, K], those of the scenes.
        casting: bool [K], which instances cast a shadow in any scene.
        instances: InstanceRecord [B, K] on the device.
    """

    rays: records.Rays
    count: int
    scene: np.ndarray
    meshes: np.ndarray
    casting: np.ndarray
    instances: wp.array

    def runs(self, k: int) -> list[tuple[int, int, int]]:
        """Return (mesh, first, end) of stretches of rays whose instance ``k`` has one mesh."""
        firsts = np.concatenate([[0], np.flatnonzero(np.diff(self.scene)) + 1])
        meshes = self.meshes[self.scene[firsts], k]
        changes = np.concatenate([[True], meshes[1:] != meshes[:-1]])
        firsts, meshes = firsts[changes], meshes[changes]
        ends = [*firsts[1:], self.count]
        runs = zip(meshes, firsts, ends, strict=True)
        return [(int(m), int(a), int(b)) for m, a, b in runs if m >= 0]


class Tracer(Protocol):
    """Finds what rays hit."""

    def hits(self, batch: RayList) -> None:
        """Find each ray's nearest hit."""
        ...

    def shadows(self, batch: RayList) -> None:
        """Find which lit points something shadows."""
        ...


class WarpTracer:
    """Traces with Warp's bounding volume hierarchies, on any device."""

    def __init__(self, meshes: Sequence[Mesh], assets: records.Assets, device: wp.Device) -> None:
        self._assets, self._device = assets, device
        self._shapes = [  # keeps the hierarchies alive
            wp.Mesh(
                points=wp.array(mesh.vertices, dtype=wp.vec3, device=device),
                indices=wp.array(mesh.faces.reshape(-1), dtype=wp.int32, device=device),
                # The surface area heuristic is faster to query; it was tried on a CPU only.
                **({"bvh_constructor": "sah"} if device.is_cpu else {}),
            )
            for mesh in meshes
        ]
        stored = assets.meshes.numpy()
        stored["id"] = [shape.id for shape in self._shapes]
        assets.meshes = wp.array(stored, dtype=records.MeshRecord, device=device)

    def hits(self, batch: RayList) -> None:
        self._launch(kernels.trace_rays, batch)

    def shadows(self, batch: RayList) -> None:
        self._launch(kernels.trace_shadows, batch)

    def _launch(self, kernel: wp.Kernel, batch: RayList) -> None:
        inputs = [batch.rays, batch.instances, self._assets]
        wp.launch(kernel, dim=batch.count, inputs=inputs, device=self._device)


def tracing_package(device: str, wanted: str | None = None) -> str:
    """Return the package that traces the rays on a device: a name and its version.

    Embree's hits differ from Warp's in the last digits, and so do single levels of pictures.
    """
    package = _package(device == "cpu", wanted)
    return f"{package} {version(package)}"


def _package(on_cpu: bool, wanted: str | None) -> str:
    return wanted or (EMBREE if on_cpu and embree_is_there() else WARP)


def embree_is_there() -> bool:
    """Return whether Embree can be used."""
    try:
        import embreex.rtcore_scene  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def make_tracer(
    package: str | None, meshes: Sequence[Mesh], assets: records.Assets, device: wp.Device
) -> Tracer:
    """Return the tracer of a package, by default the fastest of those that are there."""
    if _package(device.is_cpu, package) == EMBREE:
        from simtailor.render.raycast.embree import EmbreeTracer  # noqa: PLC0415

        return EmbreeTracer(meshes, assets, device)
    return WarpTracer(meshes, assets, device)
