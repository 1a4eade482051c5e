"""Tailor a simulator's data to your real data: Meta-Sim and Task2Sim as one workflow.

``simtailor.fit`` and ``simtailor.make`` run it from Python.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
CALLS = ("fit", "make")


def __getattr__(name: str) -> Any:
    """Import what a call needs when it is asked for: parts of the package need Python alone."""
    if name in CALLS:
        return getattr(import_module("simtailor.calling"), name)
    raise AttributeError(f"module 'simtailor' has no attribute '{name}'")
