"""Pictures of asset packs: every category with its models, and every environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from simtailor.assets.content import AssetPack, Category, Model, Sky
from simtailor.assets.environments import studio
from simtailor.assets.mesh import Material
from simtailor.assets.shapes import ellipsoid
from simtailor.figures.style import label_font
from simtailor.files import staged, staged_folder, write_json
from simtailor.render.raycast.caster import RayCaster
from simtailor.render.raycast.environment import Environment, prefilter
from simtailor.render.raycast.scenes import Scenes, look_at

TILE = 128  # pixels
FIELD_OF_VIEW = np.radians(30)
FROM = np.array([0.62, 0.42, 0.80])  # direction of the camera
LABEL_WIDTH = 170
MATERIALS_A_ROW = 10


def pack_pictures(
    pack: AssetPack, folder: str | Path, *, cache: str | Path, device: str = "cpu"
) -> None:
    """Write pictures of all that a pack holds, and summary.json with counts and notes."""
    with staged_folder(folder) as staging:
        if pack.categories:
            category_sheet(pack.categories, staging / "classes.png", cache=cache, device=device)
        if pack.environments:
            environment_sheet(pack.environments, staging / "environments.png")
        if pack.materials:
            material_sheet(pack.materials, staging / "materials.png", cache=cache, device=device)
        models = [model for category in pack.categories for model in category.models]
        write_json(
            staging / "summary.json",
            {
                "pack": pack.name,
                "categories": {c.name: len(c.models) for c in pack.categories},
                "models": len(models),
                "triangles": sum(len(model.mesh.faces) for model in models),
                "environments": len(pack.environments),
                "materials": len(pack.materials),
                "notes": list(pack.notes),
            },
        )


def category_sheet(
    categories: Sequence[Category], path: str | Path, *, models: int = 6, tile: int = TILE,
    cache: str | Path | None = None, device: str = "cpu",
) -> None:  # fmt: skip
    """Write one row of pictures a category, each with its first models and its name.

    Args:
        models: of each category shown at most.
        cache: folder of the prefiltered environment.
    """
    tiles = render_models([c.models[:models] for c in categories], tile, cache, device)
    columns = 2 if len(categories) > 12 else 1
    rows = -(-len(categories) // columns)
    width = LABEL_WIDTH + models * tile
    sheet = Image.new("RGB", (columns * width, rows * tile), "white")
    draw, font = ImageDraw.Draw(sheet), label_font(15)
    for index, (category, pictures) in enumerate(zip(categories, tiles, strict=True)):
        left, top = index // rows * width, index % rows * tile
        draw.text(
            (left + 8, top + tile // 2), category.name.replace("_", " "), "#222222", font, "lm"
        )
        for i, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (left + LABEL_WIDTH + i * tile, top))
    with staged(path) as staging:
        sheet.save(staging)


def render_models(
    groups: Sequence[Sequence[Model]], tile: int, cache: str | Path | None, device: str
) -> list[np.ndarray]:
    """Return pictures of groups of models, each filling its frame: uint8 [n, tile, tile, 3]."""
    environment = _light(cache)
    pictures = []
    for models in groups:
        meshes = [model.mesh for model in models]
        with RayCaster(meshes, [environment], device=device) as caster:
            scenes = _portraits(
                np.array([np.linalg.norm(mesh.vertices, axis=1).max() for mesh in meshes])
            )
            scenes.mesh[:, 0] = np.arange(len(meshes))
            pictures.append(caster.render(scenes, tile, samples=6).images)
    return pictures


def _light(cache: str | Path | None) -> Environment:
    lamps = [(70, 50, 25, 3.0), (-60, 25, 20, 1.2)]
    return prefilter(studio(128, lamps=lamps, backdrop=(0.62, 0.63, 0.65)), cache)


def _portraits(radii: np.ndarray) -> Scenes:
    """Return scenes that show objects of such radii from the front, above and right."""
    scenes = Scenes.create(len(radii))
    scenes.scale[:, 0] = 1 / radii
    scenes.eye[:] = FROM / np.linalg.norm(FROM) * 1.02 / np.sin(FIELD_OF_VIEW / 2)
    scenes.camera[:] = look_at(scenes.eye, np.zeros_like(scenes.eye))
    scenes.field_of_view[:] = FIELD_OF_VIEW
    scenes.light_direction[:] = [0.25, 1.0, 0.75]
    scenes.light_colour[:] = [2.2, 2.15, 2.05]
    return scenes


def material_sheet(
    materials: Sequence[Material],
    path: str | Path,
    *,
    tile: int = 96,
    cache: str | Path | None = None,
    device: str = "cpu",
) -> None:
    """Write a ball of every material, in their order, ten a row."""
    ball = ellipsoid((1, 1, 1), Material((1, 1, 1)), fine=True)
    with RayCaster([ball], [_light(cache)], extra_materials=materials, device=device) as caster:
        scenes = _portraits(np.ones(len(materials)))
        scenes.material[:, 0, 0] = np.arange(len(materials))
        pictures = caster.render(scenes, tile, samples=4).images
    rows = -(-len(materials) // MATERIALS_A_ROW)
    sheet = Image.new("RGB", (MATERIALS_A_ROW * tile, rows * tile), "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, MATERIALS_A_ROW)
        sheet.paste(Image.fromarray(picture), (column * tile, row * tile))
    with staged(path) as staging:
        sheet.save(staging)


def environment_sheet(environments: Sequence[Sky], path: str | Path, *, height: int = 128) -> None:
    """Write every environment as an unrolled picture with its name."""
    columns = 3
    rows = -(-len(environments) // columns)
    sheet = Image.new("RGB", (columns * 2 * height, rows * height), "white")
    draw, font = ImageDraw.Draw(sheet), label_font(14)
    for index, sky in enumerate(environments):
        exposed = 0.8 * sky.radiance
        shown = (255 * (exposed / (1 + exposed / 4)).clip(0, 1) ** (1 / 2.2)).astype(np.uint8)
        place = (index % columns * 2 * height, index // columns * height)
        sheet.paste(Image.fromarray(shown).resize((2 * height, height)), place)
        draw.text(
            (place[0] + 6, place[1] + 6),
            sky.name,
            "white",
            font,
            stroke_width=2,
            stroke_fill="black",
        )
    with staged(path) as staging:
        sheet.save(staging)
