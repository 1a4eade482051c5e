"""Policies that look at no task vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simtailor.controller.database import Study
from simtailor.controller.policies.policy import register
from simtailor.controller.settings import Controller


@register("best_fixed")
@dataclass(frozen=True)
class BestFixed:
    """The set that served the known tasks best on average, each task's rewards z-scored."""

    settings: Controller

    def fit(self, study: Study, seeds: Sequence[int]) -> _Same:
        return _Same(study.standardised()[0].mean(axis=0))


@dataclass(frozen=True)
class _Same:
    """The same scores for every task, float64 [S]."""

    values: np.ndarray

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.values, (1, len(vectors), len(self.values)))
