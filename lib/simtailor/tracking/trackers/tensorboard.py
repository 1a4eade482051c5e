"""TensorBoard: event files, a folder a run. ``tensorboard --logdir logs/tracking/tensorboard``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simtailor.tracking.registry import Tracker, register_tracker


@register_tracker("tensorboard", installed=find_spec("tensorboard") is not None)
class TensorBoard(Tracker):
    """Writes scalars; a run that goes on gets a further file in its folder."""

    def __init__(self, folder: Path, run: str, settings: Mapping[str, Any]) -> None:
        self._writer = import_module("torch.utils.tensorboard").SummaryWriter(str(folder / run))
        self._writer.add_text("settings", f"```\n{json.dumps(settings, indent=2)}\n```")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # a killed training keeps its curves

    def close(self) -> None:
        self._writer.close()
