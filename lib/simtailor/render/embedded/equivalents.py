"""Poses of an object that look the same, by the symmetry that it has."""

from __future__ import annotations

import numpy as np

from simtailor.render.embedded.placing import ANGLES, object_nodes, pose_rotation
from simtailor.render.raycast.scenes import rotation_about
from simtailor.render.renderer import Equivalents
from simtailor.scene.attributes import wrapped
from simtailor.scene.graph import SceneGraphBatch


def nearest_poses(
    graphs: SceneGraphBatch, reference: np.ndarray, symmetries: np.ndarray
) -> Equivalents:
    """Return the poses that look the same and are nearest to a reference.

    Every rotation has two triples of angles, (yaw, pitch, roll) and (yaw + 180,
    180 - pitch, roll + 180): the one whose tilt is nearer is taken. Half a turn of a box
    about its upright axis turns the signs of pitch and roll. Of a bowl only the direction
    of its axis can be seen: it gets the reference's yaw.

    Args:
        reference: float [N, F] in units of the features.
        symmetries: [B, K] of each scene's objects: ``none``, ``half_turn`` or ``any_turn``.
    """
    nodes = object_nodes(graphs.layout)
    same = Equivalents(
        graphs, np.ones(graphs.features.shape, dtype=bool), np.ones(len(graphs), dtype=bool)
    )
    for node, of_node in zip(nodes, symmetries.T, strict=True):
        same = _nearest(same, reference, node, np.where(graphs.present[:, node], of_node, "none"))
    return same


def _nearest(
    same: Equivalents, reference: np.ndarray, node: int, symmetries: np.ndarray
) -> Equivalents:
    """Return scenes with the nearest poses of one object, of the symmetries [B]."""
    graphs, layout, identified = same.graphs, same.graphs.layout, same.identified.copy()
    columns = {
        name: layout.features.index(name)
        for name in ANGLES
        if name in layout.features and layout.maximum[node, layout.features.index(name)] > 0
    }
    half, any_turn = symmetries == "half_turn", symmetries == "any_turn"
    if "yaw" not in columns:
        return same
    wanted = {n: float(reference[node, c] * layout.maximum[node, c]) for n, c in columns.items()}
    first = {
        name: graphs.features[:, node, column].astype(np.float64) * layout.maximum[node, column]
        for name, column in columns.items()
    }
    second = {"yaw": lambda a: a + 180, "pitch": lambda a: 180 - a, "roll": lambda a: a + 180}
    pose = dict(first)
    if len(columns) == len(ANGLES):

        def tilt(angles: dict[str, np.ndarray]) -> np.ndarray:
            off = [np.abs(wrapped(angles[n] - wanted[n], 360.0)) for n in ("pitch", "roll")]
            return off[0] + off[1]

        other = {name: second[name](angle) for name, angle in first.items()}
        nearer = tilt(other) < tilt(first)
        pose = {name: np.where(nearer, other[name], first[name]) for name in columns}
    flip = half & (np.abs(wrapped(pose["yaw"] - wanted["yaw"], 360.0)) > 90)
    signs = {"yaw": 1, "pitch": np.where(flip, -1, 1), "roll": np.where(flip, -1, 1)}
    pose = {name: angle * signs[name] for name, angle in pose.items()}
    pose["yaw"] = pose["yaw"] + 180 * flip
    level = _at_yaw(pose, wanted["yaw"])
    features = graphs.features.copy()
    for name, column in columns.items():
        angle = np.where(any_turn, level[name], pose[name])
        maximum = float(layout.maximum[node, column])
        value = (angle % maximum / maximum).astype(np.float32)
        as_before = np.abs(wrapped(angle - first[name], 360.0)) < 1e-9
        features[:, node, column] = np.where(as_before, features[:, node, column], value)
    identified[any_turn, node, columns["yaw"]] = False
    unique = same.unique & ~(half | any_turn)
    return Equivalents(graphs.with_features(features), identified, unique)


def _at_yaw(pose: dict[str, np.ndarray], yaw: float) -> dict[str, np.ndarray]:
    """Return the angles with another yaw whose upright axis points the same way."""
    nothing = np.zeros_like(pose["yaw"])
    angles = (pose["yaw"], pose.get("pitch", nothing), pose.get("roll", nothing))
    axis = pose_rotation(*angles)[..., 1]
    axis = np.einsum("ij,bj->bi", rotation_about("y", yaw), axis)
    return {
        "yaw": np.full_like(nothing, yaw),
        "pitch": np.degrees(np.arctan2(axis[:, 2], axis[:, 1])),
        "roll": np.degrees(np.arcsin(axis[:, 0].clip(-1, 1))),
    }
