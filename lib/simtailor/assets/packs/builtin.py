"""Stand-in for the built-in pack until the procedural categories land."""

from simtailor.assets.environments import sky
from simtailor.assets.mesh import Material, moved
from simtailor.assets.pack import AssetPack, Category, Model, Sky, register_pack
from simtailor.assets.tabletop import tabletop_objects


@register_pack("built_in")
def built_in(folders):
    """Return the tabletop objects, a few skies and a few materials."""
    colours = [(0.7, 0.1, 0.1), (0.1, 0.5, 0.15), (0.1, 0.2, 0.7), (0.8, 0.7, 0.1), (0.6, 0.2, 0.6)]
    materials = [Material(c, roughness=r) for c in colours for r in (0.25, 0.8)]
    materials += [Material((0.9, 0.7, 0.3), 0.3, 1.0), Material((0.8, 0.8, 0.8), 0.2, 1.0)]
    wordnet = ("n04241394", "n02883344", "n02801938", "n02880940", "n03797390")
    return AssetPack(
        "built_in",
        tuple(
            Category(
                name, wnid, (Model(name, moved(mesh, (0, -(mesh.vertices[:, 1].max() / 2), 0))),)
            )
            for (name, mesh), wnid in zip(tabletop_objects().items(), wordnet, strict=True)
        ),
        tuple(
            Sky(f"sky {e}", sky(sun_elevation=e, sun_azimuth=a, haze=h, ground=g))
            for e, a, h, g in [
                (50, 60, 0.3, (0.32, 0.27, 0.22)),
                (8, 200, 0.6, (0.1, 0.12, 0.1)),
                (70, 10, 0.9, (0.6, 0.6, 0.6)),
                (30, 300, 0.1, (0.12, 0.3, 0.08)),
                (20, 120, 0.5, (0.5, 0.4, 0.2)),
            ]
        ),
        tuple(materials),
    )
