"""What the machine is and has."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import torch

from gpu_checks.bench import Bench
from simtailor.devices import check_device, gpu_count
from simtailor.evaluate.neighbours import search_libraries


def environment(bench: Bench) -> dict[str, Any]:
    """Return what the machine has; checks that torch sees the device."""
    check_device(bench.device)
    found: dict[str, Any] = {
        "cores": len(os.sched_getaffinity(0)),
        "GPUs of the driver": gpu_count(),
        "neighbours by": ", ".join(search_libraries(bench.device)),
    }
    if bench.on_cuda:
        properties = torch.cuda.get_device_properties(bench.device)
        found |= {
            "GPU": properties.name,
            "memory, GB": properties.total_memory / 1e9,
            "compute capability": f"{properties.major}.{properties.minor}",
            "torch's CUDA": torch.version.cuda,
            "driver": _driver(),
        }
    return found


def _driver() -> str:
    if shutil.which("nvidia-smi") is None:
        return "nvidia-smi is not there"
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
    return (said.stdout or said.stderr).strip().replace("\n", ", ")
