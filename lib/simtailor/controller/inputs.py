"""What the workflow needs to know of the controller while it is planned; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simtailor.config import Configuration


def known_files(configuration: Configuration) -> tuple[str, str]:
    """Return the reward database and the task vectors to learn from."""
    settings = configuration.task2sim.controller
    return (
        settings.reward_db or f"{configuration.results}/task2sim/reward_db.json",
        settings.task_vectors or f"{configuration.results}/task2sim/task_vectors.npz",
    )


def reward_method(configuration: Configuration) -> str:
    """Return the method whose accuracy is the reward."""
    return configuration.task2sim.evaluate.reward
