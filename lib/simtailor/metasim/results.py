"""Assembles the results directory of an experiment: images, figures, tables and summary."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from simtailor.config import Experiment
from simtailor.figures.metasim import (
    attribute_figure,
    contact_sheet,
    discrepancy_figure,
    write_animation,
)
from simtailor.files import staged_folder, write_json
from simtailor.metasim.evaluation import attribute_table, compare_with_held_out, verdict
from simtailor.metasim.features import FeatureExtractor, features_of
from simtailor.metasim.target import TargetImages
from simtailor.metasim.training import make_generator, read_history, split_target
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch
from simtailor.seeds import generator as random_generator

FRAMES_SCENES = 6
MOST_HELD_OUT = 300


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
        self.history = read_history(self.folder / "history.safetensors")
        with open(self.folder / "progress.csv", newline="") as file:
            self.rows = [
                {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)
            ]
        count = self.experiment.evaluation.scenes
        prior = self.grammar.sample(count, random_generator(self.seed, "evaluation"))
        self.prior = SceneGraphBatch(self.layout, prior.classes, prior.features, prior.seeds)

    def graphs(self, epoch: int, count: int | None = None) -> SceneGraphBatch:
        """Return (the first ``count``) evaluation graphs as an epoch's generator changes them.

        Epoch 0 is the prior itself for ``transport``, the reconstruction for ``gcn``.
        """
        self.generator.load_state_dict(self.history[epoch])
        prior = self.prior[:count]
        with torch.no_grad():
            return prior.with_features(self.generator(prior).numpy())

    @property
    def key_epochs(self) -> list[int]:
        """Epochs to show: dense at the start, where most happens, both ends included."""
        last = len(self.history) - 1
        count = min(self.experiment.evaluation.key_epochs, last + 1)
        chosen = {round(last * (i / max(count - 1, 1)) ** 2) for i in range(count)}
        for epoch in range(last + 1):  # squares that round to the same epoch leave room
            if len(chosen) >= count:
                break
            chosen.add(epoch)
        return sorted(chosen)


def assemble(trained: TrainedExperiment, output: str | Path) -> None:
    """Write the results directory; it appears whole or not at all."""
    with staged_folder(output) as staging:
        _write_images(trained, staging)
        _write_progress(trained, staging)
        _write_animation(trained, staging)
        _write_summary(trained, staging)
        last = len(trained.history) - 1
        save_file(trained.history[last], staging / "generator.safetensors")
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
    epochs = [row["epoch"] for row in trained.rows]
    losses = [row["mmd"] for row in trained.rows]
    discrepancy_figure(epochs, losses, folder / "progress" / "mmd.png", title=_title(trained))
    target = _target_values(trained)
    key = {f"epoch {e}": trained.graphs(e).values() for e in trained.key_epochs}
    attribute_figure(
        trained.layout,
        trained.prior.values(),
        key,
        target,
        folder / "attributes.png",
        title=_title(trained),
    )


def _write_animation(trained: TrainedExperiment, folder: Path) -> None:
    """Write the animation: the same scenes after every epoch, above target images."""
    first = trained.prior[:FRAMES_SCENES]
    sequences = [("prior", first)] + [
        (f"epoch {e}", trained.graphs(e, FRAMES_SCENES)) for e in range(1, len(trained.history))
    ]
    frames = [(label, trained.renderer.render(graphs).images) for label, graphs in sequences]
    write_animation(frames, trained.target.images[:FRAMES_SCENES], folder / "converging.gif")


def _write_summary(trained: TrainedExperiment, folder: Path) -> None:
    experiment, last = trained.experiment, len(trained.history) - 1
    _, held_out = split_target(trained.target.images, experiment.evaluation.held_out, trained.seed)
    held_out = held_out[:MOST_HELD_OUT]
    count = min(len(held_out), len(trained.prior))
    compared = (
        trained.renderer.render(trained.prior[:count]).images,
        trained.renderer.render(trained.graphs(last, count)).images,
        trained.target.images[held_out],
    )
    comparison = compare_with_held_out(
        experiment, *(features_of(trained.features, i, trained.device) for i in compared)
    )
    converged, sentence = verdict(comparison, experiment.evaluation.converged_below)
    write_json(
        folder / "summary.json",
        {
            "experiment": trained.name,
            "description": experiment.description,
            "seed": trained.seed,
            "converged": converged,
            "verdict": sentence,
            "renders": int(trained.rows[-1]["renders"]),
            "seconds": trained.rows[-1]["seconds"],
            "epochs": last,
            "generator": experiment.generator,
            "attributes": attribute_table(
                trained.layout,
                trained.prior.values(),
                trained.graphs(last).values(),
                _target_values(trained),
            ),
            "held_out_mmd": {
                "prior": comparison.start,
                "generated": comparison.end,
                "p_value_prior": comparison.p_start,
                "p_value": comparison.p_end,
                "images": comparison.images,
            },
            "target": {
                "source": experiment.target.grammar or experiment.target.folder,
                "images": len(trained.target.images),
                "notes": trained.target.notes,
            },
            "versions": {
                "python": platform.python_version(),
                **{
                    name: importlib.metadata.version(name)
                    for name in ("simtailor", "torch", "warp-lang", "numpy")
                },
            },
        },
    )


def _target_values(trained: TrainedExperiment) -> np.ndarray | None:
    """Return the target's hidden attributes, ordered like the prior's layout, if known."""
    features = trained.target.features
    if features is None:
        return None
    target = Grammar.read(str(trained.experiment.target.grammar)).layout
    values = np.zeros((len(features), *trained.layout.mutable.shape), np.float32)
    for node, feature in trained.layout.entries():
        name = trained.layout.features[feature]
        source = target.node_keys.index(trained.layout.node_keys[node])
        column = target.features.index(name)
        values[:, node, feature] = features[:, source, column] * target.maximum[source, column]
    return values


def _title(trained: TrainedExperiment) -> str:
    return f"{trained.name}, seed {trained.seed}"
