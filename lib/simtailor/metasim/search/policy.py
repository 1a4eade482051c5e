"""The numbers that the search goes by, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchPolicy:
    """What the search does when; sizes that a user may set are in ``settings.Search``.

    Lengths of steps are shares of a full turn or of an attribute's range; distances are squared
    ones between scaled features, about 1 for a scene no nearer than those of the prior.
    """

    # New scenes.
    first_step: float = 0.1  # typical length of a small move in the first round
    last_step: float = 0.01  # the same in the last round, and of the jitter of mixtures
    kept_at_first: float = 0.3  # share of the first scenes that stay as the prior has them
    small_moves: float = 0.5  # share of the new scenes that are small moves
    mixtures: float = 0.3  # share that mixes two matches; the rest draws one attribute anew
    moved: float = 0.5  # probability that a small move moves an attribute
    jittered: float = 0.5  # share of the mixtures that get a jitter
    donors: float = 1 / 3  # share of the matches, the best ones, that mixtures take from

    # Which matches are good.
    best_share: float = 0.2  # quantile of the distances that others are compared with
    almost_as_good: float = 2.0  # times that distance: still good
    surely_good: float = 5e-4  # a distance: such a match is right, however near the others are

    # Refinement.
    refined_at: tuple[float, ...] = (0.5, 0.75, 1.0)  # shares of the rounds: all matches move
    settled: float = 0.98  # share of the distance left by more rounds: then the search ends
    iterations: int = 4  # steps of Levenberg and Marquardt
    first_damping: float = 0.03  # share of the curvature that is added to it
    less_damping: float = 0.3  # factor after a step that helped
    more_damping: float = 10.0  # factor after one that did not
    longest_step: float = 0.08  # of one iteration
    together: int = 64  # scenes whose derivatives are held in memory at a time

    # Second thoughts about poor matches.
    second_thoughts: int = 2  # times that all poor matches are tried with other values
    best_of_all: float = 0.15  # share of a class, its best matches, that others are compared with
    fewest_of_the_best: int = 6  # matches of a class that this share has at least
    beyond_doubt: float = 1.4  # times the distance of the best share: nothing else is tried
    several: float = 0.5  # share of the poor matches whose odd attributes all change at once

    # Test of groups of poses.
    fewest_of_a_class: int = 12  # matches that a statement on a class, or two groups, rests on
    fewest_of_a_group: float = 0.1  # share of the matches that a group has at least
    two_groups: float = 0.68  # share of the variance between groups; of a Gaussian's halves 0.64
    clearly_better: float = 0.75  # ratio of the median distances of two groups, at most
    surely_different: float = 1e-3  # p-value of the rank test between their distances, at most
    tried: int = 24  # images of a group that try the poses of the other
    sometimes: float = 0.05  # share of them that these must suit better, before the last round
    often: float = 0.3  # the same in the last round, where the group is dropped
    fewest_left: float = 0.1  # share of the images that is left at least; else none is dropped


POLICY = SearchPolicy()
