"""Training batches of one simulated set.

What a batch holds depends on seed, epoch and step alone: not on workers, processes or memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from simtailor.errors import UserError
from simtailor.pretrain.augmentation import draw_variations, image_transform
from simtailor.pretrain.distributed import ALONE, Process
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.settings import Pretrain
from simtailor.seeds import generator


@dataclass(frozen=True)
class Batch:
    """This process's part of a batch, on its device.

    Attributes:
        images: uint8 [b, H, H, 3] to be varied, or float32 [b, 3, S, S] that timm varied.
        labels: int64 [b].
        variations: of the batch, float32 [b, 9]; None where timm varied the images.
    """

    images: torch.Tensor
    labels: torch.Tensor
    variations: torch.Tensor | None


class Feed:
    """The batches of a set.

    Args:
        images: of the set.
        seed: decides order and variation.
        process: of those that train together; each gets its part of every batch.
        device: where the batches are wanted.
        threads: that decode the images, where they fit into memory.

    Attributes:
        cached: whether the decoded images are kept in memory.
        batch_size: images of a whole batch, fewer than the settings' if the set is small.
        steps: batches an epoch; what is left of the set is left out, others in every epoch.

    Raises:
        UserError: the set has too few images for a batch.
    """

    def __init__(
        self,
        images: SetImages,
        settings: Pretrain,
        seed: int,
        process: Process = ALONE,
        device: torch.device | str = "cpu",
        threads: int = 1,
    ) -> None:
        self.images, self.settings, self.seed = images, settings, seed
        self._process, self._device = process, torch.device(device)
        unit = process.count * 2  # mixing pairs images, and batch statistics need two
        self.batch_size = min(settings.batch_size, len(images) // unit * unit)
        if self.batch_size == 0:
            raise UserError(
                f"{images.folder}: {len(images)} images are too few for {process.count} processes; "
                "set task2sim.simulation.images higher or task2sim.pretrain.processes lower"
            )
        self.steps = len(images) // self.batch_size
        self._on_device = settings.augmentation.kind == "batch"
        needed = images.megabytes * process.local_count
        self.cached = needed <= settings.cache_mb
        self._labels = torch.from_numpy(images.labels).to(self._device)
        if self.cached:
            images.decoded(threads)
        if self.cached and self._on_device:
            self._pixels = torch.from_numpy(images.decoded()).to(self._device)
        else:
            self._epoch = _Epoch()
            self._loader = self._make_loader()

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        order = self._order(epoch)
        variations: list[torch.Tensor | None] = [None] * self.steps
        if self._on_device:
            random = generator(self.seed, "variations", epoch)
            drawn = draw_variations(
                self.settings.augmentation, self.steps * self.batch_size, random
            ).view(self.steps, self.batch_size, -1)
            variations = list(drawn[:, self._process.part(self.batch_size)].to(self._device))
        chosen = torch.from_numpy(order).to(self._device)
        for step, images in enumerate(self._images(epoch, order, chosen)):
            yield Batch(images, self._labels[chosen[step]], variations[step])

    def _order(self, epoch: int) -> np.ndarray:
        """Return the images of this process's part of every batch: int64 [steps, b]."""
        order = generator(self.seed, "order", epoch).permutation(len(self.images))
        order = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        return order[:, self._process.part(self.batch_size)]

    def _images(
        self, epoch: int, order: np.ndarray, chosen: torch.Tensor
    ) -> Iterator[torch.Tensor]:
        if self.cached and self._on_device:
            for indices in chosen:
                yield self._pixels[indices]
            return
        self._epoch.batches = [[(epoch, int(i)) for i in indices] for indices in order]
        for images in self._loader:
            yield images.to(self._device, non_blocking=True)

    def _make_loader(self) -> DataLoader:
        transform = None if self._on_device else image_transform(self.settings)
        return DataLoader(
            _Items(self.images, transform, self.seed),
            batch_sampler=self._epoch,
            num_workers=self.settings.workers,
            persistent_workers=self.settings.workers > 0,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # or it would draw from the network's
        )


class _Epoch:
    """The batches of the epoch that is under way, as (epoch, image)."""

    batches: list[list[tuple[int, int]]]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Items(Dataset):
    """Images by (epoch, image), varied if there is a transform."""

    def __init__(
        self,
        images: SetImages,
        transform: Callable[[np.ndarray, int], torch.Tensor] | None,
        seed: int,
    ) -> None:
        self._images, self._transform, self._seed = images, transform, seed

    def __getitem__(self, item: tuple[int, int]) -> torch.Tensor:
        epoch, index = item
        image = self._images[index]
        if self._transform is None:
            return torch.from_numpy(image.copy())
        random = generator(self._seed, "transform", epoch, index)
        return self._transform(image, int(random.integers(2**31)))
