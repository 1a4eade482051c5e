"""Statistics of attributes on the line and on the circle."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtailor.scene.attributes import Attribute, mean_and_spread, wasserstein_distance, wrapped

angles = st.lists(st.integers(-720, 720), min_size=1, max_size=7)
lines = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9)


def around(angle: float) -> float:
    """Return the distance of an angle to 0 on the circle, in degrees."""
    return min(angle % 360, -angle % 360)


@pytest.mark.parametrize(
    "values",
    [{"period": -1}, {"period": np.nan}, {"low": 2, "high": 2}, {"period": 360, "high": 90}],
)
def test_an_impossible_description_is_refused(values):
    with pytest.raises(ValueError, match=r"period|low"):
        Attribute(**values)


def test_wrapped_goes_the_short_way():
    np.testing.assert_allclose(wrapped(np.array([358, -358, 180, 10]), 360), [-2, 2, -180, 10])
    np.testing.assert_array_equal(wrapped(np.array([358.0]), 0), [358])


def test_mean_of_angles_across_the_seam():
    mean, spread = mean_and_spread(np.array([359.0, 1.0]), 360)
    assert mean == pytest.approx(0, abs=1e-9)  # not 180, and not 360
    assert spread == pytest.approx(1)


@settings(deadline=None)
@given(st.floats(-0.01, 0.01), st.integers(2, 20))
def test_mean_of_angles_stays_below_a_turn(centre, count):
    offsets = np.linspace(-5, 5, count)
    mean, _ = mean_and_spread(centre + offsets, 360)
    assert 0 <= mean < 360
    assert around(mean - centre) < 1e-9


@settings(deadline=None)
@given(st.lists(st.floats(-80, 80), min_size=1, max_size=20), st.floats(0, 360), st.integers(-2, 2))
def test_statistics_of_an_arc_are_those_of_the_line(offsets, centre, turns):
    offsets = np.array(offsets)
    mean, spread = mean_and_spread((centre + offsets) % 360 + 360 * turns, 360)
    # On an arc of less than half a turn the circle looks like a line.
    assert around(mean - centre - offsets.mean()) < 1e-6
    assert spread == pytest.approx(offsets.std(), abs=1e-6)


@settings(deadline=None)
@given(lines)
def test_statistics_on_the_line(values):
    mean, spread = mean_and_spread(np.array(values))
    assert (mean, spread) == (pytest.approx(np.mean(values)), pytest.approx(np.std(values)))


@settings(deadline=None)
@given(st.data(), st.integers(1, 9))
def test_distance_on_the_line_matches_sorted_values(data, count):
    samples = st.lists(st.floats(-1e3, 1e3), min_size=count, max_size=count)
    first, second = np.array(data.draw(samples)), np.array(data.draw(samples))
    expected = np.abs(np.sort(first) - np.sort(second)).mean()
    assert wasserstein_distance(first, second) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(lines, lines)
def test_distance_of_unequal_sizes_repeats_both(first, second):
    repeated = (np.repeat(first, len(second)), np.repeat(second, len(first)))
    expected = np.abs(np.sort(repeated[0]) - np.sort(repeated[1])).mean()
    distance = wasserstein_distance(np.array(first), np.array(second))
    assert distance == pytest.approx(expected, abs=1e-9)


def circle_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the cheapest matching of equal-size samples that keeps the order on the circle."""
    first, second = np.sort(first % 360), np.sort(second % 360)
    return min(
        np.abs(wrapped(first - np.roll(second, rotation), 360)).mean()
        for rotation in range(len(first))
    )


@settings(deadline=None, max_examples=200)
@given(st.data(), st.integers(1, 9))
def test_distance_on_the_circle_is_the_best_rotation(data, count):
    samples = st.lists(st.floats(-400, 800), min_size=count, max_size=count)
    first, second = np.array(data.draw(samples)), np.array(data.draw(samples))
    assert wasserstein_distance(first, second, 360) == pytest.approx(
        circle_distance(first, second), abs=1e-6
    )


@settings(deadline=None, max_examples=50)
@given(st.data(), st.integers(1, 5))
def test_distance_on_the_circle_is_the_best_of_all_matchings(data, count):
    samples = st.lists(st.integers(0, 359), min_size=count, max_size=count)
    first, second = np.array(data.draw(samples)), np.array(data.draw(samples))
    best = min(
        np.mean([around(a - b) for a, b in zip(first, matched, strict=True)])
        for matched in itertools.permutations(second)
    )
    assert wasserstein_distance(first, second, 360) == pytest.approx(best, abs=1e-9)


@settings(deadline=None)
@given(angles, angles, st.integers(0, 359))
def test_distance_on_the_circle_does_not_depend_on_the_zero(first, second, turn):
    first, second = np.array(first), np.array(second)
    distance = wasserstein_distance(first, second, 360)
    turned = wasserstein_distance(first + turn, second + turn, 360)
    assert turned == pytest.approx(distance, abs=1e-9)
    assert wasserstein_distance(second, first, 360) == pytest.approx(distance, abs=1e-9)


def test_distance_across_the_seam():
    assert wasserstein_distance(np.array([359.0]), np.array([1.0]), 360) == pytest.approx(2)
    assert wasserstein_distance(np.array([359.0]), np.array([1.0])) == pytest.approx(358)
