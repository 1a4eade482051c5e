"""Pre-training: epochs over a set, with a checkpoint an epoch.

Every random number depends on (seed, epoch, step), so a training that is killed at any point
and started again ends with the same weights, on the CPU bit for bit.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed

from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.pretrain.augmentation import global_randomness, vary_batch
from simtailor.pretrain.distributed import ALONE, Process
from simtailor.pretrain.feed import Batch, Feed
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.inputs import settings_of_a_backbone
from simtailor.pretrain.learner import Learner, Weights
from simtailor.pretrain.network import create_network, timm
from simtailor.pretrain.settings import Pretrain
from simtailor.seeds import generator
from simtailor.tracking import track

COLUMNS = ("epoch", "loss", "accuracy", "learning_rate", "seconds", "images_per_second")


@dataclass(frozen=True)
class Trained:
    """A finished network.

    Attributes:
        weights: as timm names them.
        rows: values of ``COLUMNS`` an epoch. Loss and accuracy (share) are those of the varied
            training images; of mixed images the stronger label counts. Seconds count from
            the beginning.
        examples: the first varied images, normalised float32 [n, 3, S, S].
    """

    weights: Weights
    rows: list[list[float]]
    examples: torch.Tensor


@dataclass
class _Run:
    """Rows of the epochs so far."""

    rows: list[list[float]]
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        return len(self.rows)


class Trainer:
    """Trains a network on a set.

    Args:
        images: of the set.
        seed: decides first weights, order and variation.
        settings: of the training.
        process, device: as ``training_process`` yields them.
        threads: cores that decode images.

    Raises:
        UserError: a set or a setting does not fit.
    """

    def __init__(
        self,
        images: SetImages,
        seed: int,
        settings: Pretrain,
        process: Process = ALONE,
        device: torch.device | str = "cpu",
        threads: int = 1,
    ) -> None:
        self.settings, self.process, self.device = settings, process, torch.device(device)
        self._seed, self._folder = seed, images.folder
        if settings.batch_size % (process.count * (2 if settings.mixing else 1)):
            raise UserError(
                f"task2sim.pretrain.batch_size: {settings.batch_size} images cannot be shared by "
                f"{process.count} processes" + (" in pairs" if settings.mixing else "")
            )
        self.classes = len(images.classes)
        self.feed = Feed(images, settings, seed, process, self.device, threads)
        self.steps = self.feed.steps
        self._mix = None
        if settings.mixing:
            self._mix = timm().data.Mixup(
                settings.mixup,
                settings.cutmix,
                label_smoothing=settings.label_smoothing,
                num_classes=self.classes,
            )
        self.fingerprint = self._fingerprint(images)
        network = create_network(settings.model, settings.model_options, self.classes, seed)
        self._learner = Learner(network, settings, self.steps, self.device, process)

    def train(
        self, checkpoint: str | Path | None = None, report: Callable[[str], None] = print
    ) -> Trained:
        """Train to the end and return the network.

        Args:
            checkpoint: file to resume from and to write after every epoch.
            report: receives one line an epoch.

        Raises:
            UserError: the checkpoint cannot be read, or the network diverged.
        """
        run = self._resumed(checkpoint, report) or _Run([])
        while run.epoch < self.settings.epochs:
            epoch = run.epoch
            started = time.perf_counter()
            loss, right = self._epoch(epoch)
            took = time.perf_counter() - started
            run.seconds += took
            speed = self.steps * self.feed.batch_size / took
            rate = self._learner.learning_rate
            run.rows.append([epoch + 1, loss, right, rate, run.seconds, speed])
            self._write_checkpoint(checkpoint, run)
            if self.process.first:
                track(epoch + 1, dict(zip(COLUMNS, run.rows[-1], strict=True)))
            report(
                f"epoch {epoch + 1}/{self.settings.epochs}  loss {loss:.3f}  "
                f"accuracy {right:.1%}  {speed:.0f} images/s  {run.seconds:.0f} s"
            )
        weights = self._learner.weights()
        self._check_weights(weights)
        return Trained(weights, run.rows, self._examples())

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """Train one epoch; return the mean loss and share of right answers."""
        # Dropout and the like draw from torch's own state.
        random = generator(self._seed, "network", epoch, self.process.rank)
        torch.manual_seed(int(random.integers(2**31)))
        sums = torch.zeros(2, device=self.device)
        # The first step of this epoch that diverged, found without waiting for the device.
        finite = torch.zeros((), device=self.device)
        rates = []
        for step, (images, targets) in enumerate(self._batches(epoch)):
            update = epoch * self.steps + step
            sums += torch.stack(self._learner.step(update, images, targets))
            finite += sums[0].isfinite()
            rates.append(self._learner.learning_rate)
        means = sums / self.steps
        if self.process.count > 1:
            distributed.all_reduce(means)
            means /= self.process.count
            distributed.all_reduce(finite, distributed.ReduceOp.MIN)
        # Before the checkpoint is written, or a resume would accept it.
        steps = int(finite)
        if steps < self.steps:
            raise _diverged(self._folder, epoch * self.steps + steps + 1, rates[steps])
        loss, right = means.tolist()
        return loss, right

    def _check_weights(self, weights: Weights) -> None:
        """Check that the last step left weights that can be used."""
        if not all(tensor.isfinite().all() for tensor in weights.values()):
            last = self.settings.epochs * self.steps
            raise _diverged(self._folder, last, self._learner.learning_rate)

    def _batches(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images [b, 3, S, S] and targets [b, C] of the steps of an epoch."""
        for step, batch in enumerate(self.feed.epoch(epoch)):
            images = self._varied(batch)
            if self._mix is None:
                yield images, self._smoothed(batch.labels)
            else:
                yield images, self._mixed(images, batch.labels, epoch, step)

    def _varied(self, batch: Batch) -> torch.Tensor:
        """Return the images of a batch as the network sees them."""
        if batch.variations is None:
            return batch.images
        return vary_batch(batch.images, batch.variations, self.settings.image_size)

    def _mixed(
        self, images: torch.Tensor, labels: torch.Tensor, epoch: int, step: int
    ) -> torch.Tensor:
        """Mix the images of a batch in place and return their targets, [b, C]."""
        # The same numbers in all processes, which keeps their batches alike.
        random = generator(self._seed, "mixing", epoch, step)
        with global_randomness(int(random.integers(2**31))):
            return self._mix(images, labels)[1]

    def _smoothed(self, labels: torch.Tensor) -> torch.Tensor:
        share = self.settings.label_smoothing
        certain = torch.nn.functional.one_hot(labels, self.classes)
        return certain * (1 - share) + share / self.classes

    def _examples(self) -> torch.Tensor:
        """Return the first batch as the network saw it, on the CPU."""
        return next(self._batches(0))[0].cpu()

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

    def _fingerprint(self, images: SetImages) -> str:
        """Return a digest of all that the weights depend on."""
        settings = settings_of_a_backbone(self.settings)
        versions = [importlib.metadata.version(name) for name in ("simtailor", "torch", "timm")]
        where = [self.device.type, self.process.count]
        parts = [settings, self._seed, versions, images.digest, where]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _diverged(folder: Path, step: int, rate: float) -> UserError:
    return UserError(
        f"the pre-training on {folder} diverged: at step {step}, with a learning rate of "
        f"{rate:.3g}, its loss or weights are no longer finite; set "
        "task2sim.pretrain.learning_rate lower or warmup_epochs higher. Nothing was written"
    )
