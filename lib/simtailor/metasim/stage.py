"""The jobs of the Meta-Sim stage, one function a job.

Each imports what it alone needs: all together take seconds, at the start of every job.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simtailor.devices import check_device
from simtailor.files import only_one
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import TargetImages, render_target
from simtailor.metasim.target_build import fill_snapshots
from simtailor.metasim.target_folder import read_target
from simtailor.metasim.target_picture import read_picture
from simtailor.render.creation import renderer_for
from simtailor.render.description import RenderMachine
from simtailor.render.renderer import Renderer
from simtailor.reporting import Reporter


@dataclass(frozen=True)
class Machine:
    """Where a job runs.

    Attributes:
        device: ``cpu`` or a CUDA device; threads: cores to render on; cache: folder.
    """

    device: str
    threads: int
    cache: str

    def renderer(
        self,
        experiment: Experiment,
        report: Callable[[str], None],
        image_size: int | None = None,
    ) -> AbstractContextManager[Renderer]:
        """Create the experiment's renderer, for images of the stage's or another size."""
        check_device(self.device)
        stage = experiment.stage
        if image_size is not None:
            stage = stage.model_copy(update={"image_size": image_size})
        machine = RenderMachine(self.device, self.threads, self.cache)
        renderer = renderer_for(experiment.renderer, stage, machine, report)
        # The network is small and the renderer takes the cores. One thread keeps sums in
        # one order, so that the result does not depend on the number of cores.
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        return renderer


def experiment_from(settings: dict[str, Any]) -> Experiment:
    """Return the experiment of a rule's parameters."""
    return Experiment.model_validate(settings)


def make_target(
    experiment: Experiment, machine: Machine, output: str, report: Callable[[str], None]
) -> None:
    """Render or read the target and write it."""
    seed = int(experiment.seed or 0)
    folder = experiment.target.folder
    if experiment.target.build is not None:
        log = report.log if isinstance(report, Reporter) else None
        folder = fill_snapshots(experiment.target.build, experiment.target.images, report, log)
    if folder is not None:
        target = read_target(
            folder,
            experiment.stage.size[::-1],
            experiment.target.images,
            seed,
            most_pixels=experiment.target.most_pixels,
            threads=machine.threads,
            report=report,
        )
    elif experiment.target.picture is not None:
        target = read_picture(
            experiment.target.picture,
            machine.cache,
            experiment.stage.image_size,
            experiment.target.images,
            seed,
            experiment.target.most_pixels,
        )
    else:
        grammar = experiment.read_grammar(str(experiment.target.grammar))
        with machine.renderer(experiment, report) as renderer:
            target = render_target(grammar, renderer, experiment.target.images, seed)
    known = set(target.intake["notes"]) if target.intake else set()  # these are printed
    for note in target.notes:
        if note not in known:
            report(note)
    target.write(output)
    report(f"{len(target.images)} target images")


def train(
    experiment: Experiment,
    machine: Machine,
    target: str,
    output: str,
    checkpoint: str,
    report: Callable[[str], None],
) -> None:
    """Train the generator; resumes from ``checkpoint`` and removes it at the end."""
    from simtailor.metasim.training import Trainer  # noqa: PLC0415

    # A job may outlive a Snakemake that was killed.
    busy = (
        f"{checkpoint}: another process trains this experiment, perhaps a job that outlived a "
        "killed run; wait for it or end it"
    )
    with only_one(f"{checkpoint}.lock", busy, report):
        size = min(experiment.training.image_size, experiment.stage.image_size)
        grammar = experiment.read_grammar(experiment.grammar)
        with machine.renderer(experiment, report, size) as renderer:
            images = TargetImages.read(target).resized(renderer.size)
            trainer = Trainer(experiment, grammar, renderer, images, machine.device, machine.cache)
            progress = trainer.train(checkpoint, report)
        progress.write(output)
        Path(checkpoint).unlink(missing_ok=True)


def make_results(
    name: str,
    experiment: Experiment,
    machine: Machine,
    target: str,
    training: str,
    output: str,
    report: Callable[[str], None],
) -> None:
    """Assemble the results directory."""
    from simtailor.metasim.features import Seen, make_features  # noqa: PLC0415
    from simtailor.metasim.results import TrainedExperiment, assemble  # noqa: PLC0415

    grammar = experiment.read_grammar(experiment.grammar)
    seen = Seen(looks=experiment.contract.changes_looks(grammar.layout))
    with machine.renderer(experiment, report) as renderer:
        trained = TrainedExperiment(
            name=name,
            experiment=experiment,
            grammar=grammar,
            renderer=renderer,
            features=make_features(experiment.features, machine.device, machine.cache, seen),
            device=machine.device,
            target=TargetImages.read(target),
            folder=Path(training),
        )
        assemble(trained, output)
