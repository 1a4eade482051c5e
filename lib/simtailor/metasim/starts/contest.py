"""Chooses one of several starts, some of them after a few epochs on trial."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from simtailor.metasim.generator import Generator
from simtailor.metasim.journal import Journal
from simtailor.metasim.progress import Weights
from simtailor.metasim.starts.candidates import FITTED, Candidate
from simtailor.metasim.starts.policy import STARTS, StartPolicy


def choose_start(
    candidates: Iterable[Candidate],
    generator: Generator,
    discrepancy: Callable[[], float],
    train: Callable[[int], None],
    chance: float,
    report: Callable[[str], None],
    policy: StartPolicy = STARTS,
    journal: Journal | None = None,
) -> dict[str, Any]:
    """Put the generator at the best start and return what was found.

    Of several starts that are about as good, the fitted and the best two others train for
    a few epochs first: what is wrong in one attribute shows only where the others are
    right. They do so in heats, and those left behind fall out (as in successive halving,
    Jamieson and Talwalkar, "Non-stochastic Best Arm Identification", 2016). The matches know
    more of entries to which the image hardly responds than the discrepancy of a few scenes
    does, so another start has to be clearly better than the one fitted to them.

    Args:
        candidates: the starts, among them ``fitted``.
        discrepancy: of the generator as it is.
        train: trains it for some epochs.
        chance: how much a discrepancy varies by chance.
        journal: keeps what was found, for a contest that is killed.

    Returns:
        The name of the one ``chosen``, and by name the ``discrepancies`` before and
        ``after_trial``.
    """
    weights: dict[str, Weights] = {}
    found: dict[str, float] = {}
    one_mode = set()
    for candidate in candidates:
        candidate.take()
        weights[candidate.name] = generator.weights()
        _, found[candidate.name] = _once(
            f"start '{candidate.name}'", lambda: None, generator, discrepancy, journal
        )
        if candidate.one_mode:
            one_mode.add(candidate.name)
        report(f"start '{candidate.name}': mmd {found[candidate.name]:.4f}")
    after = dict(found)
    trials: list[str] = []
    if min(found.values()) > policy.surely_different * chance:
        trials = starts_on_trial(found, one_mode, policy)
    trained_for = 0
    for epochs in policy.heats:
        trained_for += epochs
        for name in list(trials):
            if name not in trials:
                continue
            generator.load_state_dict(weights[name])
            heat = f"start '{name}' after {trained_for} epochs on trial"
            changed, trained = _once(heat, partial(train, epochs), generator, discrepancy, journal)
            report(f"{heat}: mmd {trained:.4f}")
            if trained < after[name]:
                after[name], weights[name] = trained, changed
            if name == FITTED and trained <= policy.surely_different * chance:
                # No other can be clearly better; a simpler one may be as good.
                trials = [name, *(rival for rival in trials if rival in one_mode)]
        trials = still_on_trial(trials, after, policy)
    best = best_start(after, chance, one_mode, policy)
    generator.load_state_dict(weights[best])
    return {"chosen": best, "discrepancies": found, "after_trial": after}


def _once(
    name: str,
    train: Callable[[], None],
    generator: Generator,
    discrepancy: Callable[[], float],
    journal: Journal | None,
) -> tuple[Weights, float]:
    """Train, and return the weights and the discrepancy then, or what an earlier process found."""
    known = None if journal is None else journal.recall(name)
    if known is None:
        train()
        known = {"weights": generator.weights(), "discrepancy": discrepancy()}
        if journal is not None:
            journal.keep(name, known)
    return known["weights"], known["discrepancy"]


def starts_on_trial(
    found: dict[str, float], one_mode: Collection[str] = (), policy: StartPolicy = STARTS
) -> list[str]:
    """Return the names of the starts that train before one is chosen, none where one is far ahead.

    Starts in one mode of several come first: one of them is right where the fitted one mixes two,
    while a start that is like the fitted one would find what that finds.

    Args:
        found: discrepancy of each start.
        one_mode: names of the starts in one mode of several.
    """
    most = policy.rival * min(found.values())
    rivals = [name for name in sorted(found, key=found.__getitem__) if found[name] <= most]
    first = sorted(rivals, key=lambda name: name not in one_mode)
    return list(dict.fromkeys([FITTED, *first]))[: policy.trials] if len(rivals) > 1 else []


def still_on_trial(
    names: list[str], found: dict[str, float], policy: StartPolicy = STARTS
) -> list[str]:
    """Return the starts that go on: those not left behind, and the fitted one beside a rival.

    Args:
        names: of the starts on trial; found: discrepancy of each.
    """
    most = policy.left_behind * min((found[name] for name in names), default=0.0)
    left = [name for name in names if name == FITTED or found[name] <= most]
    return left if len(left) > 1 else []


def best_start(
    found: dict[str, float],
    chance: float,
    one_mode: Collection[str],
    policy: StartPolicy = STARTS,
) -> str:
    """Return the name of the start to go on from.

    One mode is a simpler explanation than several, so it only must not be worse.

    Args:
        found: discrepancy of each start.
        chance: how much a discrepancy varies by chance.
        one_mode: names of the starts in one mode of several.
    """
    best, fitted = min(found, key=found.__getitem__), found[FITTED]
    if found[best] >= policy.least_gain * fitted or found[best] >= fitted - chance:
        best = FITTED
    simple = [name for name in found if name in one_mode]
    mode = min(simple, key=found.__getitem__, default=best)
    return mode if found[mode] <= found[best] + chance else best
