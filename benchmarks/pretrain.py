"""Time how fast images reach the training, and the training itself.

Feeding: images a second, decoded, varied and collated in batches of 64, against torchvision's
``ImageFolder`` with a ``DataLoader`` over the same JPG files. Two kinds of variation:

- crop, mirror and colours: ours vary the batch, the folder's images go one by one through
  torchvision's ``RandomResizedCrop``, ``RandomHorizontalFlip``, ``ColorJitter`` and
  ``RandomGrayscale`` with the same ranges;
- timm's transform with RandAugment, image by image on both sides: the same function, so that
  the difference is reading and decoding alone.

Training: the default network.

All in one process and one thread, the fastest of some epochs. A set of the workflow is used
if ``--set`` names one; otherwise one is rendered.

    ./run python benchmarks/pretrain.py
"""

from __future__ import annotations

import argparse
import datetime
import io
import tarfile
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from torch.utils.data import DataLoader

from simtailor.pretrain.augmentation import ASPECT, MEAN, STD, image_transform, vary_batch
from simtailor.pretrain.feed import Feed
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.settings import Augmentation, Pretrain
from simtailor.pretrain.training import Trainer
from simtailor.torchvision_compat import import_torchvision

TABLE = Path(__file__).with_suffix(".md")


def render_set(folder: Path, images: int, size: int) -> Path:
    """Render a set as the workflow does."""
    from simtailor.simulation.catalogue import Catalogue, merge_packs
    from simtailor.simulation.machine import Machine
    from simtailor.simulation.making import SetPlan, make_set

    pack = merge_packs(["builtin"], None, resources="resources")
    catalogue = Catalogue.create(pack, "resources")
    name = "1_0_0_0_0_3_0_1_0"
    plan = SetPlan.create(name, {"images": images, "image_size": size, "seed": 0})
    machine = Machine("cpu", torch.get_num_threads(), "resources")
    make_set(plan, catalogue, machine, str(folder / "work"), str(folder / name), print)
    return folder / name


def as_image_folder(source: Path, folder: Path) -> Path:
    """Write the JPG files of a set into a folder a class."""
    labels = SetImages(source, 4096).labels
    files = []
    for path in sorted(source.glob("*.tar")):
        with tarfile.open(path) as shard:
            files += [shard.extractfile(m).read() for m in shard if m.name.endswith(".jpg")]
    for number, (data, label) in enumerate(zip(files, labels, strict=True)):
        place = folder / f"{label:03d}" / f"{number:06d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder


def fastest(epochs: Iterable[Iterable], images: int) -> float:
    """Return images a second of CPU time, of the fastest epoch."""
    best = float("inf")
    for epoch in epochs:
        started = time.process_time()
        for _ in epoch:
            pass
        best = min(best, time.process_time() - started)
    return images / best


def fed_by_folder(folder: Path, settings: Pretrain, repetitions: int) -> float:
    """Return images a second out of an ImageFolder."""
    torchvision = import_torchvision()
    varied = settings.augmentation
    if varied.kind == "image":
        make = image_transform(settings)
        numbers = iter(range(10**9))

        def transform(image):
            return make(np.asarray(image), next(numbers))
    else:
        t, change = torchvision.transforms, varied.colour
        crop = t.RandomResizedCrop(settings.image_size, (varied.crop, 1), (1 / ASPECT, ASPECT))
        transform = t.Compose([
            crop, t.RandomHorizontalFlip(varied.flip), t.ColorJitter(change, change, change),
            t.RandomGrayscale(varied.grey), t.ToTensor(), t.Normalize(MEAN, STD),
        ])  # fmt: skip
    data = torchvision.datasets.ImageFolder(str(folder), transform)
    loader = DataLoader(data, settings.batch_size, shuffle=True, drop_last=True)
    return fastest((loader for _ in range(repetitions)), len(loader) * settings.batch_size)


def fed_by_set(source: Path, settings: Pretrain, repetitions: int) -> float:
    """Return images a second out of a set."""
    feed = Feed(SetImages(source, settings.image_size), settings, 0)

    def epoch(number: int) -> Iterable[torch.Tensor]:
        for batch in feed.epoch(number):
            if batch.variations is None:
                yield batch.images
            else:
                yield vary_batch(batch.images, batch.variations, settings.image_size)

    return fastest((epoch(n) for n in range(repetitions)), feed.steps * feed.batch_size)


def trained(source: Path, settings: Pretrain, repetitions: int) -> float:
    """Return images a second that a network is trained on."""
    trainer = Trainer(SetImages(source, settings.image_size), 0, settings)
    best = 0.0
    for number in range(repetitions):
        started = time.process_time()
        trainer._epoch(number)
        taken = time.process_time() - started
        best = max(best, trainer.steps * trainer.feed.batch_size / taken)
    return best


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, help="folder of a simulated set")
    parser.add_argument("--images", type=int, default=1024, help="of a set that is rendered")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256], help="pixels of it")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as temporary:
        sources = [arguments.set] if arguments.set else [
            render_set(Path(temporary) / str(size), arguments.images, size)
            for size in arguments.sizes
        ]  # fmt: skip
        print("# Images fed to the pre-training, and its speed\n", file=out)
        machine = describe_machine("torchvision", "timm", "pillow")
        print(f"{datetime.date.today()}, {machine}.", file=out)
        print(
            f"One process, one thread; images a second of CPU time, the fastest of "
            f"{arguments.repetitions} epochs; batches of 64.\n\n"
            "| images | variation | network sees | ImageFolder | from the shards | decoded in "
            "memory | shards / folder | memory / folder |\n|---|---|---|---|---|---|---|---|",
            file=out,
        )
        for number, source in enumerate(sources):
            folder = as_image_folder(source, Path(temporary) / f"folder-{number}")
            size = SetImages(source, 4096).edge
            seen = min(size, 224)
            for kind, name in (("batch", "crop, mirror, colours"), ("image", "RandAugment")):
                kept = Pretrain(image_size=seen, augmentation=Augmentation(kind=kind))
                read = kept.model_copy(update={"cache_mb": 0})
                base = fed_by_folder(folder, kept, arguments.repetitions)
                shards, memory = (
                    fed_by_set(source, s, arguments.repetitions) for s in (read, kept)
                )
                print(
                    f"| {len(list(folder.rglob('*.jpg')))} at {size} px | {name} | {seen} px "
                    f"| {base:,.0f} | {shards:,.0f} | {memory:,.0f} | {shards / base:.2f} "
                    f"| {memory / base:.2f} |",
                    file=out,
                )
        speed = trained(sources[0], Pretrain(), 2)
        print(f"\nTraining with the default settings: {speed:,.0f} images/s.", file=out)
    print(out.getvalue())
    TABLE.write_text(out.getvalue())


if __name__ == "__main__":
    main()
