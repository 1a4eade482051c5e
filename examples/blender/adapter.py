"""Blender: a .blend file of your own, whose objects the attributes move by name. Cycles draws."""

import os
import sys
import tempfile
from importlib import metadata
from types import SimpleNamespace

import numpy as np
from simtailor_simulator import serve

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tabletop

HERE = os.path.dirname(os.path.abspath(__file__))
INSTALL = "it wants a Python of its own, see README.md beside the adapter: pip install bpy==5.0.1"
Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # from y up


def version():
    """Return Blender's version: of the package where there is one, which is fast to ask."""
    try:
        return metadata.version("bpy")
    except metadata.PackageNotFoundError:
        try:
            import bpy
        except ImportError:
            return tabletop.version_of("bpy", INSTALL)

        return bpy.app.version_string


def setup(settings):
    import bpy
    from mathutils import Matrix

    options = settings.options
    path = os.path.abspath(os.path.join(HERE, options.get("file", "scene.blend")))
    bpy.ops.wm.open_mainfile(filepath=path)
    scene, names = bpy.context.scene, options.get("names", {})
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x = render.resolution_y = settings.image_size
    render.resolution_percentage = 100
    render.threads_mode, render.threads = "FIXED", settings.threads
    render.use_persistent_data = True  # what did not move stays prepared
    render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = options.get("view_transform", "Standard")
    scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False

    def named(node, default):
        """Return the object of a node, by the name that it has in the file."""
        name = names.get(node, default)
        if name not in bpy.data.objects:
            there = ", ".join(sorted(bpy.data.objects.keys()))
            raise ValueError(f"{path} has no object {name!r}; it has {there}. See options: names")
        return bpy.data.objects[name]

    thing, light = named("object", "slipper"), named("Light", "Light")
    corners = np.array([vertex.co for vertex in thing.data.vertices]) * np.array(thing.scale)
    return SimpleNamespace(
        bpy=bpy, matrix=Matrix, scene=scene, thing=thing, light=light,
        camera=named("Camera", "Camera"), energy=light.data.energy,
        scale=np.diag([*thing.scale, 1.0]),
        vertices=corners @ Z_UP[:3, :3],  # y up, for tabletop
        others=[o for o in bpy.data.objects if o.type == "MESH" and o != thing],
        samples=options.get("samples", 16), frame_width=options.get("frame_width", 0.42),
        folder=tempfile.TemporaryDirectory(prefix="simtailor-blender-"),
    )  # fmt: skip


def render(scene, world):
    pose = Z_UP @ tabletop.object_pose(scene, world.vertices) @ Z_UP.T @ world.scale
    world.thing.matrix_world = world.matrix(pose)
    view = Z_UP @ tabletop.camera_pose(scene, world.frame_width)
    world.camera.matrix_world = world.matrix(view)
    world.light.data.energy = world.energy * tabletop.light(scene)
    world.scene.cycles.seed = scene.seed % 2**31
    drawn = {"image": picture(world, world.samples)[..., :3]}
    if "mask" in scene.parts:
        drawn["mask"] = mask(world)
    return drawn


def mask(world):
    """Return 1 where the object is seen: all else is cut out of the picture."""
    cycles, film = world.scene.cycles, world.scene.render
    width, cycles.filter_width, film.film_transparent = cycles.filter_width, 0.01, True
    for other in world.others:
        other.is_holdout = True
    alpha = picture(world, 1)[..., 3]
    for other in world.others:
        other.is_holdout = False
    cycles.filter_width, film.film_transparent = width, False
    return (alpha > 127).astype(np.uint8)


def picture(world, samples):
    """Return what the camera sees, uint8 [S, S, 4], through a file, as Blender gives no other."""
    path = os.path.join(world.folder.name, "picture.png")
    world.scene.render.filepath, world.scene.cycles.samples = path, samples
    world.scene.render.image_settings.color_mode = "RGBA"
    world.bpy.ops.render.render(write_still=True)
    image = world.bpy.data.images.load(path)
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    size = image.size[0]
    world.bpy.data.images.remove(image)
    pixels = np.rint(255 * values.reshape(size, size, 4)[::-1])  # rows from the top
    return np.ascontiguousarray(pixels.astype(np.uint8))


if __name__ == "__main__":
    serve(render, setup=setup, name="Blender", version=version(), parts=["mask"],
          attributes=tabletop.ATTRIBUTES, classes=tabletop.CLASSES,
          files=[tabletop.__file__])  # fmt: skip
