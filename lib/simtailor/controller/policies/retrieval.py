"""Policies that copy from the known tasks nearest to the new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simtailor.controller.database import Study
from simtailor.controller.policies.policy import register
from simtailor.controller.settings import Controller
from simtailor.task2vec.distances import cosine, symmetric

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
SHARES = np.linspace(0, 1, 11)


@dataclass(frozen=True)
class _Retrieval:
    """Scores of the ``count`` nearest tasks, averaged with the mean of all.

    Attributes:
        share: of the nearest tasks; the rest is the mean over all known tasks.
    """

    study: Study
    distance: Distance
    count: int
    share: float = 1.0

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        known = self.study.standardised()[0]
        near = self.distance(vectors, self.study.vectors).argsort(axis=1, kind="stable")
        nearest = known[near[:, : self.count]].mean(axis=1)
        return (self.share * nearest + (1 - self.share) * known.mean(axis=0))[None]


@register("nearest")
@dataclass(frozen=True)
class Nearest:
    """The nearest task's scores, by the angle between the vectors."""

    settings: Controller

    def fit(self, study: Study, seeds: Sequence[int]) -> _Retrieval:
        return _Retrieval(study, cosine, 1)


@register("neighbours")
@dataclass(frozen=True)
class Neighbours:
    """The mean scores of the nearest tasks, by Task2Vec's symmetric distance."""

    settings: Controller

    def fit(self, study: Study, seeds: Sequence[int]) -> _Retrieval:
        return _Retrieval(study, symmetric, self.settings.neighbours)


@register("shrinkage")
@dataclass(frozen=True)
class Shrinkage:
    """Between the nearest tasks and the mean of all; how far is chosen inside the known tasks.

    Each known task in turn plays the new one; the share with the smallest squared error of the
    scores is taken.
    """

    settings: Controller

    def fit(self, study: Study, seeds: Sequence[int]) -> _Retrieval:
        known = study.standardised()[0]
        errors = np.zeros(len(SHARES))
        for place, vector in enumerate(study.vectors):
            others = study.without(place)
            mean = others.standardised()[0].mean(axis=0)
            near = _Retrieval(others, symmetric, self.settings.neighbours).scores(vector[None])
            step = near[0, 0] - mean
            errors += [((known[place] - mean - s * step) ** 2).mean() for s in SHARES]
        share = float(SHARES[errors.argmin()])
        return _Retrieval(study, symmetric, self.settings.neighbours, share)
