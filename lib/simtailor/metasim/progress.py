"""What a training has done so far: one row and the generator's weights an epoch."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from simtailor.files import read_json, staged, write_json
from simtailor.tracking import track

COLUMNS = ("epoch", "mmd", "validation", "blind", "reward", "seconds", "renders")
FORMATS = ("{:.0f}", "{:.6g}", "{:.6g}", "{:.4f}", "{:.4f}", "{:.2f}", "{:.0f}")
NOTHING = float("nan")  # of a value that an epoch has not

Weights = dict[str, torch.Tensor]


@dataclass
class Progress:
    """Rows and weights of the epochs.

    Attributes:
        rows: values of ``COLUMNS`` an epoch; epoch 0 is before the training. ``mmd`` is the
            discrepancy of the training's batches, ``validation`` that of fixed scenes to the
            validation part of the target, ``blind`` the share of steps of the central
            differences that changed no pixel, ``reward`` the task network's accuracy.
        weights: the generator's weights after each epoch, averaged where averaging runs.
        notes: what was decided on the way: the start, the steps of the differences, why the
            training stopped.
    """

    rows: list[list[float]] = field(default_factory=list)
    weights: list[Weights] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def renders(self) -> int:
        return int(self.rows[-1][COLUMNS.index("renders")]) if self.rows else 0

    @property
    def seconds(self) -> float:
        return float(self.rows[-1][COLUMNS.index("seconds")]) if self.rows else 0.0

    @property
    def epoch(self) -> int:
        """The last epoch."""
        return len(self.rows) - 1

    @property
    def last(self) -> dict[str, float]:
        """The last epoch's values by column."""
        return dict(zip(COLUMNS, self.rows[-1], strict=True))

    def __str__(self) -> str:
        last = self.last
        reward = f"accuracy {last['reward']:.1%}  " if last["reward"] == last["reward"] else ""
        return (
            f"mmd {last['mmd']:.4f}  validation {last['validation']:.4f}  {reward}"
            f"{self.renders} renders  {self.seconds:.0f} s"
        )

    def add(self, weights: Weights, **values: float) -> None:
        """Add an epoch; of the columns that are not given it has nothing."""
        self.rows.append([values.get(name, NOTHING) for name in COLUMNS])
        self.weights.append(weights)
        track(self.epoch, self.last)

    def column(self, name: str) -> np.ndarray:
        """Return a column, NaN where an epoch has no value."""
        return np.array([row[COLUMNS.index(name)] for row in self.rows])

    @property
    def best(self) -> int:
        """The epoch to use.

        The last one whose validation is as good as the best but for chance (one standard
        deviation, as in Breiman et al., "Classification and Regression Trees", 1984): the
        lowest of many noisy values is one that the noise favoured. After epochs of a task,
        the last whose reward is as good as the best in this sense; that before the task
        where all of them are worse.
        """
        rewards = self.column("reward")
        if np.isfinite(rewards).any():
            before, tolerance = self.notes["reward_before_task"], self.notes["reward_tolerance"]
            good = np.flatnonzero(rewards >= max(np.nanmax(rewards), before) - tolerance)
            return int(good[-1]) if len(good) else self.notes["before_task"]
        validation = self.column("validation")
        good = validation <= np.nanmin(validation[1:], initial=np.inf) + self.notes["tolerance"]
        return int(np.flatnonzero(good)[-1]) if len(validation) > 1 else 0

    def write(self, folder: str | Path) -> None:
        """Write progress.csv, notes.json and the weights of every epoch, history.safetensors."""
        folder = Path(folder)
        with staged(folder / "progress.csv") as staging, open(staging, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for row in self.rows:
                pairs = zip(row, FORMATS, strict=True)
                writer.writerow(["" if np.isnan(v) else f.format(v) for v, f in pairs])
        write_json(folder / "notes.json", self.notes)
        tensors = {
            name: torch.stack([weights[name] for weights in self.weights])
            for name in sorted(self.weights[0])
        }
        with staged(folder / "history.safetensors") as staging:
            save_file(tensors, staging)

    @classmethod
    def read(cls, folder: str | Path) -> Progress:
        """Read what ``write`` wrote."""
        folder = Path(folder)
        with open(folder / "progress.csv", newline="") as file:
            rows = [[float(row[name] or "nan") for name in COLUMNS] for row in csv.DictReader(file)]
        tensors = load_file(folder / "history.safetensors")
        weights = [{name: t[e] for name, t in tensors.items()} for e in range(len(rows))]
        return cls(rows, weights, read_json(folder / "notes.json"))
