"""Pictures for looking: what each parameter does, the classes, and previews of any set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from simtailor.figures.simulation import rows_sheet, tiled
from simtailor.files import staged_folder, write_json
from simtailor.simulation.exported import packs_shown
from simtailor.simulation.parameters import MATERIALS, PARAMETER_NAMES, SimulationParameters
from simtailor.simulation.settings import Simulation
from simtailor.simulation.simulators import AnyCatalogue, AnyMachine

OBJECTS = 8  # of a row
SIZE, SAMPLES = 128, 4
MODELS_OF_A_CLASS = 4
CLASS_COLUMNS = 12
SWITCH = ("off", "on")
MEANINGS = {
    "backgr": "sky and direction of the camera",
    "blur": "focus and aperture",
    "lighting_color": "colour of the light",
    "lighting_dir": "direction of the light",
    "lighting_intensity": "intensity of the light",
    "materials": "materials",
    "pose_cam": "camera off the object",
    "pose_rot": "rotation of the object",
    "pose_scale": "distance of the object",
}


def picture_parameters(
    settings: Simulation, catalogue: AnyCatalogue, machine: AnyMachine, output: str | Path
) -> None:
    """Write a folder with a picture of each parameter, off and on, and of all classes.

    The rows of a picture show the same images of sets that differ by that parameter alone.
    ``summary.json`` counts the models of every class and holds the notes of the asset packs.
    """
    with machine.studio(catalogue) as studio, staged_folder(output) as staging:

        def take(parameters: SimulationParameters, indices: np.ndarray) -> np.ndarray:
            seed = int(settings.seed or 0)
            return studio.take(
                parameters,
                seed,
                indices,
                image_size=SIZE,
                samples=SAMPLES,
                field_of_view=settings.field_of_view,
            ).images

        for name in PARAMETER_NAMES:
            choices = MATERIALS if name == "materials" else dict(enumerate(SWITCH))
            rows = [
                (text, take(replace(SimulationParameters(), **{name: value}), np.arange(OBJECTS)))
                for value, text in choices.items()
            ]
            title = f"{name}: {MEANINGS[name]}, all else off"
            rows_sheet(rows, staging / f"{name}.png", title=title, size=SIZE)
        classes, packs = len(catalogue.categories), packs_shown(settings)
        shown = [
            label + classes * turn
            for label, category in enumerate(catalogue.categories)
            for turn in range(min(MODELS_OF_A_CLASS, len(category.models)))
        ]
        tiled(
            list(take(SimulationParameters(), np.array(shown))),
            [catalogue.categories[i % classes].name for i in shown],
            staging / "classes.png",
            title=f"{', '.join(packs)}: {classes} classes, {len(catalogue.models)} models",
            columns=CLASS_COLUMNS,
        )
        write_json(
            staging / "summary.json",
            {
                "packs": packs,
                "models": {c.name: len(c.models) for c in catalogue.categories},
                "skies": len(catalogue.skies),
                "materials": len(catalogue.materials),
                "notes": list(catalogue.notes),
            },
        )


def preview(
    parameters: SimulationParameters,
    settings: Simulation,
    catalogue: AnyCatalogue,
    machine: AnyMachine,
    path: str | Path,
    *,
    count: int = 24,
    title: str | None = None,
) -> None:
    """Write the first images of a set as one PNG, without making the set.

    Args:
        parameters: the set; settings: its image size, samples, camera and seed.
        catalogue: its assets.
        path: of the PNG; count: images shown; title: the parameters' name where None.
    """
    with machine.studio(catalogue) as studio:
        pictures = studio.take(
            parameters,
            int(settings.seed or 0),
            np.arange(count),
            image_size=settings.image_size,
            samples=settings.samples,
            field_of_view=settings.field_of_view,
        )
    captions = [annotation["class"] for annotation in pictures.annotations]
    tiled(list(pictures.images), captions, path, title=title or str(parameters))
