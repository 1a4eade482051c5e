"""Measure the renderer's images a CPU second, beside alternatives on the same scene.

Each scene is drawn in turn by every pixel with Warp's rays, with mask and depth, and as the
workflow draws it. Prints a Markdown table and writes it to renderer.md beside this file. An
alternative that is not installed is skipped with a message; README.md says how to install it.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from machine import processor
from PIL import Image
from renderer_alternatives import ALTERNATIVES, EYE, FIELD_OF_VIEW, LIGHT, TARGET, ground

from simtailor.assets.content import Category, Model
from simtailor.assets.environments import sky
from simtailor.assets.mesh import Material, Mesh, moved
from simtailor.assets.tabletop import OBJECT_NAMES, tabletop_objects
from simtailor.render.embedded.tabletop import TabletopRenderer
from simtailor.render.raycast.caster import RayCaster, use_kernel_cache
from simtailor.render.raycast.environment import prefilter
from simtailor.render.raycast.scenes import Scenes, look_at, rotation_about
from simtailor.render.raycast.tracers import WARP, tracing_package
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.sampler import Sampler
from simtailor.simulation.settings import FIELD_OF_VIEW as SETS_FIELD_OF_VIEW
from simtailor.simulation.studio import LENS_SAMPLES, Studio
from simtailor.simulation.studio import PLAIN as STUDIO_PLAIN

SIZES = (64, 128, 256)
COUNTS = {64: 100, 128: 40, 256: 10}  # images of a measurement
ALL_ON = SimulationParameters(1, 1, 1, 1, 1, 3, 1, 1, 1)
PLAIN, FULL = "every pixel, Warp", "as the workflow draws it"
Draws = dict[str, Callable[[int], np.ndarray]]


def measure(draws: Draws, count: int, repetitions: int) -> dict[str, float]:
    """Return images a CPU second of functions that draw so many images, taking turns.

    CPU time is over all threads of the process; the best of the repetitions counts.
    """
    seconds = {name: [] for name in draws}
    for repetition in range(repetitions + 1):
        for name, draw in draws.items():
            start = time.process_time()
            draw(count)
            if repetition:  # the first warms up
                seconds[name].append(time.process_time() - start)
    return {name: count / min(times) for name, times in seconds.items()}


def tabletop_graphs(count: int) -> SceneGraphBatch:
    """Return graphs of the five objects in turn, in many poses, seen from 65 degrees."""
    ranges = {
        "yaw": (0, 0, 360), "loc_x": (0, 95, 105), "loc_z": (0, 95, 105),
        "intensity": (1, 0.4, 0.6), "camera_pitch": (2, 60, 90),
    }  # fmt: skip
    maximum = np.zeros((3, len(ranges)), np.float32)
    features = np.zeros((count, *maximum.shape), np.float32)
    random = np.random.default_rng(0)
    for f, (node, low, high) in enumerate(ranges.values()):
        maximum[node, f] = 1
        features[:, node, f] = random.uniform(low, high, count)
    layout = SceneGraphLayout(
        class_names=(*range(len(OBJECT_NAMES)), "Light", "Camera"),
        node_names=("object", "Light", "Camera"),
        node_constants=({},) * 3,
        parents=np.array([-1, 0, 0]),
        features=tuple(ranges),
        maximum=maximum,
        mutable=maximum > 0,
    )
    classes = np.tile([0, len(OBJECT_NAMES), len(OBJECT_NAMES) + 1], (count, 1))
    classes[:, 0] = np.arange(count) % len(OBJECT_NAMES)
    return SceneGraphBatch(layout, classes, features, np.arange(count))


def outdoor_scenes(count: int) -> Scenes:
    """Return scenes of mesh 0 on the ground, mesh 1, under a sky, turning."""
    scenes = Scenes.create(count, 2)
    scenes.mesh[:] = [0, 1]
    scenes.label[:] = [1, 0]
    scenes.casts_shadow[:, 1] = False
    scenes.rotation[:, 0] = rotation_about("y", np.arange(count) * 360 / count)
    scenes.eye[:] = EYE
    scenes.camera[:] = look_at(scenes.eye, np.tile(TARGET, (count, 1)))
    scenes.field_of_view[:] = FIELD_OF_VIEW
    scenes.focus[:] = np.linalg.norm(np.subtract(EYE, TARGET))
    scenes.light_direction[:] = LIGHT
    return scenes


def tabletop_draws(size: int, cache: Path, threads: int = 1) -> Draws:
    """Return functions that draw the tabletop; with a camera that moves, and one that stands."""
    settings = {"image_size": size, "threads": threads, "cache": cache}
    ours, warp = TabletopRenderer(**settings), TabletopRenderer(**settings, tracer=WARP)

    def fixed(count: int) -> SceneGraphBatch:
        graphs = tabletop_graphs(count)
        features = graphs.features.copy()
        features[:, 1:] = features[:1, 1:]
        return graphs.with_features(features)

    def every_pixel(count: int) -> np.ndarray:
        scenes = warp.placing.scenes(tabletop_graphs(count))
        return warp._caster.render(scenes, size, masks=True, depth=True).images

    return {
        PLAIN: every_pixel,
        f"{FULL}, camera and light vary": lambda n: ours.render(tabletop_graphs(n)).images,
        f"{FULL}, camera and light stand still": lambda n: ours.render(fixed(n)).images,
        "the same without Embree": lambda n: warp.render(fixed(n)).images,
    }


def outdoor_draws(size: int, cache: Path) -> Draws:
    """Return functions that draw the basket under a sky."""
    meshes, skies = [tabletop_objects()["basket"], ground()], [prefilter(sky(), cache)]
    ours = RayCaster(meshes, skies, threads=1)
    warp = RayCaster(meshes, skies, threads=1, tracer=WARP)
    return {
        PLAIN: lambda n: warp.render(outdoor_scenes(n), size, masks=True, depth=True).images,
        FULL: lambda n: ours.render(outdoor_scenes(n), size).images,
    }


def centred(mesh: Mesh) -> Mesh:
    """Return the mesh with its bounding box around the origin, as packs have it."""
    return moved(mesh, tuple(-(mesh.vertices.min(0) + mesh.vertices.max(0)) / 2))


def set_draws(cache: Path) -> Draws:
    """Return functions that draw images of a set with all parameters on: 256 px, 4 samples."""
    categories = tuple(
        Category(name, f"n{i:08}", (Model(name, centred(mesh)),))
        for i, (name, mesh) in enumerate(tabletop_objects().items())
    )
    skies = tuple(prefilter(sky(sun_elevation=height), cache) for height in (15.0, 45.0))
    materials = tuple(
        Material(colour, roughness)
        for colour in ((0.6, 0.05, 0.05), (0.1, 0.4, 0.1))
        for roughness in (0.3, 0.9)
    )
    catalogue = Catalogue(categories, skies, materials)
    studio = Studio(catalogue, device="cpu", threads=1, cache=cache)
    meshes = [model.mesh for model in catalogue.models]
    materials = (STUDIO_PLAIN, *materials)
    warp = RayCaster(meshes, skies, extra_materials=materials, threads=1, tracer=WARP)
    sampler = Sampler(ALL_ON, 0, catalogue, SETS_FIELD_OF_VIEW, studio._sky_intensities)

    def every_pixel(count: int) -> np.ndarray:
        scenes = sampler.sample(np.arange(count), np.zeros(count, int)).scenes
        images = np.empty((count, 256, 256, 3), np.uint8)
        behind_lens = scenes.aperture > 0
        for chosen, samples in ((~behind_lens, 4), (behind_lens, 4 * LENS_SAMPLES)):
            if chosen.any():
                drawn = warp.render(scenes[chosen], 256, samples=samples, masks=True)
                images[chosen] = drawn.images
        return images

    def as_drawn(count: int) -> np.ndarray:
        return studio.take(ALL_ON, 0, np.arange(count), image_size=256, samples=4).images

    return {PLAIN: every_pixel, FULL: as_drawn}


# Report


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def save_sheet(folder: Path | None, name: str, images: np.ndarray) -> None:
    """Save the first pictures, so that one can see that all draw the same thing."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(list(images[:5]), axis=1)).save(folder / f"{name}.png")


def rows_of(
    scene: str, quality: str, size: int, speeds: dict[str, float], reference: float
) -> list[str]:
    """Return rows of the table: images a CPU second, and how many times the reference's."""
    rows = []
    for name, speed in speeds.items():
        drawn = "1 sample, shadow map" if name in ALTERNATIVES else quality
        shown = f"{speed:.0f}" if speed >= 20 else f"{speed:.1f}"
        rows.append(f"| {name} | {scene} | {drawn} | {size} | {shown} | {speed / reference:.2f} |")
    return rows


def alternative_draws(size: int) -> tuple[Draws, list[str], list[str]]:
    """Return functions that draw the basket, their versions, and what was skipped and why."""
    draws, labels, skipped = {}, [], []
    for name, make in ALTERNATIVES.items():
        try:
            version(name)
            draws[name], label = make(size)
            labels.append(label)
        except PackageNotFoundError:
            skipped.append(f"{name} is not installed and was skipped; see benchmarks/README.md.")
        except Exception as error:  # a driver that is absent, for example
            skipped.append(f"{name} does not run here and was skipped: {error}")
    return draws, labels, skipped


def scaling(cache: Path, repetitions: int) -> list[str]:
    """Return rows of a table: the tabletop at 128 pixels on more and more threads."""
    rows, base = [], None
    for threads in range(1, cores() + 1):
        draw = list(tabletop_draws(128, cache, threads).values())[1]
        best = 0.0, 1.0
        for _ in range(repetitions):
            cpu, wall = time.process_time(), time.perf_counter()
            draw(COUNTS[128])
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            best = max(best, (COUNTS[128] / wall, cpu / wall))
        base = base or best[0]
        rows.append(f"| {threads} | {best[0]:.0f} | {best[0] / base:.2f} | {best[1]:.2f} |")
    return rows


def report(repetitions: int, cache: Path, pictures: Path | None) -> str:
    """Measure everything and return the report."""
    use_kernel_cache(cache / "kernels")
    rows, labels, skipped = [], [], []
    for size in SIZES:
        draws = tabletop_draws(size, cache)
        speeds = measure(draws, COUNTS[size], repetitions)
        quality = "1 sample, soft shadow"
        rows += rows_of("tabletop", quality, size, speeds, speeds[PLAIN])
        save_sheet(pictures, f"tabletop_{size}", draws[list(draws)[1]](5))
        others, labels, skipped = alternative_draws(size)
        draws = outdoor_draws(size, cache) | others
        speeds = measure(draws, COUNTS[size] // 2, repetitions)
        rows += rows_of("basket under a sky", quality, size, speeds, speeds[PLAIN])
        for name, draw in draws.items():
            save_sheet(pictures, f"basket_{name}_{size}", draw(5))
    draws = set_draws(cache)
    speeds = measure(draws, COUNTS[256], max(2, repetitions // 2))
    rows += rows_of("set, all parameters on", "4 samples", 256, speeds, speeds[PLAIN])
    save_sheet(pictures, "set", draws[FULL](5))
    versions = ", ".join(
        [
            f"Python {platform.python_version()}",
            f"numpy {np.__version__}",
            f"warp-lang {version('warp-lang')}",
            f"rays by {tracing_package('cpu')}",
            *labels,
        ]
    )
    return "\n".join(
        [
            "# Renderer benchmark",
            "",
            f"- Date: {datetime.date.today().isoformat()}",
            f"- Machine: {processor()}, {cores()} cores, no GPU used; load at the end "
            f"{os.getloadavg()[0]:.1f}",
            f"- Versions: {versions}",
            f"- Best of {repetitions} repetitions after a warm-up, the rows of a scene and size "
            "taking turns. Images a CPU second divide by the CPU time of all threads. Other work "
            "on the machine still counts where it takes the cache or the other half of a core: "
            "compare rows by the last column, which is the ratio to the first row of the scene "
            "and size.",
            f"- '{PLAIN}' traces every pixel by Warp and returns mask and depth, too. "
            f"'{FULL}' is the image alone, of sets image and mask.",
            f"- The basket has {len(tabletop_objects()['basket'].faces):,} triangles. The "
            "alternatives draw a shadow with hard edges and a sky of two colours or none; the "
            "ray caster adds light and reflections from the whole sky and a soft shadow.",
            "- The set shows the tabletop's five objects under two skies. Images behind a lens, "
            f"three quarters of it, have {LENS_SAMPLES} times the samples.",
            "",
            "| renderer | scene | quality | pixels | images / CPU second | ratio |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            *[f"{line}\n" for line in skipped],
            "Scaling of the tabletop, 128 pixels, camera and light vary, by the clock. Where the "
            "last column is less than the threads, other work held the cores and the row says "
            "little:",
            "",
            "| threads | images / second | over one thread | cores that it got |",
            "|---|---|---|---|",
            *scaling(cache, repetitions),
            "",
        ]
    )


def main() -> None:
    """Measure, print and write the report."""
    # The software rasteriser of Mesa draws on the calling thread, as ours does here.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--cache", type=Path, default=here.parent / "resources")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of every row")
    parser.add_argument("--output", type=Path, default=here / "renderer.md")
    options = parser.parse_args()
    text = report(options.repetitions, options.cache, options.pictures)
    sys.stdout.write(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
