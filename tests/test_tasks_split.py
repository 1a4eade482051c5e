"""Images are chosen evenly, and nothing that is alike lies on both sides of a split."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simtailor.seeds import generator
from simtailor.tasks.split import (
    balanced_choice,
    merged_groups,
    near_duplicates,
    split_by_groups,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(1, 150))
def test_a_choice_is_as_even_as_the_classes_allow(labels, count):
    labels = np.array(labels)
    chosen = balanced_choice(labels, count, generator(0))
    assert len(np.unique(chosen)) == len(chosen) == min(count, len(labels))
    taken = np.bincount(labels[chosen], minlength=5)
    left = np.bincount(labels, minlength=5) - taken
    # Whoever has images left got at most one fewer than any other.
    assert all(taken[c] >= taken.max() - 1 for c in range(5) if left[c])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), min_size=30, max_size=120),
    st.floats(0.2, 0.5),
)
def test_a_group_is_never_on_both_sides(pairs, share):
    labels, groups = np.array(pairs).T
    labels, groups = (np.unique(v, return_inverse=True)[1] for v in (labels, groups))
    test = split_by_groups(labels, groups, share, generator(0))
    assert not set(groups[test]) & set(groups[~test])
    assert set(labels[test]) == set(labels)


def test_a_large_group_still_gives_its_class_a_test_part():
    labels, groups = np.repeat([0, 1], [9, 10]), np.array([0] * 4 + [1] * 5 + list(range(2, 12)))
    test = split_by_groups(labels, groups, 0.2, generator(0))
    assert np.bincount(labels[test]).tolist() == [4, 2]


def test_single_images_are_split_in_exact_shares():
    labels = np.repeat([0, 1, 2], [30, 60, 9])
    test = split_by_groups(labels, np.arange(99), 1 / 3, generator(0))
    assert np.bincount(labels[test]).tolist() == [10, 20, 3]
    other = split_by_groups(labels, np.arange(99), 1 / 3, generator(1))
    assert (test != other).any()


def test_copies_mirrored_copies_and_faint_changes_are_near_duplicates():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 16, 16, 3)).astype(np.uint8)
    images = images.repeat(4, 1).repeat(4, 2)  # 64 pixels
    images[1] = images[0]
    images[2] = images[0][:, ::-1]
    images[3] = np.clip(images[4].astype(int) + rng.integers(-3, 4, images[4].shape), 0, 255)
    groups = near_duplicates(images)
    assert len(set(groups[:3])) == 1
    assert groups[3] == groups[4]
    assert len(set(groups)) == 3


def test_different_digits_are_no_near_duplicates():
    from sklearn.datasets import load_digits  # noqa: PLC0415

    images = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    images = np.repeat(images[..., None], 3, -1).repeat(4, 1).repeat(4, 2)
    assert len(np.unique(near_duplicates(images))) > 0.99 * len(images)


def test_groupings_merge_to_what_both_keep_together():
    merged = merged_groups(np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 2]))
    assert len(set(merged[:3])) == 1
    assert merged[3] == merged[4] != merged[0]
