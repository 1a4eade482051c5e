"""summary.json: was the target recovered, and how sure is that?"""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from simtailor.figures.shares import shares_figure
from simtailor.figures.task import task_figure
from simtailor.files import write_json
from simtailor.metasim.confidence import Interval, fit_intervals
from simtailor.metasim.copies import merged, merged_layout
from simtailor.metasim.evaluation import attribute_table, compare_with_held_out, shares_table
from simtailor.metasim.features import features_of
from simtailor.metasim.labels import LabelledImages, object_classes, translated_labels
from simtailor.metasim.task_table import (
    labelled_scenes,
    task_summary,
    task_table,
    with_training_images,
)
from simtailor.metasim.trained import TrainedExperiment
from simtailor.metasim.verdict import verdict
from simtailor.render.renderer import Equivalents
from simtailor.seeds import generator as random_generator

MOST_HELD_OUT = 300  # images that the verdict compares with as many generated ones
EVEN_SCENES, MOST_FITTED = 1000, 1600  # generated and target images that intervals rest on


def write_summary(
    trained: TrainedExperiment, same: dict[str, Equivalents | None], folder: Path
) -> None:
    experiment, progress, best = trained.experiment, trained.progress, trained.best
    images, parts = trained.target.images, trained.parts
    held_out = parts.held_out[:MOST_HELD_OUT]
    count = min(MOST_HELD_OUT, len(trained.prior))
    comparison = compare_with_held_out(
        experiment,
        trained.features_of(trained.prior[:count]),
        trained.features_of(trained.graphs(best, count)),
        features_of(trained.features, images[held_out], trained.device),
    )
    intervals = _intervals(trained, same["even"], comparison.misfit)
    layout = merged_layout(trained.layout)
    named = {layout.entry_name(*entry): found for entry, found in intervals.items()}
    tables = {
        name: None if same[name] is None else merged(same[name])
        for name in ("prior", "generated", "target")
    }
    converged, sentence = verdict(
        comparison, named, progress, by_pixels=experiment.features.kind == "pyramid"
    )
    summary = {
        "experiment": trained.name,
        "description": experiment.description,
        "seed": trained.seed,
        "converged": converged,
        "verdict": sentence,
        "renders": progress.renders,
        "seconds": progress.seconds,
        "epochs": progress.epoch,
        "best_epoch": best,
        "stopped": progress.notes.get("stopped", "after the last epoch"),
        "generator": experiment.generator,
        "attributes": attribute_table(
            tables["prior"], tables["generated"], tables["target"], intervals
        ),
        "held_out_mmd": {
            "prior": comparison.start,
            "generated": comparison.end,
            "chance": comparison.chance,
            "p_value_prior": comparison.p_start,
            "p_value": comparison.p_end,
            "misfit": comparison.misfit,
            "images": comparison.images,
        },
        "training": {k: v for k, v in progress.notes.items() if k != "stopped"},
        "target": {
            "source": experiment.target.source,
            "images": len(images),
            "notes": trained.target.notes,
            "intake": trained.target.intake,
        },
        "versions": {
            "python": platform.python_version(),
            **{
                name: importlib.metadata.version(name)
                for name in ("simtailor", "torch", "warp-lang", "numpy")
            },
        },
    }
    if trained.generator.shares is not None:
        summary["shares"] = shares_table(
            {name: None if (of := same[name]) is None else of.graphs for name in tables}
        )
        shares_figure(summary["shares"], folder / "shares.png", title=trained.title)
    if trained.arranging:
        summary["arranging"] = trained.arranging
    if experiment.task.network != "none":
        summary["task"] = _write_task(trained, folder)
    write_json(folder / "summary.json", summary)


def _intervals(
    trained: TrainedExperiment, even: Equivalents | None, misfit: float
) -> dict[tuple[int, int], Interval]:
    """Return what the images that the generator was fitted to tell of its means and spreads."""
    assert even is not None
    fitted = trained.parts.training
    images = trained.target.images[fitted[:MOST_FITTED]]
    return fit_intervals(
        even,
        trained.features_of,
        trained.steps,
        features_of(trained.features, images, trained.device),
        trained.experiment.discrepancy.bandwidth_factors,
        count=len(fitted),
        misfit=misfit,
    )


def _write_task(trained: TrainedExperiment, folder: Path) -> dict[str, Any]:
    """Train task networks on each source of images, draw their accuracies, return the table."""
    settings, progress = trained.experiment.task, trained.progress
    names, render = object_classes(trained.grammar), trained.renderer
    count = min(trained.experiment.evaluation.task_images, len(trained.prior))
    sources = {
        "grammar": trained.prior[:count],
        "Meta-Sim (MMD)": trained.graphs(progress.notes["before_task"], count),
        "Meta-Sim (MMD + task)": trained.graphs(trained.best, count),
    }
    data = {name: labelled_scenes(render, graphs, names) for name, graphs in sources.items()}
    if trained.experiment.target.grammar is not None:
        grammar = trained.experiment.read_grammar(trained.experiment.target.grammar)
        fresh = grammar.sample(count, random_generator(trained.seed, "upper bound"))
        own = object_classes(grammar)
        bound = labelled_scenes(render, with_training_images(fresh), own)
        labels = translated_labels(bound.labels, own, names, "target")
        data["target's grammar"] = LabelledImages(bound.images, labels)
    test = trained.target.labelled(trained.parts.held_out, names)
    seed = int(random_generator(trained.seed, "task table").integers(2**31))
    rows = task_table(data, test, names, settings, seed, trained.device)
    task_figure(
        rows,
        len(names),
        folder / "task.png",
        title=trained.title,
        bounded=trained.experiment.target.grammar is not None,
    )
    return task_summary(rows, names, len(test.images))
