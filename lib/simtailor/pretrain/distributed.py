"""The processes of a training, as torchrun or Slurm started them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

FIRST_PORT, PORTS = 20000, 20000


@dataclass(frozen=True)
class Process:
    """One of the processes that train a network together.

    Attributes:
        rank, count: its number among all, and how many there are.
        local_rank, local_count: the same on its machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Return this process's part of ``count`` things, a multiple of the processes."""
        share = count // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Process:
        """Return the process that torchrun's variables, or those of a Slurm step, describe."""
        if "WORLD_SIZE" in environment:
            names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
            return cls(*(int(environment[name]) for name in names))
        # Those of the step: in a batch script SLURM_NTASKS says what could be started.
        if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
            names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
            rank, count, local_rank = (int(environment[name]) for name in names)
            local_count = -(-count // int(environment["SLURM_STEP_NUM_NODES"]))
            return cls(rank, count, local_rank, local_count)
        return cls()


ALONE = Process()


@contextmanager
def training_process(device: str) -> Iterator[tuple[Process, torch.device]]:
    """Join the other processes, if there are any; yield this one and its device.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``; of several processes on a machine each takes
            a GPU of its own.
    """
    process, place = Process.from_environment(os.environ), torch.device(device)
    if process.count == 1:
        yield process, place
        return
    if "MASTER_ADDR" not in os.environ:
        os.environ |= _slurm_meeting_point()
    if place.type == "cuda":
        # Slurm may show each task its own GPU only, which then is number 0.
        place = torch.device("cuda", process.local_rank % torch.cuda.device_count())
        torch.cuda.set_device(place)
    distributed.init_process_group(
        "nccl" if place.type == "cuda" else "gloo", rank=process.rank, world_size=process.count
    )
    try:
        yield process, place
        distributed.barrier()  # none leaves before the first has written
    finally:
        distributed.destroy_process_group()


def _slurm_meeting_point() -> dict[str, str]:
    """Return where the processes of a Slurm step meet: on its first machine."""
    machines = subprocess.run(
        ["scontrol", "show", "hostnames", os.environ["SLURM_STEP_NODELIST"]],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    port = FIRST_PORT + int(os.environ["SLURM_JOB_ID"]) % PORTS
    return {"MASTER_ADDR": machines[0], "MASTER_PORT": str(port)}
