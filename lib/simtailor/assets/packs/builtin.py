"""The built-in pack, made by code: nothing to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from simtailor.assets.content import AssetPack
from simtailor.assets.environments import built_in_skies
from simtailor.assets.materials import measured_materials
from simtailor.assets.pack import register_pack
from simtailor.assets.procedural.finishes import assorted


@register_pack("builtin")
def builtin(_: Mapping[str, Path]) -> AssetPack:
    """Return procedural categories, skies by formula, measured and procedural materials."""
    # Imports trimesh; the workflow reads this module while it plans.
    from simtailor.assets.procedural.catalogue import procedural_categories  # noqa: PLC0415

    materials = (*measured_materials(), *assorted())
    return AssetPack("builtin", procedural_categories(), built_in_skies(), materials)
