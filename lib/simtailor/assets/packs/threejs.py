"""Textured materials: photographed surfaces of ambientCG and others, from threejs-materials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from simtailor.assets.content import AssetPack
from simtailor.assets.mesh import Material
from simtailor.assets.pack import register_pack
from simtailor.errors import UserError


@register_pack("threejs", packages=("threejs_materials",))
def threejs(folders: Mapping[str, Path]) -> AssetPack:
    """Return the package's coloured materials; of the roughness map its mean is taken."""
    folder = folders["threejs_materials"]
    materials = tuple(read_material(path.parent) for path in sorted(folder.glob("*/color.png")))
    if not materials:
        raise UserError(f"{folder}: holds no materials (*/color.png)")
    return AssetPack("threejs", materials=materials)


def read_material(folder: Path) -> Material:
    """Read the colour and roughness maps of one material; none of them is metal."""
    from simtailor.assets.textures import texture_of  # noqa: PLC0415  imports scipy

    try:
        with Image.open(folder / "color.png") as picture:
            texture = texture_of(picture)
        roughness = 0.8
        if (folder / "roughness.png").exists():
            with Image.open(folder / "roughness.png") as picture:
                picture.thumbnail((64, 64), Image.Resampling.BOX)
                roughness = float(np.asarray(picture.convert("L")).mean() / 255)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: cannot read this material: {error}") from error
    return Material((1.0, 1.0, 1.0), roughness=roughness, texture=texture)
