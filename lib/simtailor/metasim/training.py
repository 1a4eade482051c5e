"""Training of the generator: population search, then gradient descent on the discrepancy.

Every epoch ends with a checkpoint, and every random number depends on (seed, epoch, step),
so a run that is killed at any point and started again ends with the same bytes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.metasim.discrepancy import at_most_half, make_discrepancy
from simtailor.metasim.features import features_of, make_features
from simtailor.metasim.fingerprint import fingerprint_of
from simtailor.metasim.generator import (
    GENERATORS,
    NO_SPREAD,
    Generator,
    GraphConvolutionalGenerator,
    TransportGenerator,
)
from simtailor.metasim.labels import object_classes
from simtailor.metasim.progress import Progress, Weights
from simtailor.metasim.search import PopulationSearch
from simtailor.metasim.settings import Experiment
from simtailor.metasim.starts import MAIN_MODE, best_start, starts_from, starts_on_trial
from simtailor.metasim.target import TargetImages, split_target
from simtailor.metasim.task_loss import TaskLoss
from simtailor.metasim.task_network import accuracy, train_task_network
from simtailor.metasim.task_table import labelled_scenes
from simtailor.render.gradient import render_with_gradient, responsive_steps
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.seeds import generator as random_generator

PRIOR_SAMPLE = 4000
PRETRAINING_SCENES = 1000
BANDWIDTH_SCENES = 100
STEP_SCENES = 16
START_SCENES = 400
TRIAL_EPOCHS = 10
FINAL_LEARNING_RATE = 0.1
PULL = 0.1  # weight of what the search saw, in tolerances of the discrepancy
TOLERANCE_DRAWS = 30
CURVE_RATE = 0.2  # of widths and shapes, as a share of the rate of shifts


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
        self.steps = self._difference_steps()
        self.fingerprint = fingerprint_of(experiment, grammar, renderer, target, device, cache)
        grey = getattr(renderer, "grey", False) and target.grey
        self._features = make_features(experiment.features, self.device, cache, grey)
        parts = split_target(len(target.images), experiment.evaluation, self.seed)
        self._target = target.images[parts.training]
        self._validation = target.images[parts.validation]
        self._target_features: list[torch.Tensor] = []
        self._pull = 0.0
        self._task: TaskLoss | None = None
        if experiment.task.network != "none":
            names = object_classes(grammar)
            self._task_validation = target.labelled(parts.validation, names)
            self._task = TaskLoss(
                experiment.task,
                names,
                renderer,
                target.labelled(parts.training, names),
                self.seed,
                device,
            )

    def train(
        self, checkpoint: str | Path | None = None, report: Callable[[str], None] = print
    ) -> Progress:
        """Train to the end and return the progress; the generator is that of the best epoch.

        Args:
            checkpoint: file to resume from and to write after every epoch.
            report: receives one line an epoch.
        """
        self._prepare_discrepancies()
        run = self._resumed(checkpoint, report)
        if run is None:
            run = _Run(Progress())
            run.progress.notes["tolerance"] = self._tolerance()
            self._start(run.progress, report)
            # The search took a while.
            self._write_checkpoint(checkpoint, run, self._optimiser(self.settings.learning_rate))
        self._pull = PULL * run.progress.notes["tolerance"]
        self._train_on_discrepancy(run, checkpoint, report)
        if self._task is not None:
            self._train_on_task(run, checkpoint, report)
        progress = run.progress
        report(f"epoch {progress.best} is taken")
        self.generator.load_state_dict(progress.weights[progress.best])
        return progress

    def _train_on_discrepancy(
        self, run: _Run, checkpoint: str | Path | None, report: Callable[[str], None]
    ) -> None:
        """Train on the discrepancy alone, until the epochs end or nothing becomes better."""
        progress, total = run.progress, self.settings.epochs
        if "stopped" in progress.notes or progress.epoch >= total:
            return
        optimiser = self._optimiser(self.settings.learning_rate)
        run.restore(self.generator, optimiser)
        clock = _Clock(progress.seconds)
        while progress.epoch < total and "stopped" not in progress.notes:
            epoch = progress.epoch + 1
            self._set_rates(optimiser, (epoch - 1) / total)
            outcome = self._epoch(epoch, optimiser)
            weights = run.averaged(self.generator, epoch > self.settings.average_from * total)
            self._record(progress, weights, clock, outcome)
            if self._is_stale(progress):
                progress.notes["stopped"] = (
                    f"after epoch {epoch}: the discrepancy to the validation part has not become "
                    f"better for {self.settings.patience} epochs"
                )
            self._write_checkpoint(checkpoint, run, optimiser)
            report(f"epoch {epoch}/{total}  {progress}")
        report(f"stopped {progress.notes.get('stopped', 'after the last epoch')}")

    def _train_on_task(
        self, run: _Run, checkpoint: str | Path | None, report: Callable[[str], None]
    ) -> None:
        """Go on from the best epoch with the task network's accuracy as a second goal."""
        assert self._task is not None
        settings, progress = self.experiment.task, run.progress
        fresh = "task_begins" not in progress.notes
        if fresh:
            run.state = run.average = None
            progress.notes |= {"task_begins": progress.epoch, "before_task": progress.best}
            self.generator.load_state_dict(progress.weights[progress.best])
        optimiser = self._optimiser(settings.learning_rate)
        run.restore(self.generator, optimiser)
        begin, clock = progress.notes["task_begins"], _Clock(progress.seconds)
        if fresh:
            reward = self._reward()
            count = len(self._task_validation.labels)
            progress.notes["reward_before_task"] = reward
            progress.notes["reward_tolerance"] = (reward * (1 - reward) / count) ** 0.5
            report(f"accuracy of the task network before the epochs of the task: {reward:.1%}")
        while progress.epoch < begin + settings.epochs:
            epoch = progress.epoch + 1
            outcome = self._epoch(epoch, optimiser, self._task)
            weights = run.averaged(self.generator, epoch - begin > settings.epochs / 2)
            rewards = 2 if epoch == begin + 1 else 1  # that before the task counts here
            outcome.renders += rewards * settings.scenes
            self._record(progress, weights, clock, outcome, reward=self._reward(weights))
            self._write_checkpoint(checkpoint, run, optimiser)
            report(f"task epoch {epoch - begin}/{settings.epochs}  {progress}")

    def _record(
        self,
        progress: Progress,
        weights: Weights,
        clock: _Clock,
        outcome: _Outcome,
        **others: float,
    ) -> None:
        """Add an epoch to the progress."""
        progress.add(
            weights,
            epoch=progress.epoch + 1,
            mmd=outcome.loss,
            validation=self._validate(weights),
            blind=outcome.blind,
            seconds=clock.seconds,
            renders=progress.renders + outcome.renders + self.settings.validation_scenes,
            **others,
        )

    def discrepancy(
        self,
        graphs: SceneGraphBatch,
        features: torch.Tensor,
        changed: list[np.ndarray] | None = None,
    ) -> torch.Tensor:
        """Return the discrepancy to the target of ``graphs`` with other features."""
        images = render_with_gradient(self.renderer, graphs, features, self.steps, changed)
        return self._discrepancy(self._features(images))

    def _start(self, progress: Progress, report: Callable[[str], None]) -> None:
        """Pre-train or search, and record the state before the training as epoch 0."""
        ignored = self.grammar.layout.mutable & ~self.layout.mutable
        for node, feature in np.argwhere(ignored):
            name = self.grammar.layout.entry_name(node, feature)
            report(f"{name} is mutable in the grammar, but the renderer does not look at it")
        for entry in self.layout.entries():
            if float(self.generator.spread[entry]) <= NO_SPREAD:
                name = self.layout.entry_name(*entry)
                report(f"{name} has no spread in the grammar: its mean is fitted, and no spread")
        started = time.perf_counter()
        graphs = self._sample("start", self.settings.batch_size * 2)
        with torch.no_grad():
            loss = float(self.discrepancy(graphs, self.generator.encode(graphs)[0]))
        validation = self._validate()
        renders = len(graphs) + BANDWIDTH_SCENES + self.settings.validation_scenes
        untrained = _copy(self.generator.state_dict())
        if isinstance(self.generator, GraphConvolutionalGenerator):
            self._pretrain(report)
            untrained = _copy(self.generator.state_dict())
            validation = self._validate()
            renders += self.settings.validation_scenes
        elif isinstance(self.generator, TransportGenerator) and self.settings.search.rounds:
            renders += self._search(progress.notes, report)
        renders += self._choose_steps(progress.notes, report)
        seconds = time.perf_counter() - started
        progress.add(
            untrained, epoch=0, mmd=loss, validation=validation, seconds=seconds, renders=renders
        )
        report(f"epoch 0  mmd {loss:.4f}  validation {validation:.4f}  {renders} renders")

    def _pretrain(self, report: Callable[[str], None]) -> None:
        """Reconstruct the prior (published: one epoch of 1,000 scenes)."""
        assert isinstance(self.generator, GraphConvolutionalGenerator)
        optimiser = torch.optim.Adam(self.generator.parameters(), lr=1e-2)
        for epoch in range(self.settings.pretraining_epochs):
            graphs = self._sample("pretraining", PRETRAINING_SCENES, epoch)
            size = self.settings.batch_size
            for start in range(0, len(graphs), size):
                loss = self.generator.reconstruction_loss(graphs[start : start + size])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            report(
                f"pre-training epoch {epoch + 1}: reconstruction error {float(loss.detach()):.2e}"
            )

    def _search(self, notes: dict[str, Any], report: Callable[[str], None]) -> int:
        """Search where the target lies, and start there.

        Of several starts that are about as good, the fitted and the best two others train for
        a few epochs first: what is wrong in one attribute shows only where the others are
        right. The matches know more of entries to which the image hardly responds than the
        discrepancy of a few scenes does, so another start has to be clearly better than the
        one fitted to them.
        """
        assert isinstance(self.generator, TransportGenerator)
        random = random_generator(self.seed, "search")
        chosen = random.permutation(len(self._target))[: self.settings.search.images]
        search = PopulationSearch(
            self.generator,
            self.renderer,
            self._features_of,
            self.settings.search,
            self.steps,
            random,
        )
        prior = self._sample("search", max(search.scenes_a_round, PRIOR_SAMPLE))
        target = [level[torch.from_numpy(chosen)] for level in self._target_features]
        matches = search.run(prior, target, report)
        starts = {"prior": lambda: None}
        starts |= dict(starts_from(matches, self.generator, self.renderer, prior))
        graphs, weights, found = prior[:START_SCENES], {}, {}
        for name, place in starts.items():
            place()
            weights[name] = _copy(self.generator.state_dict())
            found[name] = self._discrepancy_of(graphs)
            report(f"start '{name}': mmd {found[name]:.4f}")
        renders = matches.renders + len(starts) * len(graphs)
        # How much a discrepancy varies by chance falls with the number of scenes.
        chance = notes["tolerance"] * self.settings.validation_scenes / START_SCENES
        least, after = min(found.values()), dict(found)
        if least > 2 * chance:
            trials = starts_on_trial(found)
            while trials:
                name = trials.pop(0)
                self.generator.load_state_dict(weights[name])
                renders += self._train_a_little() + len(graphs)
                trained = self._discrepancy_of(graphs)
                report(f"start '{name}' after a trial: mmd {trained:.4f}")
                if trained < found[name]:
                    after[name] = trained
                    weights[name] = _copy(self.generator.state_dict())
                if name == "fitted" and trained <= 2 * chance:
                    # No other can be clearly better; a simpler one may be as good.
                    trials = [rival for rival in trials if rival.endswith(MAIN_MODE)]
        best = best_start(after, chance)
        self.generator.load_state_dict(weights[best])
        notes["start"] = {"chosen": best, "discrepancies": found, "after_trial": after}
        return renders

    def _train_a_little(self) -> int:
        """Train for a few epochs and return the number of renders."""
        optimiser, renders = self._optimiser(self.settings.learning_rate), 0
        for epoch in range(TRIAL_EPOCHS):
            self._set_rates(optimiser, epoch / TRIAL_EPOCHS)
            renders += self._epoch(epoch, optimiser).renders
        return renders

    def _discrepancy_of(self, graphs: SceneGraphBatch) -> float:
        """Return the discrepancy to the target of graphs of the prior, changed."""
        with torch.no_grad():
            return float(self.discrepancy(graphs, self.generator(graphs)))

    def _tolerance(self) -> float:
        """Return how much the validation varies by chance where the generator is perfect.

        Parts of the target itself, as large as the validation's set of scenes, are compared
        with the validation part. They are independent images; hypercubes vary a little less.
        """
        random = random_generator(self.seed, "tolerance")
        features = self._target_features
        count = min(self.settings.validation_scenes, len(self._target) // 2)
        values = []
        for _ in range(TOLERANCE_DRAWS):
            part = torch.from_numpy(random.permutation(len(self._target))[:count])
            values.append(float(self._validation_discrepancy([f[part] for f in features])))
        return float(np.std(values))

    def _is_stale(self, progress: Progress) -> bool:
        """Return whether the validation has not become better for as long as patience lasts."""
        begin = max(1, round(self.settings.average_from * self.settings.epochs))
        validation = progress.column("validation")
        patience = self.settings.patience
        if progress.epoch < begin + patience:
            return False
        return bool(validation[-patience:].min() >= validation[1:-patience].min())

    def _choose_steps(self, notes: dict[str, Any], report: Callable[[str], None]) -> int:
        """Widen the steps of entries to which the image hardly responds; report blind ones."""
        if hasattr(self.renderer, "render_differentiable"):
            return 0
        graphs = self._sample("steps", STEP_SCENES)
        with torch.no_grad():
            graphs = graphs.with_features(self.generator(graphs).cpu().numpy())
        self.steps, responses, renders = responsive_steps(self.renderer, graphs, self.steps)
        notes["steps"] = {}
        for node, feature in self.layout.entries():
            name = self.layout.entry_name(node, feature)
            unit = self.layout.attribute(node, feature).unit
            step = float(self.steps[node, feature] * self.layout.maximum[node, feature])
            response = float(responses[node, feature])
            notes["steps"][name] = {"step": step, "response": response}
            report(f"step of {name}: {step:.4g} {unit}, {response:.1f} grey levels")
            if response == 0:
                report(f"{name} is blind: a step of {step:.4g} changes no picture")
        return renders

    def _epoch(
        self, epoch: int, optimiser: torch.optim.Optimizer, task: TaskLoss | None = None
    ) -> _Outcome:
        """Take all steps of an epoch."""
        size = self.settings.batch_size
        count = self.settings.scenes_per_epoch // size if task is None else 1
        losses, changed, renders = [], [], 0
        for step in range(count):
            graphs = self._batch("training", size, epoch, step)
            noise = random_generator(self.seed, "noise", epoch, step)
            loss = self.discrepancy(graphs, self.generator(graphs, noise), changed)
            losses.append(float(loss.detach()))
            if task is None:
                loss = loss + self._pull * self.generator.pull()
            else:
                scenes = self._sample("task", self.experiment.task.scenes, epoch)
                result = task.step(self.generator, scenes, epoch, step)
                loss, renders = loss + result.loss, renders + result.renders
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        blind = 1 - float(np.mean(changed)) if changed else 0.0
        perturbed = 2 * int((self.steps > 0).sum()) if changed else 0
        return _Outcome(float(np.mean(losses)), blind, renders + count * size * (1 + perturbed))

    def _validate(self, weights: Weights | None = None) -> float:
        """Return the discrepancy of fixed scenes to the validation part of the target."""
        graphs = self._changed("validation", self.settings.validation_scenes, weights)
        features = self._features_of(self.renderer.render(graphs).images)
        return float(self._validation_discrepancy(features))

    def _reward(self, weights: Weights | None = None) -> float:
        """Return the accuracy on the validation part of a network trained on fixed scenes."""
        assert self._task is not None
        graphs = self._changed("reward", self.experiment.task.scenes, weights)
        seed = int(random_generator(self.seed, "reward network").integers(2**31))
        data = labelled_scenes(self.renderer, graphs, self._task.names)
        network = train_task_network(
            self.experiment.task.network,
            data.images,
            data.labels,
            len(self._task.names),
            self.experiment.task.training,
            seed,
            str(self.device),
        )
        return accuracy(network, self._task_validation.images, self._task_validation.labels)

    def _changed(self, purpose: str, count: int, weights: Weights | None) -> SceneGraphBatch:
        """Return fixed graphs of the prior as the generator, or other weights, change them."""
        graphs = self._batch(purpose, count)
        own = _copy(self.generator.state_dict())
        if weights is not None:
            self.generator.load_state_dict(weights)
        with torch.no_grad():
            features = self.generator(graphs).cpu().numpy()
        self.generator.load_state_dict(own)
        return graphs.with_features(features)

    def _features_of(self, images: np.ndarray) -> list[torch.Tensor]:
        return features_of(self._features, images, self.device)

    def _batch(self, purpose: str, count: int, *index: int) -> SceneGraphBatch:
        """Sample graphs that stand for the grammar, so that no chance mean moves the generator."""
        cube = at_most_half(self.settings.hypercube, count)
        return self._sample(purpose, count, *index, hypercube=cube)

    def _sample(self, purpose: str, count: int, *index: int, hypercube: int = 1) -> SceneGraphBatch:
        random = random_generator(self.seed, purpose, *index)
        graphs = self.grammar.sample(count, random, hypercube)
        return SceneGraphBatch(self.layout, graphs.classes, graphs.features, graphs.seeds)

    def _optimiser(self, rate: float) -> torch.optim.Adam:
        """Shift and scale are in natural units and step far; network weights do not."""
        parameters = self.generator.start_training()
        direct, curve = self.generator.direct_parameters(), self.generator.curve_parameters()
        apart = {id(p) for p in (*direct, *curve)}
        groups = [
            {"params": ps, "lr": lr, "initial_lr": lr}
            for ps, lr in (
                (direct, rate),
                (curve, rate * CURVE_RATE),
                (
                    [p for p in parameters if id(p) not in apart],
                    self.settings.network_learning_rate,
                ),
            )
            if ps
        ]
        return torch.optim.Adam(groups, betas=(0.9, 0.99))

    def _set_rates(self, optimiser: torch.optim.Optimizer, done: float) -> None:
        """Let the learning rates fall along a half cosine; ``done`` is a share in [0, 1]."""
        cosine = (1 + math.cos(math.pi * done)) / 2
        share = FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * cosine
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * share

    def _difference_steps(self) -> np.ndarray:
        """Return the half distance of the central difference of each entry: float32 [N, F]."""
        layout = self.layout
        maximum = np.maximum(layout.maximum, 1e-9)
        angle = self.settings.angle_step / maximum
        steps = np.where(layout.period > 0, angle, self.settings.range_step)
        return np.where(layout.mutable, steps, 0).astype(np.float32)

    def _prepare_discrepancies(self) -> None:
        graphs = self._sample("bandwidth", BANDWIDTH_SCENES)
        reference = self._features_of(self.renderer.render(graphs).images)
        self._target_features = self._features_of(self._target)
        self._discrepancy, self._validation_discrepancy = (
            make_discrepancy(
                self.experiment.discrepancy,
                features,
                reference,
                seed=self.seed,
                cube=self.settings.hypercube,
            )
            for features in (self._target_features, self._features_of(self._validation))
        )

    def _write_checkpoint(
        self, path: str | Path | None, run: _Run, optimiser: torch.optim.Optimizer
    ) -> None:
        if path is None:
            return
        progress = run.progress
        state = {
            "fingerprint": self.fingerprint,
            "rows": progress.rows,
            "weights": progress.weights,
            "notes": progress.notes,
            "generator": self.generator.state_dict(),
            "optimiser": optimiser.state_dict(),
            "average": run.average,
            "averaged": run.count,
            "steps": torch.from_numpy(self.steps),
            "task": self._task.state() if self._task else {},
        }
        with staged(path) as staging:
            torch.save(state, staging)

    def _resumed(self, path: str | Path | None, report: Callable[[str], None]) -> _Run | None:
        """Return where an interrupted training of the same settings was, or None."""
        if path is None or not Path(path).exists():
            return None
        try:
            # To the CPU: loading into generator and optimiser moves what belongs elsewhere.
            state = torch.load(path, weights_only=True, map_location="cpu")
        except Exception as error:
            report(f"{path} cannot be read ({error}); starting anew")
            return None
        if state["fingerprint"] != self.fingerprint:
            report(f"{path} belongs to other settings; starting anew")
            return None
        progress = Progress(state["rows"], state["weights"], state["notes"])
        self.steps = state["steps"].numpy()
        if self._task is not None:
            self._task.load_state(state["task"])
        report(f"resumed after epoch {progress.epoch}")
        return _Run(progress, state["average"], state["averaged"], state)


@dataclass
class _Run:
    """A training under way.

    Attributes:
        progress: its epochs.
        average: running mean of the weights (Polyak and Juditsky, "Acceleration of Stochastic
            Approximation by Averaging", 1992), which takes out the noise of the batches.
        count: number of weights in it.
        state: of generator and optimiser, where the training goes on from a checkpoint.
    """

    progress: Progress
    average: Weights | None = None
    count: int = 0
    state: dict[str, Any] | None = None

    def restore(self, generator: Generator, optimiser: torch.optim.Optimizer) -> None:
        """Take over the state of an interrupted training, once."""
        if self.state is not None:
            generator.load_state_dict(self.state["generator"])
            optimiser.load_state_dict(self.state["optimiser"])
            self.state = None

    def averaged(self, generator: Generator, averaging: bool) -> Weights:
        """Return the generator's weights, or their mean since averaging began."""
        weights = _copy(generator.state_dict())
        if not averaging:
            return weights
        self.count = 1 if self.average is None else self.count + 1
        if self.average is None:
            self.average = weights
        else:
            self.average = {
                name: mean + (weights[name] - mean) / self.count
                for name, mean in self.average.items()
            }
        return _copy(self.average)


@dataclass
class _Outcome:
    """What an epoch came to: mean discrepancy, share of blind steps, number of renders."""

    loss: float
    blind: float
    renders: int


class _Clock:
    """Seconds of the training, those before an interruption included."""

    def __init__(self, earlier: float) -> None:
        self._earlier, self._started = earlier, time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._earlier + time.perf_counter() - self._started


def effective_layout(grammar: Grammar, renderer: Renderer) -> SceneGraphLayout:
    """Return the grammar's layout, mutable only where the renderer looks at the entry.

    Raises:
        UserError: nothing is left that the generator could change.
    """
    layout = grammar.layout
    seen = layout.mutable & renderer.effective(layout)
    if not seen.any():
        names = ", ".join(layout.entry_name(*entry) for entry in layout.entries()) or "none"
        raise UserError(
            f"{grammar.source}: the renderer looks at none of the mutable attributes ({names})"
        )
    return layout.with_mutable(seen)


def make_generator(experiment: Experiment, grammar: Grammar, renderer: Renderer) -> Generator:
    """Return the experiment's untrained generator; the seed decides its weights."""
    seed = int(experiment.seed or 0)
    prior = grammar.sample(PRIOR_SAMPLE, random_generator(seed, "prior"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random_generator(seed, "weights").integers(2**31)))
        return GENERATORS[experiment.generator](effective_layout(grammar, renderer), prior)


def _copy(weights: Weights) -> Weights:
    return {name: value.detach().cpu().clone() for name, value in weights.items()}
