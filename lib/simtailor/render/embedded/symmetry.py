"""Which turns of an object about its upright axis cannot be seen, measured on its surface."""

from __future__ import annotations

import numpy as np
import scipy.spatial

from simtailor.assets.mesh import Material, Mesh
from simtailor.assets.model_parts import srgb
from simtailor.render.raycast.scenes import rotation_about

POINTS = 6000  # on the surface, of each of two samples
TURNS = (37.0, 90.0, 151.0)  # degrees; what survives these survives any turn
# A turn is seen where a point of the turned surface lies further from the other sample than this
# many times what points of two samples of one surface lie apart, at the median and for the worst.
CLOSE, WORST = 1.3, 2.0
QUANTILE = 0.97
COLOUR_WEIGHT = 0.5  # of a difference of colour from 0 to 1, in lengths of the object's radius


def measured_symmetry(mesh: Mesh) -> str:
    """Return ``any_turn``, ``half_turn`` or ``none`` of a mesh whose upright axis is y.

    Two samples of points on the surface, with the colours there, are compared: one as it is,
    the other turned about the middle of the mesh's box. Of the texture each face shows its mean.
    """
    random = np.random.default_rng(0)
    first, second = (_sample(mesh, random) for _ in range(2))
    tree = scipy.spatial.cKDTree(first)
    still = tree.query(second)[0]

    def hidden(degrees: float) -> bool:
        turned = second.copy()
        turned[:, :3] = second[:, :3] @ rotation_about("y", degrees).T
        apart = tree.query(turned)[0]
        return bool(
            np.median(apart) < CLOSE * np.median(still)
            and np.quantile(apart, QUANTILE) < WORST * np.quantile(still, QUANTILE)
        )

    if all(hidden(degrees) for degrees in TURNS):
        return "any_turn"
    return "half_turn" if hidden(180.0) else "none"


def _sample(mesh: Mesh, random: np.random.Generator) -> np.ndarray:
    """Return places, in radii of the mesh about its axis, and weighted colours: [POINTS, 6]."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    # Evenly along the area rather than at random, so that two samples are alike.
    place = (np.arange(POINTS) + random.random()) / POINTS * area.sum()
    face = np.searchsorted(np.cumsum(area), place).clip(max=len(area) - 1)
    weights = random.dirichlet((1, 1, 1), POINTS)
    points = np.einsum("pc,pcd->pd", weights, corners[face])
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    points -= (low + high) / 2
    radius = float(np.linalg.norm(high - low) / 2)
    colours = np.array([_shown(material) for material in mesh.materials])
    return np.hstack([points / radius, COLOUR_WEIGHT * colours[mesh.face_materials[face]]])


def _shown(material: Material) -> np.ndarray:
    colour = np.asarray(material.base_colour, dtype=np.float64)
    texture = material.texture
    mean = colour if texture is None else colour * texture.reshape(-1, 3).mean(0)
    return srgb(mean.clip(0, 1))
