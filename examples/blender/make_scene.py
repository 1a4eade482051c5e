"""Makes scene.blend beside this file: a slipper on a dark table. Yours takes its place.

    python make_scene.py [FILE]

Of a file of your own, the adapter needs objects with these names, metres, z up, and the table's
top at z = 0.
"""

import os
import sys

import bpy

HERE = os.path.dirname(os.path.abspath(__file__))


def material(name, colour):
    """Return a dull material; colour: linear, three values."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"].inputs
    shader["Base Color"].default_value = (*colour, 1)
    shader["Roughness"].default_value = 0.9
    return made


def main(path):
    """Write the scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.wm.obj_import(filepath=os.path.join(HERE, "..", "slipper.obj"))  # turns it, z up
    slipper = bpy.context.selected_objects[0]
    slipper.name = "slipper"
    bpy.ops.object.transform_apply(location=True, rotation=True, scale=True)
    slipper.data.materials.clear()
    slipper.data.materials.append(material("leather", (0.14, 0.46, 0.08)))
    bpy.ops.mesh.primitive_plane_add(size=4)
    bpy.context.object.name = "table"
    bpy.context.object.data.materials.append(material("wood", (0.02, 0.018, 0.016)))
    bpy.ops.object.light_add(type="SUN", rotation=(0.42, 0.4, 0))
    bpy.context.object.name, bpy.context.object.data.energy = "Light", 2.2
    bpy.ops.object.camera_add()
    camera = bpy.context.object
    camera.name, camera.data.angle, camera.data.clip_start = "Camera", 0.6981, 0.01  # 40 degrees
    scene.camera = camera
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    background = next(n for n in scene.world.node_tree.nodes if n.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.35, 0.35, 0.35, 1)
    bpy.ops.wm.save_as_mainfile(filepath=path, compress=True)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(HERE, "scene.blend"))
