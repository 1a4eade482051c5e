"""Which GPUs of a machine a job uses: of several, those that the fewest other jobs use.

Jobs that run side by side on one machine know nothing of each other. Each holds locks on the
GPUs that it uses, in a folder of the user on the machine itself, which the system releases
however the job ends. What it does not use it does not see.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from simtailor.devices import gpu_driver

VISIBLE = "CUDA_VISIBLE_DEVICES"
SECONDS = 60  # in which the driver answers
MOST_SHARING = 64  # jobs on one GPU

_held: list[TextIO] = []  # until the process ends


def hold_gpus(count: int, device: str) -> list[str]:
    """Choose the GPUs of this job and let the process see no others.

    To be called before anything uses CUDA. It waits for nobody: where all GPUs are in use, it
    takes those that the fewest jobs use. How many jobs run at once is Snakemake's matter
    (``--resources gpu=4``).

    Args:
        count: how many; 0 changes nothing.
        device: the configuration's; ``cuda:1`` asks for that one, and nothing is chosen.

    Returns:
        their names for CUDA_VISIBLE_DEVICES; empty if nothing was chosen, as where the machine or
        the cluster shows the job no more than it needs.
    """
    if count == 0 or device != "cuda":
        return []
    names = visible_gpus()
    if len(names) <= count:
        return []
    chosen = _lock(names, count, lock_folder())
    os.environ[VISIBLE] = ",".join(chosen)
    return chosen


def visible_gpus() -> list[str]:
    """Return the names (``GPU-...``) of the GPUs that this process may use.

    In a process of its own: one that has asked the driver sees the same GPUs until it ends.
    """
    command = [sys.executable, "-m", "simtailor.gpus"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    return found.stdout.split() if found.returncode == 0 else []


def lock_folder() -> Path:
    """Return the folder of the locks, on this machine's own disk."""
    return Path(tempfile.gettempdir()) / f"simtailor-gpus-{os.getuid()}"


def _lock(names: Sequence[str], count: int, folder: Path) -> list[str]:
    """Lock and return ``count`` of the names, those with the fewest locks."""
    folder.mkdir(mode=0o700, exist_ok=True)
    chosen: list[str] = []
    with (folder / "choosing").open("w") as choosing:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(choosing, fcntl.LOCK_EX)  # one chooses at a time, within milliseconds
        for place in range(MOST_SHARING):
            for name in names:
                if len(chosen) < count and name not in chosen and _free(folder / f"{name}.{place}"):
                    chosen.append(name)
    first = os.getpid() % len(names)  # without locks, or with too many: spread by chance
    return chosen or [*names[first:], *names[:first]][:count]


def _free(path: Path) -> bool:
    """Lock a file until the process ends; return whether nobody else has."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    _held.append(file)
    return True


def _driver_names() -> list[str]:
    """Return the names of all GPUs that NVIDIA's driver shows to this process."""
    driver, count = gpu_driver()
    names = []
    for number in range(count):
        device, identity = ctypes.c_int(0), (ctypes.c_char * 16)()
        try:
            if driver.cuDeviceGet(ctypes.byref(device), number) or driver.cuDeviceGetUuid(
                ctypes.byref(identity), device
            ):
                return []
        except AttributeError:  # a driver too old for names
            return []
        names.append(f"GPU-{uuid.UUID(bytes=identity.raw)}")
    return names


if __name__ == "__main__":
    print("\n".join(_driver_names()))
