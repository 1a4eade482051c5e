"""The numbers that starts are made and chosen by, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StartPolicy:
    """What makes a start, and which is taken."""

    # Fits to matches.
    fewest_of_a_class: int = 12  # matches that a start of a class, or of one mode, rests on
    fewest_to_bend: int = 40  # matches; fewer are taken as Gaussian
    not_gaussian: float = 0.01  # p-value of Shapiro and Wilk's test, at most
    far: float = 3.5  # spreads from the middle: such matches do not count for middle and width
    narrowest: float = 0.01  # width of a start, in spreads of the prior, at least
    widest: float = 20.0  # the same, at most
    mode: float = 1 / 4  # of a turn: as far from its densest place the main mode reaches
    dense: float = 1 / 24  # of a turn: matches so near count for how dense a place is

    # The contest.
    scenes: int = 400  # whose discrepancy is compared
    surely_different: float = 2.0  # times what chance allows: what is left is not chance
    rival: float = 5.0  # times the least discrepancy: such a start may train on trial
    trials: int = 3  # starts on trial, at most, the fitted one included
    heats: tuple[int, ...] = (3, 7)  # epochs of a trial, in parts: after each, the last fall out
    left_behind: float = 1.5  # times the discrepancy of the best on trial: such a start falls out
    least_gain: float = 0.5  # share of the fitted start's discrepancy that another has to reach


STARTS = StartPolicy()
