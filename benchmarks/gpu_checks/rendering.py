"""The ray caster: compiling, pictures beside the CPU's, sets, and images a second."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from gpu_checks.bench import ALL_ON, NO_BLUR, Arrays, Bench, silent
from simtailor.render.raycast import kernels
from simtailor.render.raycast.compilation import compile_kernels
from simtailor.simulation.inputs import settings_of_a_set
from simtailor.simulation.machine import Machine
from simtailor.simulation.making import SetPlan, make_set
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.settings import Simulation

SAMPLES = 4
PICTURES = {"sharp": NO_BLUR, "blurred": ALL_ON}
IMAGES = {64: 4000, 128: 3000, 256: 2560}  # of the sets, by pixels
REGISTERS = (None, 128, 64)  # a thread; fewer let more threads run side by side
MOST_OFF = 0.01  # share of the bytes that may differ from the CPU's by more than 2 levels
PIXELS = 2**26  # drawn to measure the renderer alone


def compiling(bench: Bench) -> dict[str, Any]:
    """Compile the kernels, or find them in the cache."""
    said: list[str] = []
    took = bench.seconds(lambda: said.append(compile_kernels(bench.cache, bench.device)))
    return {"seconds": took, "for": said[0]}


def pictures_of(bench: Bench, device: str) -> Arrays:
    """Return pictures of every class twice, sharp and behind a lens, and their masks."""
    count = bench.size(2 * len(bench.catalogue.categories), 4)
    found = {}
    machine = Machine(device, bench.threads, bench.cache)
    with machine.studio(bench.catalogue) as studio:
        for label, name in PICTURES.items():
            taken = studio.take(
                SimulationParameters.parse(name), 0, np.arange(count),
                image_size=bench.size(64, 32), samples=SAMPLES,
            )  # fmt: skip
            found |= {f"{label} images": taken.images, f"{label} masks": taken.masks}
    return found


def pictures(bench: Bench) -> dict[str, Any]:
    """Compare pictures with the CPU's."""
    made, wanted = pictures_of(bench, bench.device), bench.on_cpu("pictures", pictures_of)
    found = {}
    for label in PICTURES:
        images = f"{label} images"
        off = np.abs(made[images].astype(int) - wanted[images])
        masks = made[f"{label} masks"] != wanted[f"{label} masks"]
        found[label] = {
            "bytes equal": float((off == 0).mean()),
            "bytes off by more than 2": float((off > 2).mean()),
            "mean difference, levels": float(off.mean()),
            "mask pixels that differ": float(masks.mean()),
        }
        bench.expect(
            found[label]["bytes off by more than 2"] <= MOST_OFF,
            f"the {label} pictures are not the CPU's",
        )
    return found


def plan_of(bench: Bench, pixels: int, images: int) -> SetPlan:
    """Return the plan of a set with everything on."""
    settings = Simulation(
        seed=0, image_size=pixels, images=images, samples=SAMPLES,
        shard_size=bench.size(1000, 16),
    )  # fmt: skip
    return SetPlan.create(ALL_ON, settings_of_a_set(settings, ALL_ON))


def sets(bench: Bench) -> dict[str, Any]:
    """Make sets, rendered, compressed and written; later checks train on them."""
    found = {}
    for pixels, full in bench.size(IMAGES, {64: 32, 128: 16}).items():
        few, images = full // 8, full

        def make(count: int, pixels: int = pixels) -> None:
            output = bench.folder / f"set{pixels}-{count}"
            make_set(
                plan_of(bench, pixels, count), bench.catalogue, bench.machine,
                bench.folder / f"work{pixels}-{count}", output, silent,
            )  # fmt: skip
            bench.sets[pixels] = output

        start = bench.seconds(partial(make, few))
        took = bench.seconds(partial(make, images))
        # The start, uploading and the set's sheet are in both.
        rate = (images - few) / max(took - start, 1e-3)
        written = sum(path.stat().st_size for path in bench.sets[pixels].glob("*.tar"))
        found[f"{pixels} px"] = {
            "images": images,
            "seconds": took,
            "images a second": rate,
            "kB an image": written / images / 1e3,
        }
        conditions = f"{pixels} px, {SAMPLES} samples, all on, written by {bench.threads} cores"
        bench.rate("render", pixels**2 / 1e6 * SAMPLES, rate, conditions)
    return found


def speed(bench: Bench) -> dict[str, Any]:
    """Measure the renderer alone, by size, rays a pixel, lens, and registers of its kernels."""
    found = {"registers as compiled": _speed(bench)}
    if not bench.on_cuda:
        return found
    try:
        for limit in REGISTERS[1:]:
            _limit_registers(limit)
            found[f"{limit} registers"] = _speed(bench)
    finally:
        _limit_registers(None)
    return found


def _speed(bench: Bench) -> dict[str, float]:
    found = {}
    for pixels in bench.size((64, 128, 256), (32,)):
        for samples in (1, SAMPLES):
            for label, name in PICTURES.items():
                count = bench.size(PIXELS // pixels**2 // (4 * samples), 2)
                take = partial(
                    bench.studio.take, SimulationParameters.parse(name), 1, np.arange(count),
                    image_size=pixels, samples=samples,
                )  # fmt: skip
                take()
                rate = count / bench.seconds(take)
                found[f"{pixels} px, {samples} samples, {label}, images a second"] = rate
    return found


def _limit_registers(limit: int | None) -> None:
    """Let the two longest kernels use so many registers a thread; None is the compiler's choice."""
    for kernel in (kernels.trace_rays, kernels.shade_hits):
        kernel.options.pop("cuda_max_registers", None)  # None as a value breaks the build
        if limit:
            kernel.options["cuda_max_registers"] = limit
        kernel.module.mark_modified()
