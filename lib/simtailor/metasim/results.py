"""Assembles the results directory of an experiment: images, figures, tables and summary."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from safetensors.torch import save_file

from simtailor.figures.metasim import (
    attribute_figure,
    contact_sheet,
    discrepancy_figure,
    write_animation,
)
from simtailor.files import staged_folder, write_json
from simtailor.metasim.ambiguity import unambiguous_centre
from simtailor.metasim.copies import merged, merged_layout
from simtailor.metasim.summary import EVEN_SCENES, write_summary
from simtailor.metasim.trained import TrainedExperiment
from simtailor.render.renderer import Equivalents
from simtailor.scene.graph import SceneGraphBatch

FRAMES_SCENES = 6
HISTOGRAM_COLUMNS = 4  # key epochs in the figure of many attributes


def assemble(trained: TrainedExperiment, output: str | Path) -> None:
    """Write the results directory; it appears whole or not at all."""
    with staged_folder(output) as staging:
        _write_images(trained, staging)
        _write_progress(trained, staging)
        _write_animation(trained, staging)
        target = trained.target_graphs()
        same = _comparable(trained, target)
        _write_attributes(trained, same, staging)
        write_summary(trained, same, staging)
        save_file(trained.progress.weights[trained.best], staging / "generator.safetensors")
        settings = trained.experiment.model_dump(mode="json")
        (staging / "experiment.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def _write_images(trained: TrainedExperiment, folder: Path) -> None:
    """Write images and graphs of the target and of every key epoch, and the contact sheet."""
    count = trained.experiment.evaluation.saved_images
    rows: list[tuple[str, np.ndarray]] = []
    for epoch in trained.key_epochs:
        graphs = trained.graphs(epoch, count)
        images = trained.renderer.render(graphs).images
        _save_images(images, folder / "images" / f"epoch_{epoch:04d}")
        write_json(
            folder / "graphs" / f"epoch_{epoch:04d}.json",
            [graphs.to_node_link(i) for i in range(len(graphs))],
        )
        rows.append((f"epoch {epoch}", images))
    _save_images(trained.target.images[:count], folder / "images" / "target")
    rows.append(("target", trained.target.images[:count]))
    contact_sheet(rows, folder / "images.png", title=trained.title)


def _save_images(images: np.ndarray, folder: Path) -> None:
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:06d}.png")


def _write_progress(trained: TrainedExperiment, folder: Path) -> None:
    (folder / "progress").mkdir()
    shutil.copyfile(trained.folder / "progress.csv", folder / "progress" / "mmd.csv")
    progress = trained.progress
    discrepancy_figure(
        progress.column("epoch"),
        {"training": progress.column("mmd"), "validation": progress.column("validation")},
        folder / "progress" / "mmd.png",
        title=trained.title,
        taken=trained.best,
    )


def _write_animation(trained: TrainedExperiment, folder: Path) -> None:
    """Write the animation: the same scenes after every epoch, above target images."""
    first = trained.prior[:FRAMES_SCENES]
    sequences = [("prior", first)] + [
        (f"epoch {e}", trained.graphs(e, FRAMES_SCENES))
        for e in range(1, trained.progress.epoch + 1)
    ]
    frames = [(label, trained.renderer.render(graphs).images) for label, graphs in sequences]
    write_animation(frames, trained.target.images[:FRAMES_SCENES], folder / "converging.gif")


def _comparable(
    trained: TrainedExperiment, target: SceneGraphBatch | None
) -> dict[str, Equivalents | None]:
    """Return graphs of prior, generator and target, in the form nearest to the target's centre.

    So a box that lies at 270 degrees is no worse than one at 90, if it looks the same.
    """
    epochs = {epoch: trained.graphs(epoch) for epoch in trained.key_epochs}
    generated = trained.graphs(trained.best)
    centre = unambiguous_centre(
        generated if target is None else target, trained.generator, trained.renderer
    )

    def nearest(graphs: SceneGraphBatch) -> Equivalents:
        return centre.nearest(trained.renderer, graphs)

    return {
        "prior": nearest(trained.prior),
        "generated": nearest(generated),
        "even": nearest(trained.even_graphs(EVEN_SCENES)),
        "target": None if target is None else nearest(target),
        **{f"epoch {epoch}": nearest(graphs) for epoch, graphs in epochs.items()},
    }


def _write_attributes(
    trained: TrainedExperiment, same: dict[str, Equivalents | None], folder: Path
) -> None:
    layout = merged_layout(trained.layout)

    def values(source: Equivalents | None) -> np.ndarray | None:
        if source is None:
            return None
        source = merged(source)
        return np.where(source.identified, source.graphs.values(), np.nan)

    epochs = trained.key_epochs
    if len(layout.entries()) > HISTOGRAM_COLUMNS - 1:
        chosen = np.linspace(0, len(epochs) - 1, HISTOGRAM_COLUMNS).round().astype(int)
        epochs = [epochs[i] for i in sorted(set(chosen.tolist()))]
    attribute_figure(
        layout,
        values(same["prior"]),
        {f"epoch {epoch}": values(same[f"epoch {epoch}"]) for epoch in epochs},
        values(same["target"]),
        folder / "attributes.png",
        title=trained.title,
    )
