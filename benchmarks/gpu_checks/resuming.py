"""A training that is killed and goes on, and a set whose lost shard is made again."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import torch

from gpu_checks.bench import Bench, relative_difference, silent
from gpu_checks.pretraining import train
from gpu_checks.rendering import plan_of
from simtailor.datasets.reading import MANIFEST
from simtailor.files import read_json
from simtailor.pretrain.images import SetImages
from simtailor.pretrain.settings import Pretrain
from simtailor.pretrain.training import Trainer
from simtailor.simulation.making import make_set

EPOCHS, KILLED_AFTER = 3, 2
MOST_APART = 0.05  # of the weights: sums on a GPU come in any order


def killed_and_resumed(bench: Bench) -> dict[str, Any]:
    """Kill a training between two epochs, go on, and compare with one that was left alone."""
    settings = bench.pretrain("gpu.yaml", epochs=EPOCHS, compile=False)
    checkpoint = bench.folder / "killed.pt"
    job = multiprocessing.get_context("spawn").Process(
        target=train_until_killed, args=(bench.sets[64], settings, bench.device, checkpoint)
    )
    job.start()
    job.join()
    bench.expect(job.exitcode == -signal.SIGKILL, f"the training ended with {job.exitcode}")
    bench.expect(checkpoint.exists(), "the killed training left no checkpoint")
    resumed, _ = train(bench, settings, 64, checkpoint)
    whole, _ = train(bench, settings, 64)
    again, _ = train(bench, settings, 64)
    apart = _apart(resumed.weights, whole.weights)
    bench.expect(apart <= MOST_APART, "the resumed training ended with other weights")
    return {
        "epochs before the kill": KILLED_AFTER,
        "weights apart, relative": apart,
        "the same training twice, apart": _apart(again.weights, whole.weights),
        "set": _made_again(bench),
    }


def train_until_killed(folder: Path, settings: Pretrain, device: str, checkpoint: Path) -> None:
    """Train in a process of its own, which dies after some epochs."""
    torch.set_num_threads(1)

    def report(line: str) -> None:
        if line.startswith(f"epoch {KILLED_AFTER}/"):
            os.kill(os.getpid(), signal.SIGKILL)

    images = SetImages(folder, settings.image_size)
    Trainer(images, 0, settings, device=device).train(checkpoint, report)


def _apart(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    flat = (
        torch.cat([value.double().flatten() for value in weights.values()]).numpy()
        for weights in (first, second)
    )
    return relative_difference(*flat)


def _made_again(bench: Bench) -> dict[str, Any]:
    """Lose a shard of a set, make the set again, and compare the shards' digests."""
    folder = bench.sets[64]
    work = bench.folder / folder.name.replace("set", "work")
    before = read_json(folder / MANIFEST)
    lost = before["shards"][0]["file"]
    (work / lost).unlink()
    plan = plan_of(bench, 64, before["images"])
    took = bench.seconds(
        lambda: make_set(plan, bench.catalogue, bench.machine, work, folder, silent)
    )
    same = read_json(folder / MANIFEST) == before
    bench.expect(same, "a shard that was made again has other bytes")
    return {"seconds": took, "same bytes": same}
