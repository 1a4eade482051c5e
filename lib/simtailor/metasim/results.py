"""Assembles the results directory of an experiment: images, figures, tables and summary."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from simtailor.errors import UserError
from simtailor.figures.metasim import (
    attribute_figure,
    contact_sheet,
    discrepancy_figure,
    write_animation,
)
from simtailor.figures.task import task_figure
from simtailor.files import staged_folder, write_json
from simtailor.metasim.ambiguity import unambiguous_centre
from simtailor.metasim.confidence import bootstrap_intervals
from simtailor.metasim.evaluation import (
    MOST_LEFT,
    attribute_table,
    compare_with_held_out,
    verdict,
)
from simtailor.metasim.features import FeatureExtractor, features_of
from simtailor.metasim.generators import make_generator
from simtailor.metasim.labels import LabelledImages, object_classes, translated_labels
from simtailor.metasim.progress import Progress
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import TargetImages, render_images, split_target
from simtailor.metasim.task_table import (
    labelled_scenes,
    task_summary,
    task_table,
    with_training_images,
)
from simtailor.render.renderer import Equivalents, Renderer
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, in_layout_of
from simtailor.seeds import generator as random_generator

FRAMES_SCENES = 6
MOST_HELD_OUT = 300
BOOTSTRAP_SCENES, MOST_BOOTSTRAPPED = 1000, 1600
HISTOGRAM_COLUMNS = 4  # key epochs in the figure of many attributes


@dataclass(eq=False)
class TrainedExperiment:
    """An experiment after its training: what each epoch's generator makes of fixed graphs."""

    name: str
    experiment: Experiment
    grammar: Grammar
    renderer: Renderer
    features: FeatureExtractor
    device: str
    target: TargetImages
    folder: Path

    def __post_init__(self) -> None:
        self.seed = int(self.experiment.seed or 0)
        self.generator = make_generator(self.experiment, self.grammar, self.renderer)
        self.layout = self.generator.layout
        self.progress = Progress.read(self.folder)
        if set(self.progress.weights[0]) != set(self.generator.state_dict()):
            raise UserError(
                f"{self.folder}: an older version trained another kind of generator; delete the "
                "folder and run again"
            )
        self.parts = split_target(len(self.target.images), self.experiment.evaluation, self.seed)
        count = self.experiment.evaluation.scenes
        prior = self.grammar.sample(count, random_generator(self.seed, "evaluation"))
        self.prior = SceneGraphBatch(self.layout, prior.classes, prior.features, prior.seeds)

    @property
    def best(self) -> int:
        """The epoch whose generator is the result."""
        return self.progress.best

    def graphs(self, epoch: int, count: int | None = None) -> SceneGraphBatch:
        """Return (the first ``count``) evaluation graphs as an epoch's generator changes them.

        Epoch 0 is the prior itself for ``transport``, the reconstruction for ``gcn``.
        """
        self.generator.load_state_dict(self.progress.weights[epoch])
        prior = self.prior[:count]
        with torch.no_grad():
            return prior.with_features(self.generator(prior).numpy())

    def features_of(self, graphs: SceneGraphBatch) -> list[torch.Tensor]:
        """Render graphs and return the features of the images."""
        images = render_images(self.renderer, graphs)
        return features_of(self.features, images, self.device)

    def target_graphs(self) -> SceneGraphBatch | None:
        """Return the target's hidden graphs in the prior's layout; None for a folder."""
        if self.target.features is None:
            return None
        grammar = self.experiment.read_grammar(str(self.experiment.target.grammar))
        drawn = grammar.sample(len(self.target.images), random_generator(self.seed, "target"))
        if not np.array_equal(drawn.features, self.target.features):
            raise UserError(
                f"{grammar.source}: its scenes are not those of the target images, which an "
                f"older version drew; delete {self.folder.parent} and run again"
            )
        return in_layout_of(self.prior, drawn)

    @property
    def key_epochs(self) -> list[int]:
        """Epochs to show: dense at the start, where most happens, both ends included."""
        last = self.progress.epoch
        count = min(self.experiment.evaluation.key_epochs, last + 1)
        chosen = {round(last * (i / max(count - 1, 1)) ** 2) for i in range(count)}
        for epoch in range(last + 1):  # squares that round to the same epoch leave room
            if len(chosen) >= count:
                break
            chosen.add(epoch)
        # The epoch that is taken is shown, if need be instead of its nearest neighbour.
        between = chosen - {0, last, self.best}
        if self.best not in chosen and between:
            chosen.remove(min(between, key=lambda epoch: abs(epoch - self.best)))
        return sorted(chosen | {self.best})


def assemble(trained: TrainedExperiment, output: str | Path) -> None:
    """Write the results directory; it appears whole or not at all."""
    with staged_folder(output) as staging:
        _write_images(trained, staging)
        _write_progress(trained, staging)
        _write_animation(trained, staging)
        target = trained.target_graphs()
        same = _comparable(trained, target)
        _write_attributes(trained, same, staging)
        _write_summary(trained, same, staging)
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
    contact_sheet(rows, folder / "images.png", title=_title(trained))


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
        title=_title(trained),
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
        "bootstrap": nearest(trained.graphs(trained.best, BOOTSTRAP_SCENES)),
        "target": None if target is None else nearest(target),
        **{f"epoch {epoch}": nearest(graphs) for epoch, graphs in epochs.items()},
    }


def _write_attributes(
    trained: TrainedExperiment, same: dict[str, Equivalents | None], folder: Path
) -> None:
    def values(source: Equivalents | None) -> np.ndarray | None:
        if source is None:
            return None
        return np.where(source.identified, source.graphs.values(), np.nan)

    epochs = trained.key_epochs
    if len(trained.layout.entries()) > HISTOGRAM_COLUMNS - 1:
        chosen = np.linspace(0, len(epochs) - 1, HISTOGRAM_COLUMNS).round().astype(int)
        epochs = [epochs[i] for i in sorted(set(chosen.tolist()))]
    attribute_figure(
        trained.layout,
        values(same["prior"]),
        {f"epoch {epoch}": values(same[f"epoch {epoch}"]) for epoch in epochs},
        values(same["target"]),
        folder / "attributes.png",
        title=_title(trained),
    )


def _write_summary(
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
    converged, sentence = verdict(comparison, experiment.evaluation.converged_below, progress)
    intervals = {}
    if converged or comparison.share_left < MOST_LEFT:  # the Newton step holds near the optimum
        fitted, pool = parts.training[:MOST_BOOTSTRAPPED], same["bootstrap"]
        intervals = bootstrap_intervals(
            pool,
            trained.features_of(pool.graphs),
            features_of(trained.features, images[fitted], trained.device),
            experiment.discrepancy.bandwidth_factors,
            random_generator(trained.seed, "bootstrap"),
            count=len(parts.training),
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
        "attributes": attribute_table(same["prior"], same["generated"], same["target"], intervals),
        "held_out_mmd": {
            "prior": comparison.start,
            "generated": comparison.end,
            "p_value_prior": comparison.p_start,
            "p_value": comparison.p_end,
            "images": comparison.images,
        },
        "training": {k: v for k, v in progress.notes.items() if k != "stopped"},
        "target": {
            "source": experiment.target.grammar or experiment.target.folder,
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
    if experiment.task.network != "none":
        summary["task"] = _write_task(trained, folder)
    write_json(folder / "summary.json", summary)


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
        title=_title(trained),
        bounded=trained.experiment.target.grammar is not None,
    )
    return task_summary(rows, names, len(test.images))


def _title(trained: TrainedExperiment) -> str:
    return f"{trained.name}, seed {trained.seed}"
