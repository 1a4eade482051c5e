"""MuJoCo: a slipper on a dark table. Rendered by EGL, or by what MUJOCO_GL says."""

import os
import sys
from types import SimpleNamespace

import numpy as np
from simtailor_simulator import serve

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tabletop

INSTALL = "./run python -m pip install mujoco==4.0.0"

os.environ.setdefault("MUJOCO_GL", "egl")
WORLD = """<mujoco><visual><global offwidth="{size}" offheight="{size}"/><map znear="0.1"/>
<quality shadowsize="1024"/>
<headlight ambient="0.25 0.25 0.25" diffuse="0 0 0" specular="0 0 0"/></visual>
<asset><mesh name="mesh" file="{mesh}" inertia="shell"/></asset>
<worldbody>
<light directional="true" dir="0.45 -1 0.35" diffuse="0.5 0.5 0.5" specular="0 0 0"/>
<geom type="plane" size="1 1 0.1" zaxis="0 1 0" rgba="0.12 0.11 0.1 1"/>
<body name="object" mocap="true"><geom type="mesh" mesh="mesh" rgba="0.35 0.75 0.25 1"/></body>
<body name="eye" mocap="true"><camera name="eye" fovy="{angle}"/></body>
</worldbody></mujoco>"""


def setup(settings):
    import mujoco

    mesh = settings.options.get("mesh", tabletop.MESH)
    size, angle = settings.image_size, tabletop.FIELD_OF_VIEW
    model = mujoco.MjModel.from_xml_string(WORLD.format(size=size, mesh=mesh, angle=angle))
    return SimpleNamespace(
        mujoco=mujoco, model=model, data=mujoco.MjData(model), sun=model.light_diffuse[0].copy(),
        renderer=mujoco.Renderer(model, size, size), vertices=tabletop.read_vertices(mesh),
        options=settings.options,
    )  # fmt: skip


def render(scene, world):
    frame_width = world.options.get("frame_width", 0.42)
    poses = tabletop.object_pose(scene, world.vertices), tabletop.camera_pose(scene, frame_width)
    for body, pose in enumerate(poses):
        world.data.mocap_pos[body] = pose[:3, 3]
        world.mujoco.mju_mat2Quat(world.data.mocap_quat[body], pose[:3, :3].ravel())
    world.model.light_diffuse[0] = world.sun * tabletop.light(scene)
    world.mujoco.mj_forward(world.model, world.data)
    drawn, renderer = {}, world.renderer
    for part in scene.parts:
        if part == "mask":
            renderer.enable_segmentation_rendering()
        if part == "depth":
            renderer.enable_depth_rendering()
        renderer.update_scene(world.data, "eye")
        drawn[part] = renderer.render()
        renderer.disable_segmentation_rendering()
        renderer.disable_depth_rendering()
    if "mask" in drawn:  # geoms are numbered: 0 is the table, 1 the object
        drawn["mask"] = (drawn["mask"][..., 0] == 1).astype(np.uint8)
    return drawn


if __name__ == "__main__":
    serve(render, setup=setup, name="MuJoCo", version=tabletop.version_of("mujoco", INSTALL),
          parts=["mask", "depth"], attributes=tabletop.ATTRIBUTES, classes=tabletop.CLASSES,
          files=[tabletop.MESH, tabletop.__file__])  # fmt: skip
