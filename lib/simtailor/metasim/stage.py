"""The jobs of the Meta-Sim stage, one function a job."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from simtailor.errors import UserError
from simtailor.files import only_one
from simtailor.metasim.features import make_features
from simtailor.metasim.results import TrainedExperiment, assemble
from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import TargetImages, render_target
from simtailor.metasim.target_folder import read_target
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
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise UserError(
                f"configuration key 'device': '{self.device}', but torch {torch.__version__} "
                "sees no GPU; install a CUDA build of torch or set device: cpu"
            )
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
        target = read_target(
            experiment.target.folder,
            experiment.stage.image_size,
            experiment.target.images,
            seed,
            most_pixels=experiment.target.most_pixels,
            threads=machine.threads,
            report=report,
        )
    else:
        grammar = Grammar.read(str(experiment.target.grammar))
        with machine.renderer(experiment) as renderer:
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
    # A job may outlive a Snakemake that was killed.
    busy = (
        f"{checkpoint}: another process trains this experiment, perhaps a job that outlived a "
        "killed run; wait for it or end it"
    )
    with only_one(f"{checkpoint}.lock", busy, report):
        size = min(experiment.training.image_size, experiment.stage.image_size)
        images = TargetImages.read(target).resized(size)
        grammar = Grammar.read(experiment.grammar)
        with machine.renderer(experiment, size) as renderer:
            trainer = Trainer(experiment, grammar, renderer, images, machine.device, machine.cache)
            progress = trainer.train(checkpoint, report)
        progress.write(output)
        Path(checkpoint).unlink(missing_ok=True)


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
