"""Other renderers on the renderer benchmark's outdoor scene: a textured basket on the ground.

All draw it with its texture, one light and its shadow, and bring back the image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simtailor.assets.mesh import Material, Mesh, grid_surface
from simtailor.assets.tabletop import tabletop_objects
from simtailor.render.raycast.scenes import look_at, rotation_about

EYE, TARGET, FIELD_OF_VIEW = (0.0, 0.45, 0.55), (0.0, 0.06, 0.0), 0.6
LIGHT = (0.6, 0.9, 0.5)


def ground() -> Mesh:
    """Return 6 x 6 metres of ground."""
    x, z = np.meshgrid([-3.0, 3.0], [-3.0, 3.0])
    points = np.stack([x, 0 * x, z], -1)
    return grid_surface(points, Material((0.35, 0.33, 0.3), roughness=0.9), (1, 1))


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
