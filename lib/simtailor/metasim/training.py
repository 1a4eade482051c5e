"""Training of the generator: population search, then gradient descent on the discrepancy.

Every epoch ends with a checkpoint, and every random number depends on (seed, epoch, step),
so a run that is killed at any point and started again ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simtailor.config import Experiment
from simtailor.errors import UserError
from simtailor.files import checksum, staged
from simtailor.metasim.discrepancy import make_discrepancy
from simtailor.metasim.features import features_of, make_features
from simtailor.metasim.features.weights import weights_file
from simtailor.metasim.generator import (
    GENERATORS,
    Generator,
    GraphConvolutionalGenerator,
    TransportGenerator,
)
from simtailor.metasim.progress import Progress, Weights
from simtailor.metasim.search import PopulationSearch, starts_from
from simtailor.render.gradient import render_with_gradient, responsive_steps
from simtailor.render.renderer import Renderer
from simtailor.scene.attributes import attribute
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.seeds import generator as random_generator

PRIOR_SAMPLE = 4000
PRETRAINING_SCENES = 1000
BANDWIDTH_SCENES = 100
STEP_SCENES = 16
START_SCENES = 200
FINAL_LEARNING_RATE = 0.1
SCAN_PLACES = 24  # places of an attribute's range that are tried
SCAN_SCENES, SCAN_CHECK_SCENES = 48, 300
SCAN_CHECKED = 2  # places that are compared with the present one on more scenes
TOLERANCE_DRAWS = 30
CURVE_RATE = 0.2  # of the curve's knots, as a share of the rate of shift and scale


class Trainer:
    """Trains one generator.

    Args:
        experiment: all settings, with the seed filled in.
        grammar: of the prior.
        renderer: draws the graphs.
        target_images: uint8 [M, S, S, 3], the training part of the target.
        validation_images: uint8 [V, S, S, 3], the part that chooses the best epoch.
        device: of features and generator.
        cache: folder of fetched packages, which may hold the features' weights.
    """

    def __init__(
        self,
        experiment: Experiment,
        grammar: Grammar,
        renderer: Renderer,
        target_images: np.ndarray,
        validation_images: np.ndarray,
        device: str = "cpu",
        cache: str = "resources",
    ) -> None:
        self.experiment, self.renderer, self.grammar = experiment, renderer, grammar
        self.settings, self.seed = experiment.training, int(experiment.seed or 0)
        self.device = torch.device(device)
        self.generator = make_generator(experiment, grammar, renderer).to(self.device)
        self.layout = self.generator.layout
        self.steps = self._difference_steps()
        images = np.concatenate([target_images, validation_images])
        self.fingerprint = _fingerprint(experiment, grammar, images, device, cache)
        self._features = make_features(experiment.features, self.device, cache)
        self._target, self._validation = target_images, validation_images

    def train(
        self, checkpoint: str | Path | None = None, report: Callable[[str], None] = print
    ) -> Progress:
        """Train to the end and return the progress; the generator is that of the best epoch.

        Args:
            checkpoint: file to resume from and to write after every epoch.
            report: receives one line an epoch.
        """
        self._prepare_discrepancies()
        progress, state = Progress(), None
        if checkpoint is not None and Path(checkpoint).exists():
            state = self._read_checkpoint(checkpoint, report)
        if state is None:
            self._start(progress, report)
            progress.notes["tolerance"] = self._tolerance()
        optimiser = self._optimiser(self.generator.start_training())
        average = _Average()
        if state is not None:
            progress = Progress(state["rows"], state["weights"], state["notes"])
            self.generator.load_state_dict(state["generator"])
            optimiser.load_state_dict(state["optimiser"])
            average = _Average(state["average"], state["averaged"])
            self.steps = state["steps"].numpy()
            report(f"resumed after epoch {progress.epoch}")
        total, earlier, started = self.settings.epochs, progress.seconds, time.perf_counter()
        while progress.epoch < total and "stopped" not in progress.notes:
            epoch = progress.epoch + 1
            scanned = 0
            if epoch == round(self.settings.scan_after * total) + 1:
                scanned = self._scan(progress.notes, report)
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * self._decay(epoch)
            loss, blind, renders = self._epoch(epoch, optimiser)
            trained = _copy(self.generator.state_dict())
            if epoch > self.settings.average_from * total:
                average.add(trained)
            weights = average.weights or trained
            self.generator.load_state_dict(weights)
            validation = self._validate()
            self.generator.load_state_dict(trained)
            progress.add(
                _copy(weights),
                epoch=epoch,
                mmd=loss,
                validation=validation,
                blind=blind,
                seconds=earlier + time.perf_counter() - started,
                renders=progress.renders + scanned + renders + self.settings.validation_scenes,
            )
            if self._is_stale(progress):
                progress.notes["stopped"] = (
                    f"after epoch {epoch}: the discrepancy to the validation part was best "
                    f"{self.settings.patience} epochs before"
                )
            if checkpoint is not None:
                self._write_checkpoint(checkpoint, progress, optimiser, average)
            report(
                f"epoch {epoch}/{total}  mmd {loss:.4f}  validation {validation:.4f}  "
                f"{progress.renders} renders  {progress.seconds:.0f} s"
            )
        if "stopped" in progress.notes:
            report(f"stopped {progress.notes['stopped']}")
        self.generator.load_state_dict(progress.weights[progress.best])
        return progress

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
        started = time.perf_counter()
        graphs = self._sample("start", self.settings.batch_size * 2)
        with torch.no_grad():
            loss = float(self.discrepancy(graphs, _tensor(graphs, self.device)))
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
            report(f"pre-training epoch {epoch + 1}: reconstruction error {float(loss):.2e}")

    def _search(self, notes: dict[str, Any], report: Callable[[str], None]) -> int:
        """Search where the target lies, and take the start with the lowest discrepancy."""
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
        matches = search.run(prior, self._features_of(self._target[chosen]), report)
        graphs, found = prior[:START_SCENES], {}
        starts = {"prior": lambda: None, **dict(starts_from(matches, self.generator, self.renderer, prior))}
        weights = {}
        for name, place in starts.items():
            place()
            with torch.no_grad():
                found[name] = float(self.discrepancy(graphs, self.generator(graphs)))
            weights[name] = _copy(self.generator.state_dict())
            report(f"start '{name}': mmd {found[name]:.4f}")
        best = min(found, key=found.__getitem__)
        self.generator.load_state_dict(weights[best])
        notes["start"] = {"chosen": best, "discrepancies": found}
        return matches.renders + len(starts) * len(graphs)

    def _scan(self, notes: dict[str, Any], report: Callable[[str], None]) -> int:
        """Try every entry at other places of its whole range, and move it where that is better.

        With all other entries about right, a wrong one of several similar poses shows.
        """
        if not isinstance(self.generator, TransportGenerator) or not SCAN_PLACES:
            return 0
        few, many = (self._sample(f"scan of {n}", n) for n in (SCAN_SCENES, SCAN_CHECK_SCENES))
        renders, notes["moved"] = 0, {}
        for node, feature in self.layout.entries():
            turn = float(self.generator.turn[node, feature])
            at = self.generator.shift[node, feature]
            unit, place = float(self.generator.unit[node, feature]), float(at)
            middle = float(self.generator.mean[node, feature])
            if turn:
                places = place + np.arange(1, SCAN_PLACES) / SCAN_PLACES * turn / unit
            else:
                places = (np.linspace(0.05, 0.95, SCAN_PLACES - 1) - middle) / unit

            def loss_at(value: float, graphs: SceneGraphBatch) -> float:
                with torch.no_grad():
                    at.fill_(float(value))  # noqa: B023
                    return float(self.discrepancy(graphs, self.generator(graphs)))

            losses = [loss_at(value, few) for value in places]
            promising = places[np.argsort(losses, kind="stable")[:SCAN_CHECKED]]
            checked = {float(value): loss_at(value, many) for value in (place, *promising)}
            best = min(checked, key=checked.__getitem__)
            with torch.no_grad():
                at.fill_(best)
            renders += len(places) * len(few) + len(checked) * len(many)
            if best != place:
                name = self.layout.entry_name(node, feature)
                moved = (best - place) * unit * float(self.layout.maximum[node, feature])
                notes["moved"][name] = moved
                report(
                    f"scan: {name} moves by {moved:+.4g} (discrepancy {checked[place]:.4f} to "
                    f"{checked[best]:.4f})"
                )
        return renders

    def _tolerance(self) -> float:
        """Return how much the validation varies by chance where the generator is perfect.

        Parts of the target itself, as large as the validation's set of scenes, are compared
        with the validation part.
        """
        random = random_generator(self.seed, "tolerance")
        features = self._features_of(self._target)
        count = min(self.settings.validation_scenes, len(self._target) // 2)
        values = []
        for _ in range(TOLERANCE_DRAWS):
            part = torch.from_numpy(random.permutation(len(self._target))[:count])
            values.append(float(self._validation_discrepancy([f[part] for f in features])))
        return float(np.std(values))

    def _is_stale(self, progress: Progress) -> bool:
        """Return whether the validation has not become better for as long as patience lasts."""
        begin = round(self.settings.average_from * self.settings.epochs)
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
            name, unit = self.layout.entry_name(node, feature), self.layout.features[feature]
            step = float(self.steps[node, feature] * self.layout.maximum[node, feature])
            response = float(responses[node, feature])
            notes["steps"][name] = {"step": step, "response": response}
            report(f"step of {name}: {step:.4g} {attribute(unit).unit}, {response:.1f} grey levels")
            if response == 0:
                report(f"{name} is blind: a step of {step:.4g} changes no picture")
        return renders

    def _epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> tuple[float, float, int]:
        """Return mean discrepancy, share of blind steps, and number of renders."""
        size = self.settings.batch_size
        count = self.settings.scenes_per_epoch // size
        losses, changed = [], []
        for step in range(count):
            graphs = self._sample("training", size, epoch, step)
            noise = random_generator(self.seed, "noise", epoch, step)
            loss = self.discrepancy(graphs, self.generator(graphs, noise), changed)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        blind = 1 - float(np.mean(changed)) if changed else 0.0
        perturbed = 2 * int((self.steps > 0).sum()) if changed else 0
        return float(np.mean(losses)), blind, count * size * (1 + perturbed)

    def _validate(self) -> float:
        """Return the discrepancy of fixed scenes to the validation part of the target."""
        graphs = self._sample("validation", self.settings.validation_scenes)
        with torch.no_grad():
            features = self.generator(graphs).cpu().numpy()
        images = self.renderer.render(graphs.with_features(features)).images
        return float(self._validation_discrepancy(self._features_of(images)))

    def _features_of(self, images: np.ndarray) -> list[torch.Tensor]:
        return features_of(self._features, images, self.device)

    def _sample(self, purpose: str, count: int, *index: int) -> SceneGraphBatch:
        graphs = self.grammar.sample(count, random_generator(self.seed, purpose, *index))
        return SceneGraphBatch(self.layout, graphs.classes, graphs.features, graphs.seeds)

    def _optimiser(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Adam:
        """Shift and scale are in natural units and step far; network weights do not."""
        direct, curve = self.generator.direct_parameters(), self.generator.curve_parameters()
        apart = {id(p) for p in (*direct, *curve)}
        rate = self.settings.learning_rate
        groups = [
            {"params": ps, "lr": rate, "initial_lr": rate}
            for ps, rate in (
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

    def _decay(self, epoch: int) -> float:
        done = (epoch - 1) / self.settings.epochs
        cosine = (1 + math.cos(math.pi * done)) / 2
        return FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * cosine

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
        self._discrepancy, self._validation_discrepancy = (
            make_discrepancy(
                self.experiment.discrepancy, self._features_of(images), reference, seed=self.seed
            )
            for images in (self._target, self._validation)
        )

    def _write_checkpoint(
        self,
        path: str | Path,
        progress: Progress,
        optimiser: torch.optim.Optimizer,
        average: _Average,
    ) -> None:
        state = {
            "fingerprint": self.fingerprint,
            "rows": progress.rows,
            "weights": progress.weights,
            "notes": progress.notes,
            "generator": self.generator.state_dict(),
            "optimiser": optimiser.state_dict(),
            "average": average.weights,
            "averaged": average.count,
            "steps": torch.from_numpy(self.steps),
        }
        with staged(path) as staging:
            torch.save(state, staging)

    def _read_checkpoint(
        self, path: str | Path, report: Callable[[str], None]
    ) -> dict[str, Any] | None:
        try:
            # To the CPU: loading into generator and optimiser moves what belongs elsewhere.
            state = torch.load(path, weights_only=True, map_location="cpu")
        except Exception as error:
            report(f"{path} cannot be read ({error}); starting anew")
            return None
        if state["fingerprint"] != self.fingerprint:
            report(f"{path} belongs to other settings; starting anew")
            return None
        return state


class _Average:
    """Running mean of weights (Polyak and Juditsky 1992), which takes out the batches' noise."""

    def __init__(self, weights: Weights | None = None, count: int = 0) -> None:
        self.weights, self.count = weights, count

    def add(self, weights: Weights) -> None:
        self.count += 1
        if self.weights is None:
            self.weights = _copy(weights)
            return
        for name, value in weights.items():
            self.weights[name] += (value - self.weights[name]) / self.count


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


def _tensor(graphs: SceneGraphBatch, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(graphs.features).to(device)


def _copy(weights: Weights) -> Weights:
    return {name: value.detach().cpu().clone() for name, value in weights.items()}


def _fingerprint(
    experiment: Experiment, grammar: Grammar, images: np.ndarray, device: str, cache: str
) -> str:
    """Return a digest of all that the result depends on."""
    # Another number of images shown or another description continues the same training.
    settings = experiment.model_dump(mode="json", exclude={"evaluation", "description"})
    versions = [importlib.metadata.version(name) for name in ("simtailor", "torch", "warp-lang")]
    digest = hashlib.sha256(json.dumps([settings, versions, device]).encode())
    weights = weights_file(experiment.features, cache)
    digest.update(checksum(weights).encode() if weights else b"")
    digest.update(repr(grammar.nodes).encode())
    digest.update(np.ascontiguousarray(images).tobytes())
    return digest.hexdigest()
