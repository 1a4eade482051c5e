"""The jobs of the Meta-Sim stage, one function a job."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from simtailor.devices import check_device
from simtailor.errors import UserError
from simtailor.metasim.features import make_features
from simtailor.metasim.results import TrainedExperiment, assemble
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import TargetImages, read_target, render_target
from simtailor.metasim.training import Trainer
from simtailor.render.renderer import Renderer, create_renderer
from simtailor.scene.grammar import Grammar


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
        self, experiment: Experiment, image_size: int | None = None
    ) -> AbstractContextManager[Renderer]:
        """Create the experiment's renderer, for images of the stage's or another size."""
        # The network is small and the renderer takes the cores. One thread keeps sums in
        # one order, so that the result does not depend on the number of cores.
        torch.set_num_threads(1)
        check_device(self.device)
        stage = experiment.stage.model_dump()
        return create_renderer(
            experiment.renderer,
            **stage | ({"image_size": image_size} if image_size else {}),
            device=self.device,
            threads=self.threads,
            cache=self.cache,
        )


def experiment_from(settings: dict[str, Any]) -> Experiment:
    """Return the experiment of a rule's parameters."""
    return Experiment.model_validate(settings)


def make_target(
    experiment: Experiment, machine: Machine, output: str, report: Callable[[str], None]
) -> None:
    """Render or read the target and write it."""
    seed = int(experiment.seed or 0)
    if experiment.target.folder is not None:
        size = experiment.stage.image_size
        target = read_target(experiment.target.folder, size, experiment.target.images, seed)
    else:
        grammar = Grammar.read(str(experiment.target.grammar))
        with machine.renderer(experiment) as renderer:
            target = render_target(grammar, renderer, experiment.target.images, seed)
    for note in target.notes:
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
    with _only_one(checkpoint):
        size = min(experiment.training.image_size, experiment.stage.image_size)
        images = TargetImages.read(target).resized(size)
        grammar = Grammar.read(experiment.grammar)
        with machine.renderer(experiment, size) as renderer:
            trainer = Trainer(experiment, grammar, renderer, images, machine.device, machine.cache)
            progress = trainer.train(checkpoint, report)
        progress.write(output)
        Path(checkpoint).unlink(missing_ok=True)


@contextmanager
def _only_one(checkpoint: str) -> Iterator[None]:
    """Hold a lock beside the checkpoint: a job may outlive a Snakemake that was killed."""
    path = Path(f"{checkpoint}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"{checkpoint}: another process trains this experiment, perhaps a job that "
                "outlived a killed run; wait for it or end it"
            ) from error
        yield


def make_results(
    name: str, experiment: Experiment, machine: Machine, target: str, training: str, output: str
) -> None:
    """Assemble the results directory."""
    with machine.renderer(experiment) as renderer:
        trained = TrainedExperiment(
            name=name,
            experiment=experiment,
            grammar=Grammar.read(experiment.grammar),
            renderer=renderer,
            features=make_features(experiment.features, machine.device, machine.cache),
            device=machine.device,
            target=TargetImages.read(target),
            folder=Path(training),
        )
        assemble(trained, output)
