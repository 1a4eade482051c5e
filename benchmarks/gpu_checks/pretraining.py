"""Pre-training: images a second by precision and compilation, and which suits config/gpu.yaml."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from gpu_checks.bench import Bench, silent
from simtailor.plan import multiplications
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.settings import Augmentation, Pretrain
from simtailor.pretrain.training import COLUMNS, Trained, Trainer

EPOCHS = 4
PRECISIONS = ("float32", "bfloat16")
WORSE = 1.1  # a loss so many times that of float32 is no longer the same training
BESIDE = 4  # jobs that share the GPU
LOSS, SECONDS, RATE = (COLUMNS.index(name) for name in ("loss", "seconds", "images_per_second"))


def train(
    bench: Bench, settings: Pretrain, pixels: int, checkpoint: Path | None = None
) -> tuple[Trained, int]:
    """Train on the set with images of so many pixels; return the network and the set's images."""
    images = SetImages(bench.sets[pixels], settings.image_size)
    trainer = Trainer(images, 0, settings, device=bench.device, threads=bench.threads)
    return trainer.train(checkpoint, silent), len(images)


def figures_of_training(bench: Bench, settings: Pretrain, pixels: int) -> dict[str, float]:
    """Train and return rate, loss, memory and the seconds before the first epoch is at speed."""
    bench.gigabytes()
    if settings.compile:
        torch.compiler.reset()
    trained, images = train(bench, settings, pixels)
    rate = max(row[RATE] for row in trained.rows[1:])
    return {
        "images a second": rate,
        "start, s": max(0.0, trained.rows[0][SECONDS] - images / rate),
        "loss": trained.rows[-1][LOSS],
        "memory, GB": bench.gigabytes(),
    }


def small_networks(bench: Bench) -> dict[str, Any]:
    """Train the network of config/gpu.yaml in every way, and pick the fastest that learns alike."""
    found: dict[str, Any] = {}
    choices = {}
    for compiled in (False, True):
        for precision in PRECISIONS:
            settings = bench.pretrain(
                "gpu.yaml", precision=precision, compile=compiled, epochs=EPOCHS
            )
            label = f"{precision}, {'compiled' if compiled else 'eager'}"
            found[label] = figures_of_training(bench, settings, 64)
            choices[label] = settings
    plain = found["float32, eager"]["loss"]
    # Of a whole backbone: 16 epochs of the set, compiling included.
    whole = 16 * bench.size(4000, 32)
    seconds = {
        label: figures["start, s"] + whole / figures["images a second"]
        for label, figures in found.items()
        if figures["loss"] <= WORSE * plain
    }
    pick = min(seconds, key=seconds.__getitem__)
    found["seconds of a backbone"] = seconds
    chosen = choices[pick]
    found["config/gpu.yaml"] = (
        f"precision: {chosen.precision}, compile: {str(chosen.compile).lower()}"
    )
    _rate(bench, chosen, found[pick]["images a second"], pick)
    return found


def _rate(bench: Bench, settings: Pretrain, rate: float, how: str) -> None:
    giga, _ = multiplications(settings.model, settings.model_options, settings.image_size)
    bench.rate("pretrain", giga, rate, f"{settings.model}, {settings.image_size} px, {how}")


def resnet50(bench: Bench) -> dict[str, Any]:
    """Train config/paper.yaml's network, its images from the loader's workers or the device."""
    workers = bench.size(max(1, min(12, bench.threads - 2)), 1)
    found, loader = {}, _of_paper(bench, workers=workers)
    found["loader"] = figures_of_training(bench, loader, _largest(bench)) | {"workers": workers}
    varied = Augmentation(kind="batch")
    on_device = _of_paper(bench, augmentation=varied, workers=0)
    found["images on the device"] = figures_of_training(bench, on_device, _largest(bench))
    rate = found["images on the device"]["images a second"]
    _rate(bench, on_device, rate, f"{on_device.precision}, images on the device")
    return found


def resnet50_compiled(bench: Bench) -> dict[str, Any]:
    """Train the same with torch.compile, whose start takes a minute."""
    varied = Augmentation(kind="batch")
    settings = _of_paper(bench, augmentation=varied, workers=0, compile=True)
    return figures_of_training(bench, settings, _largest(bench))


def _of_paper(bench: Bench, **changes: Any) -> Pretrain:
    return bench.pretrain("paper.yaml", epochs=3, **changes)


def _largest(bench: Bench) -> int:
    return max(bench.sets)


def side_by_side(bench: Bench) -> dict[str, Any]:
    """Train one network, and several in processes that share the GPU, as jobs of a study do."""
    settings = bench.pretrain("gpu.yaml", epochs=bench.size(12, 2))
    found = {}
    for count in bench.size((1, BESIDE), (1,)):
        started = time.perf_counter()
        with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
            jobs = [
                pool.submit(rate_of_training, bench.sets[64], settings, bench.device)
                for _ in range(count)
            ]
            rates = [job.result() for job in jobs]
        found[f"{count} at a time"] = {
            "images a second": sum(rates),
            "seconds with their start": time.perf_counter() - started,
        }
    return found


def rate_of_training(folder: Path, settings: Pretrain, device: str) -> float:
    """Train in a process of its own and return the images a second of the later epochs."""
    torch.set_num_threads(1)
    images = SetImages(folder, settings.image_size)
    trained = Trainer(images, 0, settings, device=device).train(None, silent)
    later = trained.rows[len(trained.rows) // 2 :]
    return sum(row[RATE] for row in later) / len(later)
