"""Mitsuba 3: a slipper on a dark table."""

import os
import sys
from types import SimpleNamespace

import numpy as np
from simtailor_simulator import serve

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tabletop

INSTALL = "./run python -m pip install mitsuba==3.9.1"


def diffuse(*colour):
    return {"type": "diffuse", "reflectance": {"type": "rgb", "value": list(colour)}}


def setup(settings):
    import drjit
    import mitsuba

    options = settings.options
    mitsuba.set_variant(options.get("variant", "scalar_rgb"))
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    drjit.set_thread_count(settings.threads)
    mesh = options.get("mesh", tabletop.MESH)
    return SimpleNamespace(
        mitsuba=mitsuba, mesh=mesh, vertices=tabletop.read_vertices(mesh),
        size=settings.image_size, samples=options.get("samples", 4),
        frame_width=options.get("frame_width", 0.42),
    )  # fmt: skip


def render(scene, world):
    mi, transform = world.mitsuba, world.mitsuba.ScalarTransform4f
    camera = tabletop.camera_pose(scene, world.frame_width)
    camera = transform(camera) @ transform().rotate([0, 1, 0], 180)  # it looks along +z
    film = {
        "type": "hdrfilm",
        "width": world.size,
        "height": world.size,
        "rfilter": {"type": "box"},
    }
    sun = 2.2 * tabletop.light(scene)
    stage = mi.load_dict({
        "type": "scene",
        "sensor": {"type": "perspective", "fov": tabletop.FIELD_OF_VIEW, "to_world": camera,
                   "near_clip": 0.01, "film": {**film, "pixel_format": "rgb"}},
        "table": {"type": "rectangle", "bsdf": diffuse(0.02, 0.018, 0.016),
                  "to_world": transform().rotate([1, 0, 0], -90).scale(2)},
        "object": {"type": "obj", "filename": world.mesh,
                   "to_world": transform(tabletop.object_pose(scene, world.vertices)),
                   "bsdf": {"type": "twosided", "bsdf": diffuse(0.14, 0.46, 0.08)}},
        "sky": {"type": "constant", "radiance": {"type": "rgb", "value": 0.35}},
        "sun": {"type": "directional", "direction": [0.45, -1, 0.35],
                "irradiance": {"type": "rgb", "value": sun}},
    })  # fmt: skip
    seed = scene.seed % 2**32
    path = mi.load_dict({"type": "path", "max_depth": 3})
    image = mi.Bitmap(mi.render(stage, integrator=path, spp=world.samples, seed=seed))
    drawn = {
        "image": np.array(image.convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.UInt8, True))
    }
    if len(scene.parts) > 1:
        aov = mi.load_dict({"type": "aov", "aovs": "which:shape_index,where:position"})
        seen = np.array(mi.render(stage, integrator=aov, spp=1, seed=seed))
        pose = tabletop.camera_pose(scene, world.frame_width)
        drawn["depth"] = ((pose[:3, 3] - seen[..., 1:4]) @ pose[:3, 2]).astype(np.float32)
        number = [shape.id() for shape in stage.shapes()].index("object")
        drawn["mask"] = (seen[..., 0] == 1 + number).astype(np.uint8)  # 0 is nothing at all
    return drawn


if __name__ == "__main__":
    serve(render, setup=setup, name="Mitsuba", version=tabletop.version_of("mitsuba", INSTALL),
          parts=["mask", "depth"], attributes=tabletop.ATTRIBUTES, classes=tabletop.CLASSES,
          files=[tabletop.MESH, tabletop.__file__])  # fmt: skip
