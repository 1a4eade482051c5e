"""Pre-training: epochs over one set, or over several sets at once, with a checkpoint an epoch.

Every random number depends on (seed, epoch, step), so a training that is killed at any point
and started again ends with the same weights, on the CPU bit for bit.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.pretrain.augmentation import global_randomness, vary_batch
from simtailor.pretrain.distributed import ALONE, Process
from simtailor.pretrain.feed import Batch, Feed
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.inputs import settings_of_a_backbone
from simtailor.pretrain.learner import JointLearner, Learner, SingleLearner, Weights
from simtailor.pretrain.network import create_network, timm
from simtailor.pretrain.settings import Pretrain
from simtailor.seeds import generator

COLUMNS = ("epoch", "loss", "accuracy", "learning_rate", "seconds", "images_per_second")


@dataclass(frozen=True)
class Trained:
    """A finished network.

    Attributes:
        weights: as timm names them.
        rows: values of ``COLUMNS`` an epoch. Loss and accuracy (share) are those of the varied
            training images; of mixed images the stronger label counts. Seconds count from
            the beginning, images a second are those of all networks of the job.
        examples: the first varied images, normalised float32 [n, 3, S, S].
    """

    weights: Weights
    rows: list[list[float]]
    examples: torch.Tensor


@dataclass
class _Run:
    """Rows of the epochs so far, for each network."""

    rows: list[list[list[float]]]
    seconds: float = field(default=0.0)

    @property
    def epoch(self) -> int:
        return len(self.rows[0])


class Trainer:
    """Trains a network a set.

    Args:
        sets: one set for one network, several for several at once; of the same numbers of
            images and classes.
        seeds: of the networks' trainings, one a set.
        settings: of the training.
        process, device: as ``training_process`` yields them.
        threads: cores that decode images.

    Raises:
        UserError: a set or a setting does not fit.
    """

    def __init__(
        self,
        sets: list[SetImages],
        seeds: list[int],
        settings: Pretrain,
        process: Process = ALONE,
        device: torch.device | str = "cpu",
        threads: int = 1,
    ) -> None:
        self.settings, self.process, self.device = settings, process, torch.device(device)
        self._seeds, self._folders = seeds, [images.folder for images in sets]
        _check_alike(sets)
        if settings.batch_size % (process.count * (2 if settings.mixing else 1)):
            raise UserError(
                f"task2sim.pretrain.batch_size: {settings.batch_size} images cannot be shared by "
                f"{process.count} processes" + (" in pairs" if settings.mixing else "")
            )
        self.classes = len(sets[0].classes)
        self.feeds = [
            Feed(images, settings, seed, process, self.device, threads)
            for images, seed in zip(sets, seeds, strict=True)
        ]
        self.steps = self.feeds[0].steps
        self._mix = None
        if settings.mixing:
            self._mix = timm().data.Mixup(
                settings.mixup,
                settings.cutmix,
                label_smoothing=settings.label_smoothing,
                num_classes=self.classes,
            )
        self.fingerprint = self._fingerprint(sets)
        self._learner = self._make_learner()

    def train(
        self, checkpoint: str | Path | None = None, report: Callable[[str], None] = print
    ) -> list[Trained]:
        """Train to the end and return the networks.

        Args:
            checkpoint: file to resume from and to write after every epoch.
            report: receives one line an epoch.

        Raises:
            UserError: the checkpoint cannot be read, or a network diverged.
        """
        run = self._resumed(checkpoint, report) or _Run([[] for _ in self.feeds])
        while run.epoch < self.settings.epochs:
            epoch = run.epoch
            started = time.perf_counter()
            losses, right = self._epoch(epoch)
            took = time.perf_counter() - started
            run.seconds += took
            speed = self.steps * self.feeds[0].batch_size * len(self.feeds) / took
            common = [self._learner.learning_rate, run.seconds, speed]
            for rows, loss, share in zip(run.rows, losses, right, strict=True):
                rows.append([epoch + 1, loss, share, *common])
            self._write_checkpoint(checkpoint, run)
            report(
                f"epoch {epoch + 1}/{self.settings.epochs}  loss {np.mean(losses):.3f}  "
                f"accuracy {np.mean(right):.1%}  {speed:.0f} images/s  {run.seconds:.0f} s"
            )
        weights = self._learner.weights()
        self._check_weights(weights)
        return [Trained(*parts) for parts in zip(weights, run.rows, self._examples(), strict=True)]

    def _epoch(self, epoch: int) -> tuple[list[float], list[float]]:
        """Train one epoch; return the mean loss and share of right answers of each network."""
        # Dropout and the like draw from torch's own state.
        random = generator(self._seeds[0], "network", epoch, self.process.rank)
        torch.manual_seed(int(random.integers(2**31)))
        sums = torch.zeros(2, len(self.feeds), device=self.device)
        # The first step of this epoch that diverged, found without waiting for the device.
        finite = torch.zeros(len(self.feeds), device=self.device)
        rates = []
        for step, (images, targets) in enumerate(self._batches(epoch)):
            update = epoch * self.steps + step
            result = torch.stack(self._learner.step(update, images, targets))
            sums += result
            finite += sums[0].isfinite()
            rates.append(self._learner.learning_rate)
        means = sums / self.steps
        if self.process.count > 1:
            distributed.all_reduce(means)
            means /= self.process.count
            distributed.all_reduce(finite, distributed.ReduceOp.MIN)
        # Before the checkpoint is written, or a resume would accept it.
        for folder, steps in zip(self._folders, finite.int().tolist(), strict=True):
            if steps < self.steps:
                raise _diverged(folder, epoch * self.steps + steps + 1, rates[steps])
        losses, right = means.tolist()
        return losses, right

    def _check_weights(self, weights: list[Weights]) -> None:
        """Check that the last step left weights that can be used."""
        for folder, tensors in zip(self._folders, weights, strict=True):
            if not all(tensor.isfinite().all() for tensor in tensors.values()):
                last = self.settings.epochs * self.steps
                raise _diverged(folder, last, self._learner.learning_rate)

    def _batches(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images [K, b, 3, S, S] and targets [K, b, C] of the steps of an epoch."""
        together = zip(*(feed.epoch(epoch) for feed in self.feeds), strict=True)
        for step, batches in enumerate(together):
            images = self._varied(batches)
            labels = torch.stack([batch.labels for batch in batches])
            if self._mix is None:
                yield images, self._smoothed(labels)
            else:
                yield images, torch.stack([
                    self._mixed(images[k], labels[k], self._seeds[k], epoch, step)
                    for k in range(len(batches))
                ])  # fmt: skip

    def _varied(self, batches: tuple[Batch, ...]) -> torch.Tensor:
        """Return the images of one batch of every set as the networks see them."""
        size = (len(batches), -1, 3, *[self.settings.image_size] * 2)
        if batches[0].variations is None:
            return torch.stack([batch.images for batch in batches])
        images = torch.cat([batch.images for batch in batches])
        variations = torch.cat([batch.variations for batch in batches])
        return vary_batch(images, variations, self.settings.image_size).view(size)

    def _mixed(
        self, images: torch.Tensor, labels: torch.Tensor, seed: int, epoch: int, step: int
    ) -> torch.Tensor:
        """Mix the images of a batch in place and return their targets, [b, C]."""
        # The same numbers in all processes, which keeps their batches alike.
        random = generator(seed, "mixing", epoch, step)
        with global_randomness(int(random.integers(2**31))):
            return self._mix(images, labels)[1]

    def _smoothed(self, labels: torch.Tensor) -> torch.Tensor:
        share = self.settings.label_smoothing
        certain = torch.nn.functional.one_hot(labels, self.classes)
        return certain * (1 - share) + share / self.classes

    def _examples(self) -> torch.Tensor:
        """Return the first batch of every set as the networks saw it, on the CPU."""
        return next(self._batches(0))[0].cpu()

    def _make_learner(self) -> Learner:
        networks = [
            create_network(self.settings.model, self.settings.model_options, self.classes, seed)
            for seed in self._seeds
        ]
        if len(networks) > 1:
            return JointLearner(networks, self.settings, self.steps, self.device)
        return SingleLearner(networks[0], self.settings, self.steps, self.device, self.process)

    def _write_checkpoint(self, path: str | Path | None, run: _Run) -> None:
        if path is None or not self.process.first:
            return
        state = {
            "fingerprint": self.fingerprint,
            "rows": run.rows,
            "seconds": run.seconds,
            "learner": self._learner.state(),
        }
        with staged(path) as staging:
            torch.save(state, staging)

    def _resumed(self, path: str | Path | None, report: Callable[[str], None]) -> _Run | None:
        """Go on from an interrupted training of the same settings, if there is one."""
        if path is None or not Path(path).exists():
            return None
        try:
            # To the CPU: loading into the learner moves what belongs elsewhere.
            state = torch.load(path, weights_only=True, map_location="cpu")
            fingerprint = state["fingerprint"]
        except Exception as error:  # of torch, zipfile or pickle: many kinds
            raise UserError(
                f"{path}: this checkpoint cannot be read ({error}); delete it to start this "
                "training anew"
            ) from error
        if fingerprint != self.fingerprint:
            report(f"{path} belongs to other settings; starting anew")
            return None
        self._learner.load_state(state["learner"])
        run = _Run(state["rows"], state["seconds"])
        report(f"resumed after epoch {run.epoch}")
        return run

    def _fingerprint(self, sets: list[SetImages]) -> str:
        """Return a digest of all that the weights depend on."""
        settings = settings_of_a_backbone(self.settings)
        versions = [importlib.metadata.version(name) for name in ("simtailor", "torch", "timm")]
        digests = [images.digest for images in sets]
        parts = [settings, self._seeds, versions, digests, self.device.type, self.process.count]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _diverged(folder: Path, step: int, rate: float) -> UserError:
    return UserError(
        f"the pre-training on {folder} diverged: at step {step}, with a learning rate of "
        f"{rate:.3g}, its loss or weights are no longer finite; set "
        "task2sim.pretrain.learning_rate lower or warmup_epochs higher. Nothing was written"
    )


def _check_alike(sets: list[SetImages]) -> None:
    """Check that networks can be trained on the sets in step."""
    first = sets[0]
    for other in sets[1:]:
        if (len(other), len(other.classes)) != (len(first), len(first.classes)):
            raise UserError(
                f"{other.folder}: {len(other)} images of {len(other.classes)} classes, but "
                f"{first.folder} has {len(first)} of {len(first.classes)}; make the sets with the "
                "same settings, or set task2sim.pretrain.at_once: 1"
            )
