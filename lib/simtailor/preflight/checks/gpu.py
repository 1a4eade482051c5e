"""The GPU: its driver, and whether what computes on it can use it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from simtailor.config import Configuration
from simtailor.devices import check_device, device_warning, gpu_count
from simtailor.errors import UserError
from simtailor.preflight.asked import Asked
from simtailor.preflight.findings import Finding, check, missing, ok, unknown


@check("gpu")
def gpu(asked: Asked) -> Iterator[Finding]:
    """Look for the driver, and ask torch and Warp for the device."""
    configuration = asked.configuration
    if configuration.device == "cpu":
        yield ok("device: cpu, so none is needed")
        return
    if not asked.run.here:
        yield unknown(
            f"device: {configuration.device}, on nodes that cannot be seen from here",
            "Run 'check' without the profile on a node with a GPU.",
        )
        return
    if warning := device_warning(configuration.device):
        yield missing(warning)
        return  # neither torch nor Warp can see one
    yield from _number(configuration)
    for name, asks in (("torch", _ask_torch), ("Warp", _ask_warp)):
        try:
            asks(configuration.device)
            yield ok(f"{name} sees '{configuration.device}'")
        except UserError as error:
            yield missing(f"{name}: {error}")
    if "knn" in configuration.task2sim.evaluate.methods:
        yield _neighbours()


def _number(configuration: Configuration) -> Iterator[Finding]:
    processes, there = configuration.task2sim.pretrain.processes, gpu_count()
    if processes > there:
        yield missing(
            f"task2sim.pretrain.processes: {processes}, but the driver shows {there} GPU(s)",
            f"Set it to {there}, or run where there are more.",
        )
    else:
        yield ok(f"the driver shows {there} GPU(s)")


def _ask_torch(device: str) -> None:
    check_device(device)


def _ask_warp(device: str) -> None:
    from simtailor.render.raycast.caster import warp_device  # noqa: PLC0415  takes a second

    warp_device(device)


def _neighbours() -> Finding:
    try:
        return ok(f"neighbours are searched by faiss-gpu {version('faiss-gpu')}")
    except PackageNotFoundError:
        return ok(
            "neighbours are searched by torch, for faiss-gpu is not installed; equal results",
            "Faster for large tasks: SIMTAILOR_EXTRAS=gpu ./run snakemake check",
        )
