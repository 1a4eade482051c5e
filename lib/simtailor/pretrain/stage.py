"""The pre-training stage: a job trains one backbone."""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simtailor.devices import check_device
from simtailor.errors import UserError
from simtailor.figures.pretrain import training_figure
from simtailor.files import staged, staged_folder, write_json
from simtailor.pretrain.backbone import describe, write_backbone
from simtailor.pretrain.card import CARD, write_card
from simtailor.pretrain.distributed import launcher, training_process
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.settings import Pretrain
from simtailor.pretrain.training import COLUMNS, Trained, Trainer
from simtailor.simulation.names import seed_of
from simtailor.simulation.reading import SimulatedSet

FORMATS = ("{:.0f}", "{:.6g}", "{:.4f}", "{:.6g}", "{:.2f}", "{:.1f}")


@dataclass(frozen=True)
class Job:
    """What a job trains.

    Attributes:
        name: of the backbone, ``{parameters}`` or ``{parameters}.seed{n}``.
        simulated: folder of its simulated set.
        output: folder that it is written to.
        settings: values of ``Pretrain``.
        seed: of a training whose name gives none.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        threads: cores of the job.
        checkpoint: file that an interrupted training goes on from; removed at the end.
    """

    name: str
    simulated: str
    output: str
    settings: dict[str, Any]
    seed: int
    device: str
    threads: int
    checkpoint: str


def run(job: Job, report: Callable[[str], None]) -> None:
    """Do a job, in processes of its own if several GPUs take part.

    Raises:
        UserError: a set, the settings or the checkpoint are not fit for it, or it is for several
            machines and not a job of Slurm.
    """
    settings = Pretrain(**job.settings)
    if settings.processes == 1:
        pretrain(job, report, {})  # whatever variables of a launcher are left in the environment
        return
    description = Path(job.checkpoint).with_suffix(".json")
    write_json(description, asdict(job))
    with subprocess.Popen(
        [*launcher(settings, job.threads, os.environ), "-m", "simtailor.pretrain", description],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as launched:
        reason = "see the log"
        for line in launched.stdout or ():
            report(line.rstrip())
            reason = line.strip() if "UserError: " in line else reason
    if launched.returncode:
        raise UserError(f"training in {settings.processes} processes failed: {reason}")
    description.unlink()


def pretrain(
    job: Job, report: Callable[[str], None], environment: Mapping[str, str] = os.environ
) -> None:
    """Train the backbone of a job and write its folder, as one of the job's processes or alone.

    Args:
        environment: says which of the processes, as ``training_process`` reads it.
    """
    check_device(job.device)
    settings = Pretrain(**job.settings)
    seed = seed_of(job.name, job.seed)
    with training_process(job.device, environment) as (process, device):
        torch.set_num_threads(max(job.threads // process.count, 1))
        torch.backends.cudnn.benchmark = True  # all batches are of one size
        images = SetImages(job.simulated, settings.image_size)
        trainer = Trainer(images, seed, settings, process, device, job.threads)
        where = "in memory" if trainer.feed.cached else "read from the shards"
        if process.first:
            report(f"{len(images)} images of {len(images.classes)} classes, {where}")
        trained = trainer.train(job.checkpoint, report if process.first else lambda line: None)
        if not process.first:
            return
        with staged_folder(job.output) as folder:
            description = describe(settings, images.classes, images.parameters, seed)
            write_backbone(folder, trained.weights, description)
            _write_progress(folder / "progress.csv", trained.rows)
            summary = _summary(job.name, images, trainer, trained)
            write_json(folder / "summary.json", summary | {"images_are": where})
            write_card(folder / CARD, summary, SimulatedSet(job.simulated).licence)
            training_figure(
                np.array(trained.rows), trained.examples, folder / "training.png",
                title=f"{settings.model} on set {job.name}", chance=1 / trainer.classes,
            )  # fmt: skip
    Path(job.checkpoint).unlink(missing_ok=True)


def _write_progress(path: Path, rows: list[list[float]]) -> None:
    with staged(path) as staging, open(staging, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([f.format(v) for v, f in zip(row, FORMATS, strict=True)])


def _summary(name: str, images: SetImages, trainer: Trainer, trained: Trained) -> dict[str, Any]:
    last = dict(zip(COLUMNS, trained.rows[-1], strict=True))
    settings = trainer.settings
    return {
        "backbone": name,
        "parameters": images.parameters,
        "model": settings.model,
        "weights": sum(value.numel() for value in trained.weights.values()),
        "images": len(images),
        "classes": len(images.classes),
        "image_size": settings.image_size,
        "epochs": settings.epochs,
        "steps": settings.epochs * trainer.steps,
        "loss": round(last["loss"], 6),
        "accuracy": round(last["accuracy"], 4),
        "chance": round(1 / trainer.classes, 4),
        "seconds": round(last["seconds"], 2),
        "images_per_second": round(last["images_per_second"], 1),
        "processes": trainer.process.count,
    }
