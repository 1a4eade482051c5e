"""The nine simulation parameters."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simtailor.errors import UserError
from simtailor.simulation.parameters import (
    PARAMETER_NAMES,
    PUBLISHED_VALUES,
    SimulationParameters,
    enumerate_parameters,
)
from simtailor.simulation.settings import Simulation

PUBLISHED = Path(__file__).parents[2] / "shared/reference/task2sim/reward_db.json"
EACH = st.builds(
    SimulationParameters,
    **{n: st.integers(0, 3 if n == "materials" else 1) for n in PARAMETER_NAMES},
)


@given(EACH)
def test_name_and_parameters_turn_into_each_other(parameters):
    assert SimulationParameters.parse(str(parameters)) == parameters
    assert SimulationParameters(**parameters.as_dict()) == parameters


@given(st.text(max_size=20))
def test_any_other_text_is_refused_or_is_a_name(text):
    try:
        assert str(SimulationParameters.parse(text)) == text
    except UserError as error:
        assert text in str(error)


@pytest.mark.parametrize("name", ["1_0_0", "2_0_0_0_0_1_0_0_0", "0_0_0_0_0_4_0_0_0", "+1_0_0"])
def test_wrong_names_are_refused(name):
    with pytest.raises(UserError, match="names no simulated set"):
        SimulationParameters.parse(name)


def test_published_study_has_256_sets():
    names = {str(p) for p in enumerate_parameters()}
    assert len(names) == 256
    assert "1_0_1_0_1_3_0_1_0" in names


@pytest.mark.parametrize(("fraction", "count"), [(2, 128), (4, 64), (8, 32), (16, 16)])
def test_a_fraction_tells_each_effect_from_the_others_and_from_interactions_of_two(fraction, count):
    sets = list(enumerate_parameters(fraction=fraction))
    assert len(set(sets)) == count
    assert set(sets) <= set(enumerate_parameters())
    values = np.array([p.as_tuple() for p in sets])
    levels = np.where(values == values.max(0), 1, -1)[:, np.ptp(values, axis=0) > 0]
    assert levels.shape[1] == 8
    assert (levels.T @ levels == count * np.eye(8)).all()
    for first, second in combinations(range(8), 2):
        product = levels[:, first] * levels[:, second]
        assert not (product @ levels).any()  # with none of the parameters, themselves included
    assert [str(p) for p in sets] == [str(p) for p in enumerate_parameters(fraction=fraction)]


@pytest.mark.parametrize(
    ("values", "fraction", "words"),
    [
        (PUBLISHED_VALUES, 3, r"one in 3 of 256 .*possible beside 1: 2 \(128 sets\) or 4"),
        (PUBLISHED_VALUES, 64, "one in 64 of 256"),
        ({"backgr": [0, 1], "pose_rot": [0, 1]}, 2, "possible beside 1: none"),
        ({"materials": [0, 1, 3], "pose_rot": [0, 1]}, 2, "one or two values of each"),
    ],
)
def test_a_fraction_that_tells_nothing_is_refused_in_the_settings(values, fraction, words):
    with pytest.raises(ValidationError, match=words):
        Simulation(values={k: list(v) for k, v in values.items()}, fraction=fraction)


def test_names_are_those_of_the_published_database():
    if not PUBLISHED.exists():
        pytest.skip("the published reward database is not at hand")
    for rewards in json.loads(PUBLISHED.read_text()).values():
        assert set(rewards) == {str(p) for p in enumerate_parameters()}


def test_subset_varies_only_what_is_named():
    sets = list(enumerate_parameters({"backgr": (0, 1), "pose_rot": (0, 1)}))
    assert [p.as_tuple()[0] for p in sets] == [0, 0, 1, 1]
    with pytest.raises(UserError, match="pose_rot"):
        list(enumerate_parameters({"pose_rto": (0, 1)}))
    with pytest.raises(UserError, match="blur: 2"):
        list(enumerate_parameters({"blur": (2,)}))
