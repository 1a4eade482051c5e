"""What a table of measurements says of the machine and the versions."""

import importlib.metadata
import os
import platform
from pathlib import Path


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe_machine(*packages: str) -> str:
    """Return one line: processor, cores, Python and versions of packages."""
    names = ("torch", "warp-lang", "numpy", *packages)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
