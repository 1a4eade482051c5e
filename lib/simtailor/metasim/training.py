"""Training of the generator: population search, then gradient descent on the discrepancy.

Every epoch ends with a checkpoint, and every random number depends on (seed, epoch, step),
so a run that is killed at any point and started again ends with the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from simtailor.metasim.arranging import Arranger
from simtailor.metasim.checkpoint import Checkpoint
from simtailor.metasim.clock import Clock
from simtailor.metasim.counted import CountedRenderer
from simtailor.metasim.descent import Descent, EpochOutcome
from simtailor.metasim.features import Seen, make_features
from simtailor.metasim.fingerprint import fingerprint_of
from simtailor.metasim.generator import Generator
from simtailor.metasim.generators import make_generator
from simtailor.metasim.journal import KEY, Journal
from simtailor.metasim.labels import object_classes
from simtailor.metasim.objective import Objective
from simtailor.metasim.optimisation import Averaging, half_cosine
from simtailor.metasim.preparation import Preparation, Report
from simtailor.metasim.prior_scenes import PriorScenes
from simtailor.metasim.progress import Progress
from simtailor.metasim.settings import PLACELESS, Experiment
from simtailor.metasim.target import TargetImages, split_target
from simtailor.metasim.task_loss import TaskLoss
from simtailor.metasim.task_reward import TaskReward
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar

BANDWIDTH_SCENES = 100  # of the prior, which set the discrepancy's scale with the target
PULL = 0.1  # weight of what the search saw, in tolerances of the discrepancy


class Trainer:
    """Trains one generator.

    Args:
        experiment: all settings, with the seed filled in.
        grammar: of the prior.
        renderer: draws the graphs.
        target: images as large as the renderer's; the held-out part is not looked at.
        device: of features and generator.
        cache: folder of fetched packages, which may hold the features' weights.
    """

    def __init__(
        self,
        experiment: Experiment,
        grammar: Grammar,
        renderer: Renderer,
        target: TargetImages,
        device: str = "cpu",
        cache: str = "resources",
    ) -> None:
        self.experiment, self.renderer, self.grammar = experiment, renderer, grammar
        self.settings, self.seed = experiment.training, int(experiment.seed or 0)
        self.device = torch.device(device)
        self.generator = make_generator(experiment, grammar, renderer).to(self.device)
        self.layout = self.generator.layout
        self.fingerprint = fingerprint_of(experiment, grammar, renderer, target, device, cache)
        grey = getattr(renderer, "grey", False) and target.grey
        looks = experiment.contract.changes_looks(grammar.layout)
        extractor = make_features(experiment.features, self.device, cache, Seen(grey, looks))
        self._counted = CountedRenderer(renderer)
        self._arranger = Arranger(grammar, renderer)
        self.scenes = PriorScenes(
            grammar, self.layout, self.seed, self.settings.hypercube, self._arranger
        )
        self.objective = Objective(experiment, self._counted, extractor, self.layout, self.device)
        self.descent = Descent(self.generator, self.objective, self.scenes, self.settings)
        self._target = target
        self._parts = split_target(len(target.images), experiment.evaluation, self.seed)
        self._average = Averaging()
        self._task: TaskLoss | None = None
        if experiment.task.network != "none":
            names, parts = object_classes(grammar), self._parts
            labelled = (target.labelled(p, names) for p in (parts.training, parts.validation))
            shown, judged = labelled
            self._task = TaskLoss(experiment.task, names, self._counted, shown, self.seed, device)
            self._reward = TaskReward(
                experiment.task, names, self._counted, self.scenes, judged, self.device
            )

    def train(self, checkpoint: str | Path | None = None, report: Report = print) -> Progress:
        """Train to the end and return the progress; the generator is that of the best epoch.

        Args:
            checkpoint: file to resume from and to write after every epoch.
            report: receives one line an epoch.
        """
        file = Checkpoint(checkpoint, self.fingerprint)
        reference, parts = self.scenes.sample("bandwidth", BANDWIDTH_SCENES), self._parts
        images = self._target.images
        self.objective.prepare(images[parts.training], images[parts.validation], reference)
        state = file.read(report)
        if state is None or KEY in state:
            if state is not None:
                report("resumed in the search")
            progress = Progress()
            scenes, random = self.settings.validation_scenes, self.scenes.random("tolerance")
            progress.notes["tolerance"] = self.objective.tolerance(scenes, random)
            clock = Clock()
            self._start(progress, clock, Journal(file, self._counted, clock, state), report)
            state = None
            file.write(self._state(progress, self.descent.optimiser()))
        else:
            progress = self._resumed(state)
            report(f"resumed after epoch {progress.epoch}")
        self.descent.pull = PULL * progress.notes["tolerance"]
        if "task_begins" not in progress.notes:
            self._train_on_discrepancy(progress, state, file, report)
        if self._task is not None:
            self._train_on_task(self._task, progress, state, file, report)
        report(f"epoch {progress.best} is taken")
        self.generator.load_state_dict(progress.weights[progress.best])
        return progress

    def _train_on_discrepancy(
        self, progress: Progress, state: dict[str, Any] | None, file: Checkpoint, report: Report
    ) -> None:
        """Train on the discrepancy alone, until the epochs end or nothing becomes better."""
        total = self.settings.epochs
        if "stopped" in progress.notes or progress.epoch >= total:
            return
        optimiser = _restored(self.descent.optimiser(), state)
        schedule = half_cosine(optimiser, total, progress.epoch)
        clock = Clock(progress.seconds)
        while progress.epoch < total and "stopped" not in progress.notes:
            epoch = progress.epoch + 1
            outcome = self.descent.epoch(epoch, optimiser)
            averaging = epoch > self.settings.average_from * total
            taken = self._average.add(self.generator) if averaging else self.generator
            self._record(progress, taken, clock, outcome)
            if self._is_stale(progress):
                progress.notes["stopped"] = (
                    f"after epoch {epoch}: the discrepancy to the validation part has not become "
                    f"better for {self.settings.patience} epochs"
                )
            file.write(self._state(progress, optimiser))
            schedule.step()
            report(f"epoch {epoch}/{total}  {progress}")
        report(f"stopped {progress.notes.get('stopped', 'after the last epoch')}")

    def _train_on_task(
        self,
        task: TaskLoss,
        progress: Progress,
        state: dict[str, Any] | None,
        file: Checkpoint,
        report: Report,
    ) -> None:
        """Go on from the best epoch with the task network's accuracy as a second goal."""
        settings = self.experiment.task
        optimiser = self.descent.optimiser(settings.learning_rate)
        if "task_begins" in progress.notes:
            optimiser = _restored(optimiser, state)
        else:
            self._average = Averaging()
            progress.notes |= {"task_begins": progress.epoch, "before_task": progress.best}
            self.generator.load_state_dict(progress.weights[progress.best])
            reward = self._reward.of(self.generator)
            progress.notes["reward_before_task"] = reward
            progress.notes["reward_tolerance"] = self._reward.tolerance(reward)
            report(f"accuracy of the task network before the epochs of the task: {reward:.1%}")
        begin, clock = progress.notes["task_begins"], Clock(progress.seconds)
        while progress.epoch < begin + settings.epochs:
            epoch = progress.epoch + 1
            outcome = self.descent.task_epoch(epoch, optimiser, task)
            averaging = epoch - begin > settings.epochs / 2
            taken = self._average.add(self.generator) if averaging else self.generator
            self._record(progress, taken, clock, outcome, reward=self._reward.of(taken))
            file.write(self._state(progress, optimiser))
            report(f"task epoch {epoch - begin}/{settings.epochs}  {progress}")

    def _record(
        self,
        progress: Progress,
        taken: Generator,
        clock: Clock,
        outcome: EpochOutcome,
        **others: float,
    ) -> None:
        """Add an epoch to the progress; ``taken``: the generator that stands for it."""
        progress.add(
            taken.weights(),
            epoch=progress.epoch + 1,
            mmd=outcome.loss,
            validation=self._validate(taken),
            blind=outcome.blind,
            seconds=clock.seconds,
            renders=self._counted.renders,
            **others,
        )

    def _start(self, progress: Progress, clock: Clock, journal: Journal, report: Report) -> None:
        """Prepare the generator, and record the state before the training as epoch 0."""
        preparation = Preparation(self.descent, self.experiment.features.kind in PLACELESS, report)
        preparation.report_entries(self.grammar.layout)
        graphs = self.scenes.sample("start", self.settings.batch_size * 2)
        loss = self.objective.value(graphs, self.generator.encode(graphs)[0])
        validation = self._validate(self.generator)
        untrained = preparation.run(progress.notes, journal)
        if self.experiment.generator == "gcn":  # it is not the identity at the start
            validation = self._validate(self.generator)
        renders = self._counted.renders
        progress.add(
            untrained,
            epoch=0,
            mmd=loss,
            validation=validation,
            seconds=clock.seconds,
            renders=renders,
        )
        report(f"epoch 0  mmd {loss:.4f}  validation {validation:.4f}  {renders} renders")

    def _validate(self, generator: Generator) -> float:
        """Return the discrepancy of fixed scenes to the validation part of the target."""
        count = self.settings.validation_scenes
        graphs = self.scenes.batch("validation", count, generator=generator)
        return self.objective.validation(generator.changed(graphs))

    def _is_stale(self, progress: Progress) -> bool:
        """Return whether the validation has not become better for as long as patience lasts."""
        begin = max(1, round(self.settings.average_from * self.settings.epochs))
        validation = progress.column("validation")
        patience = self.settings.patience
        if progress.epoch < begin + patience:
            return False
        return bool(validation[-patience:].min() >= validation[1:-patience].min())

    def _state(self, progress: Progress, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
        """Return all that a later process needs to end with the same bytes."""
        return {
            "rows": progress.rows,
            "weights": progress.weights,
            "notes": progress.notes,
            "generator": self.generator.state_dict(),
            "optimiser": optimiser.state_dict(),
            "average": self._average.state(),
            "steps": torch.from_numpy(self.objective.steps),
            "task": self._task.state() if self._task else {},
        }

    def _resumed(self, state: dict[str, Any]) -> Progress:
        """Take over the state of an interrupted training; that of its optimiser follows."""
        progress = Progress(state["rows"], state["weights"], state["notes"])
        self.generator.load_state_dict(state["generator"])
        self._average.load_state(self.generator, state["average"])
        self.objective.steps = state["steps"].numpy()
        if self._task is not None:
            self._task.load_state(state["task"])
        self._counted.renders = progress.renders
        return progress


def _restored(
    optimiser: torch.optim.Optimizer, state: dict[str, Any] | None
) -> torch.optim.Optimizer:
    """Return the optimiser as it was when the training was interrupted, if it was."""
    if state is not None:
        optimiser.load_state_dict(state["optimiser"])
    return optimiser
