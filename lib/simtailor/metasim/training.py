"""Training of the generator: coarse search, then gradient descent on the discrepancy.

Every epoch ends with a checkpoint, and every random number depends on (seed, epoch, step),
so a run that is killed at any point and started again ends with the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

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
from simtailor.render.gradient import render_with_gradient
from simtailor.render.renderer import Renderer
from simtailor.scene.grammar import Grammar
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.seeds import generator as random_generator

PROGRESS_COLUMNS = ("epoch", "mmd", "seconds", "renders")
PRIOR_SAMPLE = 4000
PRETRAINING_SCENES = 1000
BANDWIDTH_SCENES = 100
FINAL_LEARNING_RATE = 0.1


@dataclass
class Progress:
    """What the training has done so far.

    Attributes:
        rows: one of ``PROGRESS_COLUMNS`` an epoch; epoch 0 is the untrained generator.
        weights: the generator's weights after each epoch, averaged where averaging runs.
    """

    rows: list[list[float]] = field(default_factory=list)
    weights: list[dict[str, torch.Tensor]] = field(default_factory=list)

    @property
    def renders(self) -> int:
        return int(self.rows[-1][3]) if self.rows else 0

    @property
    def seconds(self) -> float:
        return float(self.rows[-1][2]) if self.rows else 0.0

    def write(self, folder: str | Path) -> None:
        """Write progress.csv and the weights of every epoch, history.safetensors."""
        with (
            staged(Path(folder) / "progress.csv") as staging,
            open(staging, "w", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(PROGRESS_COLUMNS)
            writer.writerows([int(e), f"{m:.6g}", f"{s:.2f}", int(r)] for e, m, s, r in self.rows)
        tensors = {
            name: torch.stack([weights[name] for weights in self.weights])
            for name in sorted(self.weights[0])
        }
        with staged(Path(folder) / "history.safetensors") as staging:
            save_file(tensors, staging)


def read_history(path: str | Path) -> list[dict[str, torch.Tensor]]:
    """Return the weights of every epoch from history.safetensors."""
    tensors = load_file(path)
    count = len(next(iter(tensors.values())))
    return [{name: tensor[e] for name, tensor in tensors.items()} for e in range(count)]


class Trainer:
    """Trains one generator.

    Args:
        experiment: all settings, with the seed filled in.
        grammar: of the prior.
        renderer: draws the graphs.
        target_images: uint8 [M, S, S, 3], the training part of the target.
        device: of features and generator.
        cache: folder of fetched packages, which may hold the features' weights.
    """

    def __init__(
        self,
        experiment: Experiment,
        grammar: Grammar,
        renderer: Renderer,
        target_images: np.ndarray,
        device: str = "cpu",
        cache: str = "resources",
    ) -> None:
        self.experiment, self.renderer, self.cache = experiment, renderer, cache
        self.settings, self.seed = experiment.training, int(experiment.seed or 0)
        self.device = torch.device(device)
        self.grammar = grammar
        self.generator = make_generator(experiment, grammar, renderer).to(self.device)
        self.layout = self.generator.layout
        self.steps = self._difference_steps()
        self.fingerprint = _fingerprint(experiment, grammar, target_images, device, cache)
        self._target_images = target_images

    def train(
        self, checkpoint: str | Path | None = None, report: Callable[[str], None] = print
    ) -> Progress:
        """Train to the end and return the progress.

        Args:
            checkpoint: file to resume from and to write after every epoch.
            report: receives one line an epoch.
        """
        self._prepare_discrepancy()
        progress, state = Progress(), None
        if checkpoint is not None and Path(checkpoint).exists():
            state = self._read_checkpoint(checkpoint, report)
        if state is None:
            self._start(progress, report)
        started = time.perf_counter()
        parameters = self.generator.start_training()
        optimiser = self._optimiser(parameters)
        average: dict[str, torch.Tensor] | None = None
        averaged = 0
        if state is not None:
            progress = Progress(state["rows"], state["weights"])
            self.generator.load_state_dict(state["generator"])
            optimiser.load_state_dict(state["optimiser"])
            average, averaged = state["average"], state["averaged"]
            report(f"resumed after epoch {len(progress.rows) - 1}")
        earlier = progress.seconds
        total = self.settings.epochs
        for epoch in range(len(progress.rows), total + 1):
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * self._decay(epoch)
            loss, renders = self._epoch(epoch, optimiser)
            weights = _copy(self.generator.state_dict())
            if epoch > self.settings.average_from * total:
                averaged += 1
                average = (
                    weights
                    if average is None
                    else {
                        name: average[name] + (value - average[name]) / averaged
                        for name, value in weights.items()
                    }
                )
                weights = _copy(average)
            seconds = earlier + time.perf_counter() - started
            progress.weights.append(weights)
            progress.rows.append([epoch, loss, seconds, progress.renders + renders])
            if checkpoint is not None:
                with staged(checkpoint) as staging:
                    torch.save(
                        {
                            "fingerprint": self.fingerprint,
                            "rows": progress.rows,
                            "weights": progress.weights,
                            "generator": self.generator.state_dict(),
                            "optimiser": optimiser.state_dict(),
                            "average": average,
                            "averaged": averaged,
                        },
                        staging,
                    )
            report(
                f"epoch {epoch}/{total}  mmd {loss:.4f}  {progress.renders} renders  "
                f"{seconds:.0f} s"
            )
        self.generator.load_state_dict(progress.weights[-1])
        return progress

    def discrepancy(self, graphs: SceneGraphBatch, features: torch.Tensor) -> torch.Tensor:
        """Return the discrepancy to the target of ``graphs`` with other features."""
        images = render_with_gradient(self.renderer, graphs, features, self.steps)
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
            loss = self.discrepancy(graphs, torch.from_numpy(graphs.features).to(self.device))
        renders = len(graphs) + BANDWIDTH_SCENES
        untrained = _copy(self.generator.state_dict())
        if isinstance(self.generator, GraphConvolutionalGenerator):
            self._pretrain(report)
            untrained = _copy(self.generator.state_dict())
        elif isinstance(self.generator, TransportGenerator) and self.settings.search.candidates:
            renders += self._search(report)
        progress.weights.append(untrained)
        progress.rows.append([0, float(loss), time.perf_counter() - started, renders])
        report(f"epoch 0  mmd {float(loss):.4f}")

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

    def _search(self, report: Callable[[str], None]) -> int:
        """Try evenly spaced shifts of one attribute after another, keep the best of each."""
        assert isinstance(self.generator, TransportGenerator)
        search, renders = self.settings.search, 0
        graphs = self._sample("search", search.scenes)
        for node, feature in self.layout.entries():
            turn = float(self.generator.turn[node, feature])
            unit = float(self.generator.unit[node, feature])
            if turn:
                shifts = np.arange(search.candidates) / search.candidates * turn
            else:
                middle = float(self.generator.mean[node, feature])
                shifts = np.concatenate([[0], np.linspace(0.05, 0.95, search.candidates) - middle])
            losses = []
            for shift in shifts:
                with torch.no_grad():
                    self.generator.shift[node, feature] = float(shift) / unit
                    losses.append(float(self.discrepancy(graphs, self.generator(graphs))))
                renders += len(graphs)
            best = float(shifts[int(np.argmin(losses))])
            best = best - turn if turn and best > turn / 2 else best  # the short way round
            with torch.no_grad():
                self.generator.shift[node, feature] = best / unit
            moved = best * float(self.layout.maximum[node, feature])
            report(
                f"search: {self.layout.entry_name(node, feature)} starts {moved:+.4g} from the "
                f"prior (mmd {min(losses):.4f}, unmoved {losses[0]:.4f})"
            )
        return renders

    def _epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> tuple[float, int]:
        size = self.settings.batch_size
        count = self.settings.scenes_per_epoch // size
        entries = int((self.steps > 0).sum())
        losses = []
        for step in range(count):
            graphs = self._sample("training", size, epoch, step)
            noise = random_generator(self.seed, "noise", epoch, step)
            loss = self.discrepancy(graphs, self.generator(graphs, noise))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses)), count * size * (1 + 2 * entries)

    def _sample(self, purpose: str, count: int, *index: int) -> SceneGraphBatch:
        graphs = self.grammar.sample(count, random_generator(self.seed, purpose, *index))
        return SceneGraphBatch(self.layout, graphs.classes, graphs.features, graphs.seeds)

    def _optimiser(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Adam:
        """Shift and scale are in natural units and step far; network weights do not."""
        direct = [
            p
            for name, p in self.generator.named_parameters()
            if name in ("shift", "log_scale") and p.requires_grad
        ]
        chosen = {id(p) for p in direct}
        network = [p for p in parameters if id(p) not in chosen]
        groups = [
            {"params": ps, "lr": rate, "initial_lr": rate}
            for ps, rate in (
                (direct, self.settings.learning_rate),
                (network, self.settings.network_learning_rate),
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

    def _prepare_discrepancy(self) -> None:
        graphs = self._sample("bandwidth", BANDWIDTH_SCENES)
        images = self.renderer.render(graphs).images
        self._features = make_features(self.experiment.features, self.device, self.cache)
        self._discrepancy = make_discrepancy(
            self.experiment.discrepancy,
            features_of(self._features, self._target_images, self.device),
            features_of(self._features, images, self.device),
            seed=self.seed,
        )

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


def split_target(images: np.ndarray, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training part, sorted, and of the held-out part, shuffled."""
    order = random_generator(seed, "held out").permutation(len(images))
    count = max(2, round(held_out * len(images)))
    return np.sort(order[count:]), order[:count]


def _copy(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
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
