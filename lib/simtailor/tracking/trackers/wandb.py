"""Weights & Biases, offline: no account and no network. ``wandb sync`` uploads it later."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simtailor.tracking.registry import Tracker, register_tracker

PROJECT = "simtailor"


@register_tracker("wandb", installed=find_spec("wandb") is not None)
class Wandb(Tracker):
    """Writes a folder ``offline-run-...`` a process; those of one run share its id."""

    def __init__(self, folder: Path, run: str, settings: Mapping[str, Any]) -> None:
        wandb = import_module("wandb")
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            mode="offline",
            project=PROJECT,
            name=run,
            id=run.replace("/", "-"),
            resume="allow",
            dir=str(folder),
            config=dict(settings),
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()
