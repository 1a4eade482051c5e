"""MLflow with its file store: no server and no database, and jobs may write side by side.

MLflow keeps this store as it is, without new features, and asks for ``MLFLOW_ALLOW_FILE_STORE``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simtailor.tracking.registry import Tracker, register_tracker

EXPERIMENT = "simtailor"
ALLOWED = "MLFLOW_ALLOW_FILE_STORE"
NAME = "mlflow.runName"
LONGEST = 500  # characters of a parameter that every version takes


@register_tracker("mlflow", installed=find_spec("mlflow") is not None)
class MLflow(Tracker):
    """Writes to the experiment ``simtailor``; a run that goes on is found by its name."""

    def __init__(self, folder: Path, run: str, settings: Mapping[str, Any]) -> None:
        os.environ.setdefault(ALLOWED, "true")
        mlflow = import_module("mlflow")
        folder.mkdir(parents=True, exist_ok=True)
        self._client = mlflow.MlflowClient(tracking_uri=folder.absolute().as_uri())
        experiment = self._experiment(mlflow.MlflowException)
        found = self._client.search_runs([experiment], f"tags.`{NAME}` = '{run}'")
        if found:
            self._run = found[0].info.run_id
            return
        self._run = self._client.create_run(experiment, run_name=run).info.run_id
        for name, value in settings.items():
            self._client.log_param(self._run, name, json.dumps(value)[:LONGEST])

    def _experiment(self, taken: type[Exception]) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return found.experiment_id
        try:
            return self._client.create_experiment(EXPERIMENT)
        except taken:  # another job was faster
            return self._client.get_experiment_by_name(EXPERIMENT).experiment_id

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._run)
