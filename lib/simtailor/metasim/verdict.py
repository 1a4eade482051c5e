"""The verdict: is the fit as good as the images can tell?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simtailor.metasim.confidence import Interval
from simtailor.metasim.evaluation import TOLD_APART_BELOW, HeldOutComparison
from simtailor.metasim.progress import Progress

FEW_IMAGES = 50
WORTH_SAYING = 1.05  # of the misfit


def verdict(
    comparison: HeldOutComparison,
    intervals: Mapping[str, Interval],
    progress: Progress,
    *,
    by_pixels: bool = False,
) -> tuple[bool, str]:
    """Return whether the training converged, and plain sentences that say why.

    It did where nothing that the images tell speaks against the fit: held-out images cannot be
    told from generated ones, and those that it was fitted to move no attribute further than
    chance allows.

    Args:
        intervals: by the name of the attribute.
        by_pixels: whether the features are the pixels themselves.
    """
    apart = comparison.p_end < TOLD_APART_BELOW
    off = _numbers(intervals, "off")
    test = (
        f"a permutation test on {comparison.images} held-out images "
        f"{'still tells' if apart else 'cannot tell'} generated from target images apart "
        f"(p = {comparison.p_end:.3f})"
    )
    if comparison.images < FEW_IMAGES:
        test += ", though so few images show only large differences"
    fell = (
        f"the discrepancy to held-out target images went from {comparison.start:.3g} to "
        f"{comparison.end:.3g}, where chance allows {comparison.chance:.3g}"
    )
    if comparison.p_start >= TOLD_APART_BELOW:
        fell = "the prior's images could not be told from the target's to begin with"
    converged = not apart and not off
    words = "Converged" if converged else "Not converged"
    if converged and comparison.images < FEW_IMAGES:
        words = f"Converged as far as {comparison.images} images can tell"
    sentences = [f"{words}: {fell}, and {test}."]
    if off:
        sentences.append(
            f"The images would move {_listed(off)} further than chance allows; more "
            "training.epochs or training.search.rounds may help."
        )
    elif apart:
        sentences.append(_advice(progress))
    if comparison.misfit > WORTH_SAYING:
        sentences.append(
            f"The intervals are {comparison.misfit:.1f} times wider than chance alone asks, for "
            "the renderer does not look like the target."
        )
        if by_pixels:
            sentences.append(
                "If colours, light or camera differ, features: {kind: edges} compares where the "
                "edges are."
            )
    untold = [name for name in _numbers(intervals, "untold") if name not in off]
    if untold:
        sentences.append(f"The images do not tell {_listed(untold)}.")
    return converged, " ".join(sentences)


def _numbers(intervals: Mapping[str, Interval], which: str) -> list[str]:
    """Return the names of means and spreads that are ``off``, or ``untold``."""
    found = []
    for name, interval in intervals.items():
        for word, known in (("mean", interval.known_mean), ("spread", interval.known_spread)):
            if known.off if which == "off" else not known.told:
                found.append(f"the {word} of {name}")
    return found


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _advice(progress: Progress) -> str:
    """Return what may be the reason, and what to do."""
    steps = progress.notes.get("steps", {})
    blind = [name for name, step in steps.items() if step["response"] == 0]
    if blind:
        return (
            f"No picture changes when {', '.join(blind)} moves a step: the object may be outside "
            "the frame, or the renderer may not draw this attribute."
        )
    if "stopped" not in progress.notes and _still_falling(progress):
        return "It was still falling at the last epoch: raise training.epochs."
    return (
        "It had stopped falling: if more training.search.rounds or scenes_per_epoch do not help, "
        "the renderer cannot reach this target with the attributes that may change. Compare the "
        "last two rows of images.png: what differs (object, background, "
        "light, frame) has to become an attribute, or be cut from the photographs."
    )


def _still_falling(progress: Progress) -> bool:
    """Return whether the validation fell in the last quarter of the epochs by more than chance."""
    validation = progress.column("validation")
    before = validation[-1 - max(1, progress.epoch // 4)]
    return bool(validation[-1] < before - progress.notes["tolerance"])
