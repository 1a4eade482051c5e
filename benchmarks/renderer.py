"""Measure the ray caster's images a second and core, beside alternatives on the same scene.

Prints a Markdown table and writes it to renderer.md beside this file. An alternative that
is not installed is skipped with a message; README.md says how to install it.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from machine import processor
from PIL import Image

from simtailor.assets.environments import sky
from simtailor.assets.mesh import Material, Mesh, grid_surface
from simtailor.assets.tabletop import OBJECT_NAMES, tabletop_objects
from simtailor.render.raycast.caster import RayCaster, use_kernel_cache
from simtailor.render.raycast.environment import prefilter
from simtailor.render.raycast.scenes import Scenes, look_at, rotation_about
from simtailor.render.tabletop import TabletopRenderer
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout

SIZES = (128, 256)
TARGETS = {128: 80.0, 256: 25.0}  # images a second and core, 1 sample and shadow
EYE, TARGET, FIELD_OF_VIEW = (0.0, 0.45, 0.55), (0.0, 0.06, 0.0), 0.6
LIGHT = (0.6, 0.9, 0.5)


@dataclass
class Speed:
    """Images a second: best of the repetitions, by CPU time and by the clock."""

    cpu: float
    wall: float


def measure(draw: Callable[[int], object], count: int, repetitions: int) -> Speed:
    """Time ``draw(count)``, which draws ``count`` images, after one call to warm up."""
    draw(count)
    cpu, wall = [], []
    for _ in range(repetitions):
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        draw(count)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    return Speed(count / min(cpu), count / min(wall))


# Ours


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


def ground() -> Mesh:
    """Return 6 x 6 metres of ground."""
    x, z = np.meshgrid([-3.0, 3.0], [-3.0, 3.0])
    points = np.stack([x, 0 * x, z], -1)
    return grid_surface(points, Material((0.35, 0.33, 0.3), roughness=0.9), (1, 1))


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


def ray_caster_draws(cache: Path, threads: int | None) -> dict[str, Callable]:
    """Return functions (count, size, samples, lens radius) that draw the two kinds of scene."""
    tabletop = TabletopRenderer(threads=threads, cache=cache)
    outdoors = RayCaster(
        [tabletop_objects()["basket"], ground()], [prefilter(sky(), cache)], threads=threads
    )

    def draw_tabletop(count: int, size: int, samples: int, lens: float) -> np.ndarray:
        scenes = tabletop.scenes(tabletop_graphs(count))
        scenes.aperture[:] = lens
        return tabletop._caster.render(scenes, size, samples=samples).images

    def draw_outdoors(count: int, size: int, samples: int, lens: float) -> np.ndarray:
        scenes = outdoor_scenes(count)
        scenes.aperture[:] = lens
        return outdoors.render(scenes, size, samples=samples).images

    return {"tabletop": draw_tabletop, "outdoors": draw_outdoors}


# Alternatives: the basket on the ground, with texture, one light and its shadow


def pyvista_draw(size: int) -> tuple[Callable[[int], np.ndarray], str]:
    """Draw with pyvista (VTK): rasterised, PBR shader, shadow maps; no light from the sky."""
    import pyvista
    import vtk

    vtk.vtkObject.GlobalWarningDisplayOff()
    plotter = pyvista.Plotter(off_screen=True, window_size=(size, size), lighting="none")
    basket = tabletop_objects()["basket"]
    actors = []
    for mesh in (basket, ground()):
        faces = np.column_stack([np.full(len(mesh.faces), 3), mesh.faces]).ravel()
        shape = pyvista.PolyData(mesh.vertices, faces)
        shape.point_data["Normals"] = mesh.normals
        shape.point_data.active_normals_name = "Normals"
        shape.active_texture_coordinates = mesh.coordinates
        material = mesh.materials[0]
        texture = None
        if material.texture is not None:
            colours = np.clip(material.texture * material.base_colour, 0, 1) ** (1 / 2.2)
            texture = pyvista.Texture((colours * 255).astype(np.uint8))
            texture.repeat = texture.mipmap = True
        actors.append(
            plotter.add_mesh(
                shape,
                texture=texture,
                color=None if texture else material.base_colour,
                pbr=texture is None,
                roughness=material.roughness,
                smooth_shading=True,
            )
        )
    plotter.add_light(
        pyvista.Light(position=LIGHT, focal_point=(0, 0, 0), light_type="scene light")
    )
    plotter.camera.position, plotter.camera.focal_point = EYE, TARGET
    plotter.camera.up = (0, 1, 0)
    plotter.camera.view_angle = np.degrees(FIELD_OF_VIEW)
    plotter.camera.clipping_range = (0.1, 6)
    plotter.enable_shadows()
    plotter.show(auto_close=False)

    def draw(count: int) -> np.ndarray:
        images = np.empty((count, size, size, 3), np.uint8)
        for i in range(count):
            actors[0].SetOrientation(0, i * 360 / count, 0)
            plotter.render()
            images[i] = plotter.screenshot(return_img=True)
        return images

    return draw, f"pyvista {pyvista.__version__}, VTK {vtk.VTK_VERSION}"


MODERNGL_VERTEX = """
#version 330
uniform mat4 projection, light_projection;
uniform mat3 turn;
in vec3 place, normal; in vec2 coordinates;
out vec3 world, facing; out vec2 uv; out vec4 in_light;
void main() {
    world = turn * place; facing = turn * normal; uv = coordinates;
    in_light = light_projection * vec4(world, 1);
    gl_Position = projection * vec4(world, 1);
}
"""
MODERNGL_FRAGMENT = """
#version 330
uniform vec3 eye, light, base; uniform float roughness;
uniform sampler2D colours; uniform sampler2DShadow shadows;
in vec3 world, facing; in vec2 uv; in vec4 in_light;
out vec4 pixel;
void main() {
    vec3 n = normalize(facing), v = normalize(eye - world), h = normalize(light + v);
    if (dot(n, v) < 0.0) n = -n;
    float nl = max(dot(n, light), 0.0), nv = max(dot(n, v), 1e-3), nh = max(dot(n, h), 0.0);
    float a2 = pow(roughness, 4.0), d = nh * nh * (a2 - 1.0) + 1.0, k = roughness * 0.5;
    float specular = 0.04 * a2 / (3.14159 * d * d) * 0.25
        / ((nv * (1.0 - k) + k) * (nl * (1.0 - k) + k));
    vec3 albedo = base * texture(colours, uv).rgb;
    float lit = texture(shadows, in_light.xyz * 0.5 + vec3(0.5, 0.5, 0.498));
    vec3 sky = mix(vec3(0.32, 0.27, 0.22), vec3(0.5, 0.65, 1.0), n.y * 0.5 + 0.5);
    vec3 total = albedo * sky + (albedo / 3.14159 + specular) * nl * lit * vec3(3, 2.8, 2.5);
    vec3 x = total * 0.8;
    pixel = vec4(pow(clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1),
        vec3(1 / 2.2)), 1);
}
"""
MODERNGL_SHADOW = "#version 330\nvoid main() {}\n"


def moderngl_draw(size: int) -> tuple[Callable[[int], np.ndarray], str]:  # noqa: PLR0915
    """Draw with moderngl (OpenGL): own shaders, one hard shadow map, sky of two colours."""
    import moderngl

    context = moderngl.create_standalone_context(backend="egl")
    context.enable(moderngl.DEPTH_TEST)
    target = context.framebuffer(
        [context.renderbuffer((size, size), 4)], context.depth_renderbuffer((size, size))
    )
    depths = context.depth_texture((512, 512))
    depths.compare_func = "<="
    depths.repeat_x = depths.repeat_y = False
    shadow_map = context.framebuffer(depth_attachment=depths)
    programs = [
        context.program(MODERNGL_VERTEX, fragment)
        for fragment in (MODERNGL_FRAGMENT, MODERNGL_SHADOW)
    ]
    main, shadow = programs

    def view(eye: np.ndarray) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = look_at(np.array([eye]), np.array([TARGET]))[0].T
        matrix[:3, 3] = -matrix[:3, :3] @ eye
        return matrix

    near, far = 0.1, 6.0
    perspective = np.zeros((4, 4))
    perspective[0, 0] = perspective[1, 1] = 1 / np.tan(FIELD_OF_VIEW / 2)
    perspective[2:, 2:] = [[(far + near) / (near - far), 2 * far * near / (near - far)], [-1, 0]]
    light = np.array(LIGHT) / np.linalg.norm(LIGHT)
    parallel = np.diag([4.0, 4.0, -0.5, 1.0])  # half a metre around the object
    parallel[2, 3] = -1.0

    def put(program: object, name: str, matrix: np.ndarray) -> None:
        if name in program:
            program[name].write(np.ascontiguousarray(matrix.T, np.float32).tobytes())

    from_light = parallel @ view(light * 2)
    put(main, "projection", perspective @ view(np.array(EYE)))
    put(main, "light_projection", from_light)
    put(shadow, "projection", from_light)
    main["eye"], main["light"] = EYE, tuple(light)
    main["colours"], main["shadows"] = 0, 1
    depths.use(1)
    shapes = []
    for mesh in (tabletop_objects()["basket"], ground()):
        corners = np.column_stack([mesh.vertices, mesh.normals, mesh.coordinates])
        vertices = context.buffer(np.ascontiguousarray(corners, np.float32).tobytes())
        indices = context.buffer(mesh.faces.astype(np.int32).tobytes())
        arrays = [
            context.vertex_array(
                program,
                [(vertices, layout, *names)],
                indices,
            )
            for program, layout, names in (
                (main, "3f 3f 2f", ("place", "normal", "coordinates")),
                (shadow, "3f 20x", ("place",)),
            )
        ]
        material = mesh.materials[0]
        pattern = material.texture
        pattern = np.ones((1, 1, 3), np.float32) if pattern is None else pattern
        colours = context.texture(
            pattern.shape[1::-1], 3, np.ascontiguousarray(pattern).tobytes(), dtype="f4"
        )
        colours.build_mipmaps()
        colours.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        shapes.append((arrays, material, colours))

    def draw(count: int) -> np.ndarray:
        images = np.empty((count, size, size, 3), np.uint8)
        for i in range(count):
            turn = rotation_about("y", i * 360 / count)
            shadow_map.use()
            shadow_map.clear()
            put(shadow, "turn", turn)
            shapes[0][0][1].render()
            target.use()
            target.clear(0.5, 0.65, 1.0)
            for (arrays, material, colours), rotation in zip(
                shapes, (turn, np.eye(3)), strict=True
            ):
                put(main, "turn", rotation)
                main["base"], main["roughness"] = material.base_colour, material.roughness
                colours.use(0)
                arrays[0].render()
            rows = np.frombuffer(target.read(components=3, alignment=1), np.uint8)
            images[i] = rows.reshape(size, size, 3)[::-1]
        return images

    return draw, f"moderngl {moderngl.__version__}, {context.info['GL_RENDERER']}"


ALTERNATIVES = {"moderngl": moderngl_draw, "pyvista": pyvista_draw}


# Report


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def save_sheet(folder: Path | None, name: str, images: np.ndarray) -> None:
    """Save the first pictures, so that one can see that all draw the same thing."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(list(images[:5]), axis=1)).save(folder / f"{name}.png")


def report(repetitions: int, cache: Path, pictures: Path | None) -> str:
    """Measure everything and return the report."""
    use_kernel_cache(cache / "kernels")
    rows, reference = [], {}
    draws = ray_caster_draws(cache, threads=1)
    settings = {
        "1 sample, soft shadow": (1, 0.0),
        "4 samples, soft shadow, depth of field": (4, 0.01),
    }
    names = {"tabletop": "tabletop, five objects", "outdoors": "textured basket under a sky"}
    for kind, draw in draws.items():
        for setting, (samples, lens) in settings.items():
            for size in SIZES:
                count = (40 if size == 128 else 10) if samples == 1 else (15 if size == 128 else 5)
                speed = measure(lambda n: draw(n, size, samples, lens), count, repetitions)  # noqa: B023
                if samples == 1 and kind == "outdoors":
                    reference[size] = speed.cpu
                target = ""
                if samples == 1 and kind == "tabletop":
                    verdict = "met" if speed.cpu >= TARGETS[size] else "missed"
                    target = f"{TARGETS[size]:.0f}: {verdict}"
                rows.append(
                    f"| simtailor | {names[kind]} | {setting} | {size} | {speed.cpu:.1f} "
                    f"| {speed.wall:.1f} | {target} | |"
                )
                save_sheet(pictures, f"{kind}_{samples}_{size}", draw(5, size, samples, lens))
    installed, skipped = [], []
    for name, make in ALTERNATIVES.items():
        try:
            version(name)
        except PackageNotFoundError:
            skipped.append(f"{name} is not installed and was skipped; see benchmarks/README.md.")
            continue
        for size in SIZES:
            try:
                draw, label = make(size)
            except Exception as error:  # a driver that is absent, for example
                skipped.append(f"{name} does not run here and was skipped: {error}")
                break
            count = 20 if name == "moderngl" else 5
            speed = measure(draw, count, repetitions)
            rows.append(
                f"| {name} | {names['outdoors']} | 1 sample, shadow map | {size} "
                f"| {speed.cpu:.1f} | {speed.wall:.1f} | | {reference[size] / speed.cpu:.1f} |"
            )
            save_sheet(pictures, f"{name}_{size}", draw(5))
        else:
            installed.append(label)
    scaling, base = [], None
    for threads in range(1, cores() + 1):
        draw = ray_caster_draws(cache, threads)["tabletop"]
        speed = measure(lambda n: draw(n, 128, 1, 0.0), 80, repetitions)  # noqa: B023
        base = base or speed.wall
        scaling.append(
            f"| {threads} | {speed.wall:.1f} | {speed.wall / base:.2f} "
            f"| {speed.wall / speed.cpu:.2f} |"
        )
    basket = tabletop_objects()["basket"]
    versions = ", ".join(
        [
            f"Python {platform.python_version()}",
            f"numpy {np.__version__}",
            f"warp-lang {version('warp-lang')}",
            *installed,
        ]
    )
    return "\n".join(
        [
            "# Renderer benchmark",
            "",
            f"- Date: {datetime.date.today().isoformat()}",
            f"- Machine: {processor()}, {cores()} cores, no GPU used",
            f"- Versions: {versions}",
            f"- Best of {repetitions} repetitions after a warm-up. Images a second and core "
            "divide by CPU time over all threads of the process, so that other work on the "
            "machine counts little; images a second by the clock suffer from it.",
            f"- The basket has {len(basket.faces):,} triangles. All alternatives draw it with its "
            "texture on the ground, with one light and its shadow, and bring back the image. "
            "The ray caster also returns mask and depth, and adds light and reflections from "
            "the whole sky and a soft shadow, which the alternatives do not.",
            "- Targets are images a second and core. Ratio: the ray caster's images a second "
            "and core over the alternative's, same scene and size.",
            "",
            "| renderer | scene | quality | pixels | images / CPU second | images / second "
            "| target | ratio |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            *[f"{line}\n" for line in skipped],
            "Scaling of the tabletop, 128 pixels, 1 sample, by the clock. Where the last column "
            "is less than the threads, other work held the cores and the row says little:",
            "",
            "| threads | images / second | over one thread | cores that it got |",
            "|---|---|---|---|",
            *scaling,
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
