"""Chooses one of several starts, some of them after a few epochs on trial."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from simtailor.metasim.generator import Generator
from simtailor.metasim.progress import Weights
from simtailor.metasim.starts.candidates import FITTED, Candidate
from simtailor.metasim.starts.policy import STARTS, StartPolicy


def choose_start(
    candidates: Iterable[Candidate],
    generator: Generator,
    discrepancy: Callable[[], float],
    train_a_little: Callable[[], None],
    chance: float,
    report: Callable[[str], None],
    policy: StartPolicy = STARTS,
) -> dict[str, Any]:
    """Put the generator at the best start and return what was found.

    Of several starts that are about as good, the fitted and the best two others train for
    a few epochs first: what is wrong in one attribute shows only where the others are
    right. The matches know more of entries to which the image hardly responds than the
    discrepancy of a few scenes does, so another start has to be clearly better than the
    one fitted to them.

    Args:
        candidates: the starts, among them ``fitted``.
        discrepancy: of the generator as it is.
        train_a_little: trains it for the epochs of a trial.
        chance: how much a discrepancy varies by chance.

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
        found[candidate.name] = discrepancy()
        if candidate.one_mode:
            one_mode.add(candidate.name)
        report(f"start '{candidate.name}': mmd {found[candidate.name]:.4f}")
    after = dict(found)
    trials: list[str] = []
    if min(found.values()) > policy.surely_different * chance:
        trials = starts_on_trial(found, policy)
    while trials:
        name = trials.pop(0)
        generator.load_state_dict(weights[name])
        train_a_little()
        trained = discrepancy()
        report(f"start '{name}' after a trial: mmd {trained:.4f}")
        if trained < found[name]:
            after[name] = trained
            weights[name] = generator.weights()
        if name == FITTED and trained <= policy.surely_different * chance:
            # No other can be clearly better; a simpler one may be as good.
            trials = [rival for rival in trials if rival in one_mode]
    best = best_start(after, chance, one_mode, policy)
    generator.load_state_dict(weights[best])
    return {"chosen": best, "discrepancies": found, "after_trial": after}


def starts_on_trial(found: dict[str, float], policy: StartPolicy = STARTS) -> list[str]:
    """Return the names of the starts that train before one is chosen, none where one is far ahead.

    Args:
        found: discrepancy of each start.
    """
    most = policy.rival * min(found.values())
    rivals = [name for name in sorted(found, key=found.__getitem__) if found[name] <= most]
    return list(dict.fromkeys([FITTED, *rivals]))[: policy.trials] if len(rivals) > 1 else []


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
