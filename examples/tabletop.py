"""Where things are on simtailor's tabletop, for adapters: metres, y up, angles in degrees.

The published tabletop is left-handed: x points to the left of the picture, z down, and a growing
yaw turns the object clockwise. (100, 100) centimetres is the middle of the picture.
"""

import os
import sys
from importlib import metadata

import numpy as np
from simtailor_simulator import ANGLE

FIELD_OF_VIEW = 40.0  # degrees
MESH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slipper.obj")
ATTRIBUTES = {
    "object": {"yaw": ANGLE, "pitch": ANGLE, "roll": ANGLE, "loc_x": "cm", "loc_z": "cm"},
    "Light": {"intensity": {"unit": "of the nominal light", "low": 0}},
    "Camera": {"camera_pitch": ANGLE, "camera_roll": ANGLE},
}
CLASSES = {"object": ["slipper"]}


def version_of(package, install):
    """Return the version of a package; ends the program with how to install an absent one."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        sys.exit(f"{package} is not installed for {sys.executable}: {install}")


def read_vertices(path):
    """Return the vertices of an OBJ file: float [V, 3]."""
    with open(path) as file:
        return np.array([line.split()[1:4] for line in file if line.startswith("v ")], float)


def object_pose(scene, vertices):
    """Return the matrix [4, 4] of an object that stands on the table and turns about its middle."""
    yaw, pitch, roll, x, z = (
        scene.value("object", name, default)
        for name, default in (("yaw", 0), ("pitch", 0), ("roll", 0), ("loc_x", 100), ("loc_z", 100))
    )
    pose, middle = np.eye(4), (vertices[:, 1].min() + vertices[:, 1].max()) / 2
    pose[:3, :3] = turn("y", -yaw) @ turn("x", pitch) @ turn("z", -roll)
    centred = vertices - [0, middle, 0]
    lowest = (centred @ pose[1, :3]).min()
    pose[:3, 3] = [(100 - x) / 100, -lowest, (z - 100) / 100] - pose[:3, :3] @ [0, middle, 0]
    return pose


def camera_pose(scene, frame_width=0.42):
    """Return the matrix [4, 4] of a camera that looks along its -z axis, with y up."""
    pitch = scene.value("Camera", "camera_pitch", 90)
    down, pose = turn("x", -pitch), np.eye(4)
    distance = frame_width / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2)
    pose[:3, :3] = down @ turn("z", scene.value("Camera", "camera_roll", 0))
    pose[:3, 3] = distance * down[:, 2]
    return pose


def light(scene):
    """Return the light's strength, 1 for the nominal one."""
    return max(0.0, scene.value("Light", "intensity", 0.5) / 0.5)


def turn(axis, degrees):
    """Return the matrix [3, 3] of a turn."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix
