"""The job that makes a data set from the results of an experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from simtailor import render, scene
from simtailor.boxes import boxes_of
from simtailor.datasets.making import ShardJob, shards_of
from simtailor.datasets.models import write_models
from simtailor.datasets.recipes import recipe_of
from simtailor.datasets.shards import encoded_image
from simtailor.figures.datasets import labelled_sheet
from simtailor.files import staged_folder, write_json
from simtailor.fitted.card import licence_of, write_card
from simtailor.fitted.drawing import Drawing, statistics_of
from simtailor.fitted.inputs import experiment_with_stage
from simtailor.fitted.objects import SceneObjects
from simtailor.fitted.reading import FittedSet
from simtailor.fitted.scenes import Fit, FittedScenes, units_of
from simtailor.fitted.settings import Datasets
from simtailor.metasim.arranging import Arranger
from simtailor.metasim.generator import Generator
from simtailor.metasim.stage import Machine
from simtailor.seeds import SEED_SUFFIX, generator

PICTURED = 24  # images on the sheet
CARD = "README.md"


def make_dataset(
    name: str,
    results: str | Path,
    settings: Datasets,
    machine: Machine,
    work: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Make a data set's folder: the shards that are missing, manifest, sheet, summary and card.

    Args:
        name: of the experiment; results: its results directory.
        settings: with the seed filled in.
        work: folder of the set's shards, from which a run that was killed goes on.

    Returns:
        The summary.
    """
    fit = Fit.read(results)
    experiment = experiment_with_stage(fit.experiment, settings)
    grammar, seed = experiment.read_grammar(experiment.grammar), int(settings.seed or 0)
    with machine.renderer(experiment, report) as renderer:
        scenes = FittedScenes(fit, grammar, renderer, seed, settings.widen)
        objects = SceneObjects.of(grammar, experiment.contract)
        # A key has no dot, which WebDataset takes for the beginning of the file's kind.
        drawing = Drawing(scenes, objects, renderer, f"{SEED_SUFFIX.sub('', name)}-{seed}")
        manifest = {
            "experiment": name,
            "fit": fit.digest,
            "seed": seed,
            "images": settings.images,
            "classes": list(objects.classes),
            "image_size": experiment.stage.image_size,
            "image_height": experiment.stage.size[0],
            "stage": experiment.stage.model_dump(mode="json"),
            "widen": settings.widen,
            "parts": list(drawing.parts),
            "units": units_of(scenes.layout, drawing.effective),
            "renderer": f"{experiment.contract.name}, {renderer.identity}, {machine.device}",
            "licence": licence_of(experiment),
        }
        job = ShardJob(
            work=Path(work),
            shards=shards_of(settings.images, settings.shard_size),
            recipe=_recipe(manifest, scenes, settings),
            drawing=lambda: nullcontext(drawing.draw),
            statistics=statistics_of,
            threads=machine.threads,
        )
        job.make(report)
        models = renderer.models()
    job.remove_leftovers()
    with staged_folder(output) as staging:
        manifest["models"] = write_models(staging, models, manifest["classes"])
        total = job.publish(staging, manifest)
        made = FittedSet(staging)
        summary = _summary(made, fit, total)
        labelled_sheet(made, staging / "sheet.png", PICTURED, title=made.title)
        write_json(staging / "summary.json", summary)
        write_card(staging / CARD, made, fit, summary)
    return summary


def _recipe(manifest: dict[str, Any], scenes: FittedScenes, settings: Datasets) -> str:
    """Return the name of what decides the bytes of a data set's shards."""
    values = {key: value for key, value in manifest.items() if key != "images"}
    values |= {
        "noise": hashlib.sha256(scenes.noise.tobytes()).hexdigest(),
        "shard_size": settings.shard_size,
    }
    parts = (
        Drawing, SceneObjects, FittedScenes, Arranger, Generator, encoded_image, boxes_of, generator
    )  # fmt: skip
    roots = (Path(str(package.__file__)).parent for package in (render, scene))
    return recipe_of(values, parts, [f for root in roots for f in sorted(root.rglob("*.py"))])


def _summary(made: FittedSet, fit: Fit, total: dict[str, float]) -> dict[str, Any]:
    masks = "masks" in made.manifest["parts"]
    return {
        "experiment": made.manifest["experiment"],
        "converged": fit.summary["converged"],
        "verdict": fit.summary["verdict"],
        "images": len(made),
        "image_size": made.size[1],
        "image_height": made.size[0],
        "shards": len(made.shards),
        "megabytes": round(total["bytes"] / 1e6, 3),
        "objects": int(total["objects"]),
        "classes": {
            name: int(total.get(f"class {label}", 0)) for label, name in enumerate(made.classes)
        },
        "objects_seen": int(total["seen"]) if masks else None,
        "mean_visibility": (
            round(total["visibility"] / max(total["objects"], 1), 4)
            if "full_masks" in made.manifest["parts"]
            else None
        ),
        "objects_at_edge": int(total["at_edge"]) if masks else None,
        "images_without_object": int(total["empty"]) if masks else None,
        "mean_share_of_object": (
            round(total["visible"] / max(total["seen"], 1), 4) if masks else None
        ),
    }
