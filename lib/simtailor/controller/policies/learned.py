"""The published controller as a policy, mended and as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simtailor.controller.database import Study
from simtailor.controller.policies.policy import register
from simtailor.controller.settings import Controller
from simtailor.task2vec.distances import unit

if TYPE_CHECKING:  # it imports torch, which a recommendation does without
    from simtailor.controller.policies.reinforce import Networks, Problem

LEAST = 1e-30  # keeps logarithms finite
CURVE_STEP = 10  # epochs


def problem_of(study: Study) -> Problem:
    """Return what the networks learn from a study; gaps earn as the other tasks suggest."""
    from simtailor.controller.policies.reinforce import Problem  # noqa: PLC0415

    scores, means, spreads = study.standardised()
    rewards = scores * spreads[:, None] + means[:, None]
    return Problem(unit(study.vectors), rewards, study.values()[1])


@register("reinforce")
@dataclass(frozen=True)
class Reinforced:
    """The published controller, each task learning from its own choice; one network a seed."""

    settings: Controller
    index_defect = False

    def fit(self, study: Study, seeds: Sequence[int]) -> LearnedScores:
        from simtailor.controller.policies.reinforce import Networks  # noqa: PLC0415

        networks = Networks(problem_of(study), self.settings.reinforce, seeds, self.index_defect)
        begun = networks.begin(networks.problem.vectors)
        curve: dict[int, np.ndarray] = {}

        def watch(epoch: int, now: Networks) -> None:
            if (epoch + 1) % CURVE_STEP == 0:
                choices = _log_probabilities(now, begun).argmax(axis=2)  # [N, T]
                tasks = np.arange(len(study.tasks))
                curve[epoch + 1] = now.problem.rewards[tasks, choices].mean(axis=1)

        networks.train(watch)
        return LearnedScores(networks, curve)


@register("reinforce_published")
class PublishedReinforced(Reinforced):
    """The published controller with the index defect of its loss, for comparison."""

    index_defect = True


@dataclass(frozen=True)
class LearnedScores:
    """Log-probability of every set under each seed's policy.

    Attributes:
        curve: by epoch, the mean reward of the likeliest parameters on the training tasks,
            float64 [N], percent.
    """

    networks: Networks
    curve: dict[int, np.ndarray]

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        return _log_probabilities(self.networks, self.networks.begin(unit(vectors)))

    def together(self, vectors: np.ndarray) -> np.ndarray:
        """Return the scores of all seeds' networks as one, float64 [1, M, S].

        Their probabilities are averaged head by head. Source: Lakshminarayanan et al., "Simple
        and Scalable Predictive Uncertainty Estimation using Deep Ensembles" (NIPS 2017).
        """
        probabilities = self.networks.probabilities(self.networks.begin(unit(vectors)))
        return _of_sets(probabilities.mean(axis=0, keepdims=True), self.networks)


def _log_probabilities(networks: Networks, begun: tuple) -> np.ndarray:
    return _of_sets(networks.probabilities(begun), networks)


def _of_sets(probabilities: np.ndarray, networks: Networks) -> np.ndarray:
    """Return log-probabilities of sets [N, M, S] from those of values [N, M, P, L]."""
    logarithms = np.log(np.maximum(probabilities, LEAST))
    values = networks.problem.values  # [S, P]
    return sum(logarithms[:, :, p, values[:, p]] for p in range(values.shape[1]))
