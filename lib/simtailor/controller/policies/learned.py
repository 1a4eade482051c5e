"""The published controller as a policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simtailor.controller.database import Study
from simtailor.controller.distances import unit
from simtailor.controller.policies.policy import register
from simtailor.controller.policies.reinforce import Networks, Problem
from simtailor.controller.settings import Controller

LEAST = 1e-30  # keeps logarithms finite


def problem_of(study: Study) -> Problem:
    """Return what the networks learn from a study; gaps earn as the other tasks suggest."""
    scores, means, spreads = study.standardised()
    rewards = scores * spreads[:, None] + means[:, None]
    return Problem(unit(study.vectors), rewards, study.values()[1])


@register("reinforce")
@dataclass(frozen=True)
class Reinforced:
    """One network a seed."""

    settings: Controller

    def fit(self, study: Study, seeds: Sequence[int], device: str) -> LearnedScores:
        networks = Networks(problem_of(study), self.settings.reinforce, seeds, device)
        networks.train()
        return LearnedScores(networks)


@dataclass(frozen=True)
class LearnedScores:
    """Log-probability of every set under each seed's policy."""

    networks: Networks

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        probabilities = self.networks.probabilities(unit(vectors))  # [N, M, P, L]
        logarithms = np.log(np.maximum(probabilities, LEAST))
        values = self.networks.problem.values  # [S, P]
        return sum(logarithms[:, :, p, values[:, p]] for p in range(values.shape[1]))


@dataclass(frozen=True)
class Averaged:
    """The mean over the seeds of another policy's scores: an ensemble."""

    members: LearnedScores

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        return self.members.scores(vectors).mean(axis=0, keepdims=True)


@register("reinforce_ensemble")
@dataclass(frozen=True)
class Ensemble:
    """All seeds' networks together, by their mean log-probabilities."""

    settings: Controller

    def fit(self, study: Study, seeds: Sequence[int], device: str) -> Averaged:
        return Averaged(Reinforced(self.settings).fit(study, seeds, device))
