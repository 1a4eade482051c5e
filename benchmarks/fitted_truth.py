"""A random truth with the training's fit of it, as benchmarks/random_truths.py made both."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from image_posterior import Box, target_pictures
from random_truths import RANGES, TABLE

from simtailor.metasim.settings import Experiment
from simtailor.metasim.target import TargetImages, split_target

BEYOND = 3.0  # widest spreads by which the prior reaches beyond the truths' ranges


@dataclass(frozen=True)
class FittedTruth:
    """A random truth with our fit of it.

    Attributes:
        name: such as ``3_01``; experiment, target, rows: of its attributes in random_truths.tsv.
        fitted: int, the target images that our fit saw: those for training and validation.
        seconds: of the processor that our training took, by Snakemake.
    """

    name: str
    experiment: Experiment
    target: TargetImages
    rows: pd.DataFrame
    fitted: np.ndarray
    seconds: float

    @classmethod
    def read(cls, name: str, work: Path) -> FittedTruth:
        setup, number = name.split("_")
        full, table = f"truth_{name}", pd.read_csv(TABLE, sep="\t", dtype={"setup": str})
        rows = table[(table.setup == setup) & (table.truth == int(number))]
        log = work.parents[1] / "logs/benchmarks/metasim" / full / "train.tsv"
        target = work / "work/metasim" / full / "target.npz"
        if not len(rows) or not log.exists() or not target.exists():
            sys.exit(f"{name}: no fit in {work}; make it by benchmarks/random_truths.py {setup}")
        settings = yaml.safe_load((work / "experiments" / f"{full}.yaml").read_text())
        experiment, images = Experiment.model_validate(settings), TargetImages.read(target)
        parts = split_target(len(images.images), experiment.evaluation, int(experiment.seed or 0))
        fitted = np.concatenate([parts.training, parts.validation])
        seconds = float(pd.read_csv(log, sep="\t").cpu_time.iloc[0])
        return cls(name, experiment, images, rows, fitted, seconds)

    @property
    def setup(self) -> str:
        return self.name.split("_")[0]

    @property
    def renders(self) -> int:
        return int(self.rows.renders.iloc[0])

    def pictures(self) -> np.ndarray:
        """Return the target images that our fit saw, as networks see them."""
        return target_pictures(self.experiment, self.target)[self.fitted]

    def hidden(self) -> np.ndarray:
        """Return the target's hidden attributes, [n, E]."""
        layout = self.experiment.read_grammar(self.experiment.grammar).layout
        assert self.target.features is not None
        columns = [
            self.target.features[:, n, f] * layout.maximum[n, f] for n, f in layout.entries()
        ]
        return np.stack(columns, 1)


def wide_prior(experiment: Experiment) -> Box:
    """Return the box of the ranges from which truths are drawn, and ``BEYOND`` spreads around."""
    layout, middles, halves, periods = (
        experiment.read_grammar(experiment.grammar).layout,
        [],
        [],
        [],
    )
    for node, feature in layout.entries():
        (low, high), (_, widest) = RANGES[layout.features[feature]]
        period = float(layout.period[node, feature])
        half = (high - low) / 2 + BEYOND * widest
        middles.append((low + high) / 2)
        halves.append(min(half, period / 2) if period else half)
        periods.append(period)
    return Box(np.array(middles), np.array(halves), np.array(periods))
