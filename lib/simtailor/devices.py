"""The cores, and whether the device of the configuration is there: while planning, in a job."""

from __future__ import annotations

import ctypes
import os

from simtailor.errors import UserError


def cores_here() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def number_of(device: str) -> int:
    """Return the number of a CUDA device: that behind the colon, or 0."""
    return int(device.partition(":")[2] or 0)


def gpu_driver() -> tuple[ctypes.CDLL | None, int]:
    """Return NVIDIA's driver, begun, and how many GPUs it shows; None and 0 without one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int(0)
        failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    except (OSError, AttributeError):
        return None, 0
    return (None, 0) if failed else (driver, count.value)


def gpu_count() -> int:
    """Return how many GPUs NVIDIA's driver shows, 0 without one; takes no torch, so no seconds."""
    return gpu_driver()[1]


def device_warning(device: str) -> str | None:
    """Return what is wrong with the device on this machine, as a sentence, or None."""
    if device == "cpu" or number_of(device) < (count := gpu_count()):
        return None
    seen = "no GPU is seen here" if not count else f"only {count} GPU(s) are seen here, from 0"
    return (
        f"device: '{device}', but {seen}: jobs on this machine will fail. Set device: cpu, or "
        "run where there is one."
    )


def check_device(device: str) -> None:
    """Check in a job that torch can use the device.

    Raises:
        UserError: it cannot.
    """
    if device == "cpu":
        return
    import torch  # noqa: PLC0415  the workflow reads this module while it plans

    key = f"configuration key 'device': '{device}', but torch {torch.__version__}"
    if not torch.cuda.is_available():
        raise UserError(f"{key} sees no GPU; install a CUDA build of torch or set device: cpu")
    if number_of(device) >= torch.cuda.device_count():
        raise UserError(
            f"{key} sees {torch.cuda.device_count()} GPU(s), counted from 0; set device: cuda"
        )
