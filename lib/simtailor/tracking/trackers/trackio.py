"""Trackio: a database of its own on this machine. ``TRACKIO_DIR=... trackio show``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simtailor.tracking.registry import Tracker, register_tracker

PROJECT = "simtailor"


@register_tracker("trackio", installed=find_spec("trackio") is not None)
class Trackio(Tracker):
    """Writes to the project ``simtailor``; a run that goes on keeps its name."""

    def __init__(self, folder: Path, run: str, settings: Mapping[str, Any]) -> None:
        os.environ["TRACKIO_DIR"] = str(folder.absolute())  # read when the package is imported
        trackio = import_module("trackio")
        self._run = trackio.init(
            project=PROJECT, name=run, resume="allow", config=dict(settings), embed=False
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()
