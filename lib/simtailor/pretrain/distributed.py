"""The processes of a training, as torchrun or Slurm started them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

from simtailor.errors import UserError
from simtailor.pretrain.settings import Pretrain

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
SLURM = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES")
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
        """Return the process that torchrun's variables, or those of a Slurm step, describe.

        Raises:
            UserError: several processes are said, but not which of them this is.
        """
        if "WORLD_SIZE" in environment:
            if _numbers(environment, ["WORLD_SIZE"]) == [1]:  # as notebooks and pods leave behind
                return cls()
            return _checked(cls(*_numbers(environment, TORCHRUN)), TORCHRUN)
        # Those of the step: in a batch script SLURM_NTASKS says what could be started.
        if environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
            rank, count, local_rank, nodes = _numbers(environment, SLURM)
            local_count = max(-(-count // max(nodes, 1)), local_rank + 1)  # nodes may differ
            return _checked(cls(rank, count, local_rank, local_count), SLURM)
        return cls()


ALONE = Process()


def _numbers(environment: Mapping[str, str], names: Sequence[str]) -> list[int]:
    """Return the values of variables that the launcher of several processes sets."""
    absent = [name for name in names if name not in environment]
    wrong = [f"{n}={environment[n]!r}" for n in names if not environment.get(n, "0").isdecimal()]
    if absent or wrong:
        problem = f"{', '.join(absent)} not set" if absent else f"{', '.join(wrong)} not a number"
        count = "WORLD_SIZE" if "WORLD_SIZE" in names else "SLURM_STEP_NUM_TASKS"
        raise UserError(
            f"the environment announces a training in {environment.get(count)} processes "
            f"({count}), but with {problem} this process does not know which one it is: start all "
            f"of them with torchrun or srun, or unset {count} to train in one process"
        )
    return [int(environment[name]) for name in names]


def _checked(process: Process, names: Sequence[str]) -> Process:
    """Return the process, if its numbers fit together."""
    if not (
        process.rank < process.count and process.local_rank < process.local_count <= process.count
    ):
        raise UserError(
            f"the numbers of the training's processes do not fit together: process {process.rank} "
            f"of {process.count}, {process.local_rank} of {process.local_count} on its machine "
            f"({', '.join(names)}; the first is 0): start all of them with torchrun or srun"
        )
    return process


def own_gpu(process: Process, visible: int, environment: Mapping[str, str]) -> int:
    """Return the number of the GPU that a process of several on a machine takes.

    Args:
        visible: GPUs that this process sees.

    Raises:
        UserError: two processes would share one.
    """
    if visible == 1 and "SLURM_PROCID" in environment:
        return 0  # Slurm may show each task its own GPU only; NCCL stops if all see the same
    if process.local_count > visible:
        raise UserError(
            f"{process.local_count} processes on this machine, but {visible} GPUs: each process "
            "of a training needs one of its own; start fewer (task2sim.pretrain.processes, "
            "torchrun's --nproc-per-node, srun's --ntasks-per-node), or set device: cpu"
        )
    return process.local_rank


def launcher(settings: Pretrain, threads: int, environment: Mapping[str, str]) -> list[str]:
    """Return the command that starts a module in all processes of a training: torchrun.

    On several machines srun starts one on each, within the job of Slurm that this is.

    Args:
        threads: cores of the whole training.

    Raises:
        UserError: it is for several machines, but this is no job of Slurm.
    """
    nodes, each = settings.nodes, settings.processes // settings.nodes
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={each}"]
    if nodes == 1:
        return [*torchrun, "--standalone"]
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        raise UserError(
            f"configuration key 'task2sim.pretrain.nodes': {nodes}, but this is no job of Slurm: "
            "run with --profile slurm, or set it to 1"
        )
    # A batch job begins on the first of its machines.
    place = f"{socket.gethostname()}:{FIRST_PORT + int(job) % PORTS}"
    srun = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
    srun += [f"--cpus-per-task={max(threads // nodes, 1)}", "--kill-on-bad-exit=1"]
    meeting = [f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={place}"]
    return [*srun, *torchrun, *meeting, f"--rdzv-id={job}"]


@contextmanager
def training_process(
    device: str, environment: Mapping[str, str]
) -> Iterator[tuple[Process, torch.device]]:
    """Join the other processes, if there are any; yield this one and its device.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``; of several processes on a machine each takes
            a GPU of its own.
        environment: the variables that say which process this is; none for one alone.

    Raises:
        UserError: the variables do not fit together, or GPUs lack.
    """
    process, place = Process.from_environment(environment), torch.device(device)
    if process.count == 1:
        yield process, place
        return
    os.environ |= _meeting_point(environment)
    if place.type == "cuda":
        place = torch.device("cuda", own_gpu(process, torch.cuda.device_count(), environment))
        torch.cuda.set_device(place)
    distributed.init_process_group(
        "nccl" if place.type == "cuda" else "gloo", rank=process.rank, world_size=process.count
    )
    try:
        yield process, place
        distributed.barrier()  # none leaves before the first has written
    finally:
        distributed.destroy_process_group()


def _meeting_point(environment: Mapping[str, str]) -> dict[str, str]:
    """Return where the processes meet: as the launcher says, or a Slurm step's first machine."""
    names = ("MASTER_ADDR", "MASTER_PORT")
    if all(name in environment for name in names):
        return {name: environment[name] for name in names}
    try:
        machines = subprocess.run(
            ["scontrol", "show", "hostnames", environment["SLURM_STEP_NODELIST"]],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        port = FIRST_PORT + int(environment["SLURM_JOB_ID"]) % PORTS
    except (KeyError, OSError, ValueError, subprocess.CalledProcessError) as error:
        raise UserError(
            "the processes of this training do not know where to meet: MASTER_ADDR and "
            "MASTER_PORT are not both set, and Slurm's scontrol does not say; start them with "
            "torchrun, or set MASTER_ADDR to the first machine and MASTER_PORT to a free port"
        ) from error
    return {"MASTER_ADDR": machines[0], "MASTER_PORT": str(port)}
