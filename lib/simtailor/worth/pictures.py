"""Pictures with labels of one source: drawn from a fit, its prior or the target, or photographs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simtailor.fitted.scenes import Fit, FittedScenes
from simtailor.intake.formats import open_image
from simtailor.intake.names import printable
from simtailor.intake.reading import Reading, read_squares
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine
from simtailor.metasim.target import target_scenes
from simtailor.metasim.task_table import with_training_images
from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch, in_layout_of
from simtailor.seeds import generator
from simtailor.worth.examples import Examples
from simtailor.worth.inputs import Trial, picture_size
from simtailor.worth.kinds import KINDS
from simtailor.worth.scenes import rendered
from simtailor.worth.segmentation import class_masks
from simtailor.worth.settings import FIT, PRIOR, REAL, TEST

Take = Callable[[np.ndarray], SceneGraphBatch]


@dataclass(frozen=True)
class Sizes:
    """How many pictures of which size are made, see ``Worth``."""

    images: int
    test_images: int
    image_size: int


def make_examples(
    kind: str,
    source: str,
    results: str | Path,
    trial: Trial,
    sizes: Sizes,
    widen: float,
    machine: Machine,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Write the pictures of a source with their labels.

    Args:
        kind: of the task; source: one of those of the settings, or ``test``.
        results: of the experiment; widen: see ``Datasets``.
    """
    fit = Fit.read(results)
    size = picture_size(fit.experiment, sizes.image_size)
    with machine.renderer(fit.experiment, report, size) as renderer:
        if source in (REAL, TEST) and trial.photographs is not None:
            made = _photographs(kind, source, trial, fit.experiment, renderer, machine, report)
        else:
            made = _drawn(kind, source, fit, trial, sizes, widen, renderer, report)
    made.write(output)


def _photographs(
    kind: str,
    source: str,
    trial: Trial,
    experiment: Experiment,
    renderer: Renderer,
    machine: Machine,
    report: Callable[[str], None],
) -> Examples:
    """Return photographs with labels, cut and resized as those of a target are."""
    task, photographs = KINDS[kind], trial.photographs
    assert photographs is not None
    labels = task.labels_in(photographs.folder, task.about(experiment))
    names = [n for n in labels.files if (n in photographs.train) == (source == REAL)]
    files = [labels.files[name] for name in names]
    read = read_squares(
        lambda i: open_image(files[i]),
        lambda i: printable(files[i]),
        range(len(files)),
        Reading(renderer.size[::-1]),
        machine.threads,
        report,
        f"{photographs.folder}: ",
    )
    given = [labels.given[name] for name in names]
    found = task.of_photographs(given, labels.about, experiment, renderer)
    report(f"{len(names)} photographs of {photographs.folder}")
    return Examples(read.images, found, labels.about)


def _drawn(
    kind: str,
    source: str,
    fit: Fit,
    trial: Trial,
    sizes: Sizes,
    widen: float,
    renderer: Renderer,
    report: Callable[[str], None],
) -> Examples:
    """Return drawn pictures with the labels of their scenes."""
    task, experiment = KINDS[kind], fit.experiment
    count = sizes.test_images if source == TEST else sizes.images
    grammar, drawn_from = experiment.read_grammar(experiment.grammar), experiment.grammar
    take: Take
    if source in (PRIOR, FIT):
        seed, as_prior = int(experiment.seed or 0), None if source == PRIOR else ()
        take = FittedScenes(fit, grammar, renderer, seed, widen, as_prior).take
    else:
        drawn_from = str(experiment.target.grammar)
        take = _of_target(source, experiment, renderer, count)
    model = grammar.sample(1, np.random.default_rng(0))
    parts = dict.fromkeys(task.parts, True)
    images, masks, scenes = [], [], []
    for graphs, rendering in rendered(take, renderer, experiment, count, report, **parts):
        images.append(rendering.images)
        if rendering.masks is not None:
            of_objects = rendering.masks, graphs, experiment, drawn_from, trial.about
            masks.append(class_masks(*of_objects))
        scenes.append(graphs if source in (PRIOR, FIT) else in_layout_of(model, graphs))
    graphs = SceneGraphBatch.joined(scenes)
    shown = np.concatenate(masks) if masks else None
    labels = task.of_scenes(graphs, shown, trial.about, experiment, renderer)
    return Examples(np.concatenate(images), labels, trial.about)


def _of_target(source: str, experiment: Experiment, renderer: Renderer, count: int) -> Take:
    """Return the scenes of the target's own grammar, others than those that the fit saw.

    Those to train on show no handwriting of those to try networks on.
    """
    grammar = experiment.read_grammar(str(experiment.target.grammar))
    random = generator(int(experiment.seed or 0), "worth", source)
    graphs = target_scenes(grammar, renderer, count, int(random.integers(2**31)))
    if source == REAL:
        graphs = with_training_images(graphs)
    return lambda numbers: graphs[numbers]
