"""A few assets and a studio with them, for tests of simulated sets."""

from functools import lru_cache

import numpy as np

from simtailor.assets.content import AssetPack, Category, Model, Sky
from simtailor.assets.environments import sky
from simtailor.assets.mesh import Material, Mesh, box, moved
from simtailor.assets.tabletop import tabletop_objects
from simtailor.render.raycast.environment import Environment, prefilter
from simtailor.simulation.catalogue import Catalogue

COLOURS = ((0.6, 0.05, 0.05), (0.05, 0.4, 0.1), (0.05, 0.1, 0.6), (0.6, 0.5, 0.05))

SKIES = tuple(
    Sky(f"sky {n}", sky(32, sun_elevation=20.0 + 20 * n, ground=ground))
    for n, ground in enumerate(COLOURS)
)


def centred(mesh: Mesh) -> Mesh:
    """Return the mesh with its bounding box around the origin, as packs have it."""
    return moved(mesh, tuple(-(mesh.vertices.min(0) + mesh.vertices.max(0)) / 2))


@lru_cache(maxsize=1)
def prefiltered() -> tuple[Environment, ...]:
    """Return skies over grounds of different colours."""
    return tuple(prefilter(sky.radiance) for sky in SKIES)


def small_pack(*more: Category) -> AssetPack:
    """Return mugs, baskets, two models of bricks, and what ``more`` there should be."""
    objects = tabletop_objects()
    bricks = [
        Model(f"brick {n}", box(-size / 2, size / 2, Material(colour)))
        for n, (size, colour) in enumerate(
            [(np.array([0.2, 0.1, 0.1]), COLOURS[2]), (np.array([0.1, 0.3, 0.2]), COLOURS[3])]
        )
    ]
    return AssetPack(
        "small",
        categories=(
            Category("mug", "n03797390", (Model("mug", centred(objects["mug"])),)),
            Category("basket", "n02801938", (Model("basket", centred(objects["basket"])),)),
            Category("brick", "n02897820", tuple(bricks)),
            *more,
        ),
        environments=SKIES,
        materials=tuple(Material(c, roughness=r) for c in COLOURS for r in (0.3, 0.9)),
    )


def small_catalogue(*more: Category) -> Catalogue:
    """Return the assets of the small pack."""
    pack = small_pack(*more)
    return Catalogue(pack.categories, prefiltered(), pack.materials)
