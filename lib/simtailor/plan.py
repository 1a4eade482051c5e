"""What a study takes: jobs, images, storage and hours, from a table of rates.

The table (config/rates.tsv) holds for each stage and kind of processor how many items a second
one core or one GPU does, and how much work an item was: megapixels times samples of an image
rendered, megapixels of one prepared or stored (whose rate is images a megabyte), and giga
multiply-accumulates of a network for one trained on or evaluated. Another size of item is
scaled by its work, from the row that is nearest to it, and marked as scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import nn

from simtailor.errors import UserError
from simtailor.evaluate.inputs import evaluation_settings, pairs_at_equal_steps, repeated_sets
from simtailor.evaluate.stage import RANDOM_SEEDS
from simtailor.pretrain.network import create_network

if TYPE_CHECKING:
    from simtailor.config import Configuration
    from simtailor.pretrain.settings import Pretrain

COLUMNS = ["stage", "device", "work", "rate", "basis", "conditions", "source"]
SAME_WORK = 1.25  # up to this factor a rate counts as that of the same item
ASSEMBLE = "assemble, start"  # of the database, and the start of every job
RATE_OF = {"equal steps": "pretrain"}  # stages that have the rate of another
BY_BUILD = "render tdw"  # the rate of a build of ThreeDWorld, which draws on a GPU
BUILD_PIXELS = 256**2 / 1e6  # fewer save it no time, as messages and frames take theirs
UNKNOWN_TASK = 10_000  # images of a task where the configuration sets no limit


@dataclass(frozen=True)
class Rate:
    """Seconds an item on one core or one GPU, and where they come from; megabytes if stored."""

    seconds: float
    basis: str
    source: str


class Rates:
    """The table of rates.

    Raises:
        UserError: the file is not such a table.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        try:
            self.table = pd.read_csv(path, sep="\t", comment="#")
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot read this table of rates: {error}") from error
        if list(self.table.columns) != COLUMNS:
            raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)}, tab-separated")

    def rate(self, stage: str, device: str, work: float) -> Rate:
        """Return the rate of a stage for items of this work.

        Args:
            device: ``cpu`` (one core) or ``cuda`` (one GPU).
            work: of one item, in the unit of the stage's rows.

        Raises:
            UserError: the table has no row for them.
        """
        rows = self.table[(self.table.stage == stage) & (self.table.device == device)]
        if rows.empty:
            raise UserError(f"{self.path}: no rate of '{stage}' on '{device}': add a row")
        distance = (rows.work.astype(float) / work).map(lambda ratio: abs(math.log(ratio)))
        row = rows.loc[distance.idxmin()]
        scaled = distance.min() > math.log(SAME_WORK)
        seconds = work / float(row.work) / float(row.rate)
        basis = f"{row.basis}, scaled" if scaled else str(row.basis)
        return Rate(seconds, basis, f"{row.conditions} ({row.source})")


@dataclass(frozen=True)
class StagePlan:
    """A stage of a study.

    Attributes:
        items: images prepared, rendered, trained on or evaluated; of the last stage, jobs.
        device: ``cpu`` or ``cuda``; seconds: of one core or one GPU.
        gigabytes: what the stage leaves on disk.
    """

    stage: str
    jobs: int
    items: int
    device: str
    rate: Rate
    gigabytes: float

    @property
    def seconds(self) -> float:
        """Of one core or one GPU, for all items."""
        return self.items * self.rate.seconds


def multiplications(model: str, options: dict, image_size: int) -> tuple[float, int]:
    """Return giga multiply-accumulates of one image, and the number of weights, of a timm model.

    Counts convolutions and linear layers, by running the model without data.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    network = create_network(model, options, 100).to("meta").eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.empty(1, 3, image_size, image_size, device="meta"))
    return total / 1e9, sum(weight.numel() for weight in network.parameters())


def plan_study(
    configuration: Configuration,
    sets: Sequence[str],
    task_count: int,
    package_count: int,
    rates: Rates,
) -> list[StagePlan]:
    """Return the stages of a study's reward database.

    Args:
        sets: names of the sets.
        package_count: packages that are fetched.
    """
    study = configuration.task2sim
    device = "cpu" if configuration.device == "cpu" else "cuda"
    simulation, pretrain, repeats = study.simulation, study.pretrain, study.evaluate.repeats
    backbones = len(sets) + len(repeated_sets(sets, repeats.sets, repeats.seeds))
    evaluation = evaluation_settings(configuration)
    macs, weights = multiplications(pretrain.model, pretrain.model_options, pretrain.image_size)
    seen, _ = multiplications(pretrain.model, pretrain.model_options, evaluation.image_size)
    set_pixels, task_pixels = (size.image_size**2 / 1e6 for size in (simulation, study.tasks))
    rendered = backbones * simulation.images
    evaluated = task_count * (study.tasks.most_images or UNKNOWN_TASK)
    set_jobs = simulation.parts + 1 if simulation.parts > 1 else 1
    stored = rendered * rates.rate("stored", "-", set_pixels).seconds / 1e3
    pairs = pairs_at_equal_steps(sets, evaluation)
    short = sum(
        2 * starts * steps * evaluation.equal_steps.batch_size * task_count
        for steps, starts in evaluation.equal_steps.starts.items()
    )
    embedded = simulation.renderer == "embedded"
    draws, drawn, made_before = (
        ("render", (device, set_pixels * simulation.samples), 2)  # kernels and assets
        if embedded
        else (BY_BUILD, ("cuda", max(set_pixels, BUILD_PIXELS)), 0)
    )
    # Items: what the rate counts. Baselines are networks with random weights and the packaged
    # one; raw pixels cost little.
    rows = [
        ("tasks", package_count + task_count, evaluated, "cpu", task_pixels,
         3 * evaluated * task_pixels / 1e3),
        (draws, made_before + backbones * set_jobs, rendered, *drawn, stored),
        ("pretrain", backbones, backbones * simulation.images * pretrain.epochs, device, macs,
         backbones * 4 * weights / 1e9),
        *_augmented(pretrain, backbones * simulation.images * pretrain.epochs),
        ("evaluate", backbones + 1, (backbones + 2 * RANDOM_SEEDS + 1) * evaluated, device, seen,
         0),
        ("equal steps", len(pairs), short, device, seen, 0),
    ]  # fmt: skip
    stages = [
        StagePlan(
            stage, jobs, items, place, rates.rate(RATE_OF.get(stage, stage), place, work), gigabytes
        )
        for stage, jobs, items, place, work, gigabytes in rows
    ]
    assembling = 2  # list_tasks and reward_db
    jobs = assembling + sum(stage.jobs for stage in stages)
    return [*stages, StagePlan(ASSEMBLE, assembling, jobs, "cpu", rates.rate("job", "cpu", 1), 0)]


def _augmented(pretrain: Pretrain, images: int) -> list[tuple[str, int, int, str, float, float]]:
    """Return the stage that varies images one by one on cores, where a training does that."""
    if pretrain.augmentation.kind != "image":
        return []
    return [("augment", 0, images, "cpu", pretrain.image_size**2 / 1e6, 0)]


def describe_plan(
    configuration: Configuration,
    sets: Sequence[str],
    task_count: int,
    stages: Sequence[StagePlan],
    cores: int | None,
) -> str:
    """Return the plan as text; hours by the clock for so many cores and one GPU."""
    study = configuration.task2sim
    simulation, pretrain = study.simulation, study.pretrain
    cpu, gpu = (
        sum(stage.seconds for stage in stages if stage.device == device) / 3600
        for device in ("cpu", "cuda")
    )
    lines = [
        f"Reward database: {len(sets):,} sets x {simulation.images:,} images at "
        f"{simulation.image_size} px, {pretrain.model} at {pretrain.image_size} px x "
        f"{pretrain.epochs} epochs, {task_count} tasks",
        "",
        f"{'stage':16}{'jobs':>8}{'images':>16}{'storage':>12}{'hours':>12}{'':6}"
        f"{'images/s':>10}  rate",
    ]
    for stage in stages:
        counted = stage.stage != ASSEMBLE
        unit = "GPU" if stage.device == "cuda" else "core"
        lines.append(
            f"{stage.stage:16}{stage.jobs:8,}"
            f"{f'{stage.items:,}' if counted else '':>16}"
            f"{f'{stage.gigabytes:,.2f} GB' if stage.gigabytes else '':>12}"
            f"{stage.seconds / 3600:12,.2f} {unit:5}"
            f"{f'{1 / stage.rate.seconds:,.0f}' if counted else '':>10}  {stage.rate.basis}"
        )
    total = sum(stage.jobs for stage in stages)
    storage = sum(stage.gigabytes for stage in stages)
    lines.append(f"{'total':16}{total:8,}{'':16}{f'{storage:,.2f} GB':>12}{cpu:12,.2f} core")
    if gpu:
        lines.append(f"{'':52}{gpu:12,.2f} GPU")
    if cores:
        hours = max(cpu / cores, gpu)
        clock = f"{hours * 60:,.0f} minutes" if hours < 3 else f"{hours:,.0f} hours"
        lines += ["", f"With {cores} cores{' and one GPU' if gpu else ''}: about {clock}."]
    lines += ["", "Images a second are of one core or one GPU. Where the rates come from:"]
    lines += [f"  {stage.stage}: {stage.rate.source}" for stage in stages]
    return "\n".join(lines)
