"""What the checks share: the device, sizes, a clock, assets and sets, and what they found."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import yaml
from rates import row

from simtailor.pretrain.settings import Pretrain
from simtailor.simulation.catalogue import Catalogue, merge_packs
from simtailor.simulation.machine import Machine
from simtailor.simulation.settings import Simulation
from simtailor.simulation.studio import Studio

# Everything on; the same without blur, which costs four times the rays.
ALL_ON, NO_BLUR = "1_1_1_1_1_3_0_1_1", "1_0_1_1_1_3_0_1_1"
SMALL_NETWORK = {"channels": [8, 8, 16, 16], "stem_width": 8, "global_pool": "catavgmax"}
SOURCE = "benchmarks/gpu.md"

Arrays = dict[str, np.ndarray]
Size = TypeVar("Size")


@dataclass
class Bench:
    """A machine under check.

    Attributes:
        device: ``cpu`` or a CUDA device; threads: cores; cache: folder of caches.
        folder: for what the checks make; it may be deleted afterwards.
        tiny: whether sizes are so small that a CPU does all checks in a minute.
        reference: file with the CPU's results, which are computed anew where it lacks them.
        sets: folders of the sets that were made, by pixels of an image.
        rates: rows for config/rates.tsv.
        problems: sentences on what is not as it should be.
    """

    device: str
    threads: int
    cache: str
    folder: Path
    tiny: bool = False
    reference: Path | None = None
    sets: dict[int, Path] = field(default_factory=dict)
    rates: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def on_cuda(self) -> bool:
        return self.device != "cpu"

    @cached_property
    def catalogue(self) -> Catalogue:
        """The assets of the sets: those built in."""
        pack = merge_packs(Simulation().packs, None, resources=self.cache)
        return Catalogue.create(pack, self.cache)

    @cached_property
    def machine(self) -> Machine:
        return Machine(self.device, self.threads, self.cache)

    @cached_property
    def studio(self) -> Studio:
        return self.machine.studio(self.catalogue)

    def size(self, full: Size, tiny: Size) -> Size:
        """Return the size of a measurement."""
        return tiny if self.tiny else full

    def pretrain(self, file: str, **changes: Any) -> Pretrain:
        """Return the pre-training of a shipped configuration, changed and for one process.

        A tiny one has a small network, small images and small batches.
        """
        values = yaml.safe_load(Path("config", file).read_text())["task2sim"]["pretrain"]
        changes = {"processes": 1, "warmup_epochs": 1, **changes}
        if self.tiny:
            changes |= {"model": "resnet10t", "model_options": SMALL_NETWORK, "batch_size": 8}
            changes["image_size"] = 32
        # Without validation, or a key that excludes others would have to be known here.
        return Pretrain(**values).model_copy(update=changes)

    def seconds(self, call: Callable[[], object], repeat: int = 1) -> float:
        """Return the fewest seconds by the clock that a call takes, the GPU's work included."""
        best = float("inf")
        for _ in range(repeat):
            started = time.perf_counter()
            call()
            if self.on_cuda:
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - started)
        return best

    def gigabytes(self) -> float:
        """Return the most memory of the GPU that torch held since the last call, 0 on a CPU."""
        if not self.on_cuda:
            return 0.0
        most = torch.cuda.max_memory_allocated() / 1e9
        torch.cuda.reset_peak_memory_stats()
        return most

    def on_cpu(self, name: str, make: Callable[[Bench, str], Arrays]) -> Arrays:
        """Return what the CPU makes: from the reference, or made here.

        Args:
            make: takes the bench and the device.
        """
        if self.reference is not None:
            with np.load(self.reference) as stored:
                found = {
                    key.split("/", 1)[1]: stored[key]
                    for key in stored
                    if key.startswith(f"{name}/")
                }
            if found:
                return found
        return make(self, "cpu")

    def expect(self, fulfilled: bool, otherwise: str) -> None:
        """Note a problem where something is not as it should be."""
        if not fulfilled:
            self.problems.append(otherwise)

    def rate(self, stage: str, work: float, rate: float, conditions: str) -> None:
        """Keep a row for config/rates.tsv."""
        self.rates.append(row(stage, self.device, work, rate, conditions, SOURCE))


def silent(line: str) -> None:
    """Report nothing."""


def relative_difference(values: np.ndarray, wanted: np.ndarray) -> float:
    """Return the norm of the difference over the norm of what is wanted."""
    values, wanted = values.astype(np.float64), wanted.astype(np.float64)
    return float(np.linalg.norm(values - wanted) / np.linalg.norm(wanted))
