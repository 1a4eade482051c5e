"""Compiling of all kernels ahead of the jobs that need them."""

from __future__ import annotations

from pathlib import Path

import warp as wp

from simtailor.render.raycast import ground, kernels, outlines
from simtailor.render.raycast.caster import use_kernel_cache, warp_device
from simtailor.render.raycast.tracers import EMBREE, tracing_package


def compile_kernels(cache: str | Path, device: str) -> str:
    """Compile all kernels into ``cache`` / kernels and return a line that says for what.

    Raises:
        UserError: the device does not exist on this machine.
    """
    use_kernel_cache(Path(cache) / "kernels")
    chosen = warp_device(device)
    modules = [kernels, ground, outlines]
    if tracing_package(device).startswith(EMBREE):
        from simtailor.render.raycast import embree  # noqa: PLC0415

        modules.append(embree)
    for module in modules:
        wp.load_module(module, device=chosen)
    return f"warp {wp.__version__} on {chosen.name}"
