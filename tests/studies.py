"""Studies for the tests of the controller: made up, and the published one where it is at hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from simtailor.controller.database import Study, read_study
from simtailor.simulation.parameters import enumerate_parameters

REFERENCE = Path(__file__).parents[2] / "shared/reference/task2sim"


def two_kinds(count=8, seed=0):
    """Tasks of two kinds that their vectors tell apart, with opposite effects."""
    rng = np.random.default_rng(seed)
    values = {"backgr": (0, 1), "blur": (0, 1), "pose_rot": (0, 1), "pose_scale": (0, 1)}
    sets = tuple(enumerate_parameters(values))
    levels = 2 * np.array([s.as_tuple() for s in sets])[:, [0, 1, 7, 8]] - 1
    base = rng.gamma(1.0, size=(2, 200))
    kinds = np.arange(count) % 2
    effects = np.where(kinds[:, None] == 0, [4.0, 1, 0, 2], [-4.0, 1, 0, -2])
    effects = effects + 0.3 * rng.standard_normal(effects.shape)
    rewards = 50 + effects @ levels.T + 0.2 * rng.standard_normal((count, len(sets)))
    vectors = base[kinds] * rng.uniform(0.9, 1.1, (count, 200))
    return Study(tuple("abcdefgh"[:count]), vectors, rewards, sets, np.full((count, 2), 0.2))


def published_study():
    """Return the published rewards and vectors, and the names of the tasks held out."""
    if not REFERENCE.exists():
        pytest.skip("the published reward database is not at hand (shared/reference/task2sim)")
    study = read_study(REFERENCE / "reward_db.json", REFERENCE / "task_vectors.npz")
    return study, json.loads((REFERENCE / "tasks.json").read_text())["unseen"]
