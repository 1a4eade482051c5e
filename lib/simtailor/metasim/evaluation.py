"""Did the training work? Attribute statistics, held-out discrepancy and a plain verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from simtailor.metasim.confidence import Interval
from simtailor.metasim.mmd import MaximumMeanDiscrepancy
from simtailor.metasim.progress import Progress
from simtailor.metasim.settings import Experiment
from simtailor.render.renderer import Equivalents
from simtailor.scene.attributes import mean_and_spread, wasserstein_distance
from simtailor.seeds import generator

PERMUTATIONS = 500
TOLD_APART_BELOW = 0.01
FEW_IMAGES = 50
MOST_LEFT = 0.2


@dataclass(frozen=True)
class HeldOutComparison:
    """Comparison of generated images with target images that the training never saw.

    Attributes:
        start, end: unbiased squared MMD before and after the training; about 0, and as
            often below as above, where nothing tells the sets apart.
        p_start, p_end: share of random splits of both sets whose MMD is at least as large
            (the permutation test of Gretton et al. 2012); small where they differ.
        images: number of held-out target images; the generated sets may have more.
    """

    start: float
    end: float
    p_start: float
    p_end: float
    images: int

    @property
    def share_left(self) -> float:
        """What is left of the discrepancy at the start, at least 0; 0 where there was none."""
        return max(self.end, 0.0) / self.start if self.start > 0 else 0.0


def compare_with_held_out(
    experiment: Experiment,
    before: list[torch.Tensor],
    after: list[torch.Tensor],
    held_out: list[torch.Tensor],
) -> HeldOutComparison:
    """Compare features of generated images, [n, D_l] a level, with those of the held-out target.

    By the MMD, whatever the training used, since it has a permutation test.
    """
    factors = experiment.discrepancy.bandwidth_factors
    discrepancy = MaximumMeanDiscrepancy(held_out, before, factors=factors, unbiased=True)
    random = generator(int(experiment.seed or 0), "permutations")
    values, shares, count = [], [], len(before[0])
    for generated in (before, after):
        values.append(float(discrepancy(generated)))
        pooled = [torch.cat([a, t]) for a, t in zip(generated, held_out, strict=True)]
        kernel = discrepancy.kernel(pooled).cpu()
        orders = np.stack([random.permutation(len(kernel)) for _ in range(PERMUTATIONS)])
        splits = _mmd_of_splits(kernel.double(), torch.from_numpy(orders[:, :count]))
        exceeding = int((splits >= values[-1]).sum())
        shares.append((exceeding + 1) / (PERMUTATIONS + 1))
    return HeldOutComparison(*values, *shares, images=len(held_out[0]))


def _mmd_of_splits(kernel: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Return the unbiased MMD of splits of a pooled sample: float64 [P].

    Args:
        kernel: [n, n] of the pooled sample.
        first: int64 [P, m], the members of the first part of each split.
    """
    size, count = len(kernel), first.shape[1]
    off_diagonal = kernel - torch.diag(kernel.diagonal())
    member = torch.zeros(len(first), size, dtype=kernel.dtype).scatter_(1, first, 1.0)
    sums = member @ off_diagonal
    inside = (sums * member).sum(1)
    across = (sums * (1 - member)).sum(1)
    outside = off_diagonal.sum() - inside - 2 * across
    rest = size - count
    return (
        inside / (count * (count - 1))
        + outside / (rest * (rest - 1))
        - 2 * across / (count * rest)
    )  # fmt: skip


def attribute_table(
    prior: Equivalents,
    generated: Equivalents,
    target: Equivalents | None,
    intervals: Mapping[tuple[int, int], Interval] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the statistics of every mutable entry, in the attribute's own unit.

    Only scenes count in which the entry can be told from the picture. Where a node has
    several classes, each has its own table too, under ``classes``.

    Args:
        target: None where it is a folder of images.
        intervals: 95 % intervals of the generated means and spreads, by entry; what they lack
            is None in the table.
    """
    layout, table = prior.graphs.layout, {}
    sources = {"prior": prior, "generated": generated}
    if target is not None:
        sources["target"] = target
    for entry in layout.entries():
        node = entry[0]
        row = _statistics(sources, entry, None)
        if intervals is not None and row["generated"] is not None:
            interval = intervals.get(entry, Interval(None, None))
            for key, ends in (("mean_95", interval.mean), ("std_95", interval.spread)):
                row["generated"][key] = None if ends is None else [round(v, 6) for v in ends]
        classes = np.unique(prior.graphs.classes[:, node])
        if len(classes) > 1:
            row["classes"] = {
                str(layout.class_names[c]): _statistics(sources, entry, int(c)) for c in classes
            }
        table[layout.entry_name(*entry)] = row
    return table


def _statistics(
    sources: Mapping[str, Equivalents], entry: tuple[int, int], class_index: int | None
) -> dict[str, Any]:
    """Return one row of the table, of all classes or of one; None where nothing can be told."""
    node, feature = entry
    known = sources["prior"].graphs.layout.attribute(node, feature)
    row: dict[str, Any] = {"unit": known.unit, "prior": None, "target": None, "generated": None}
    samples = {}
    for name, source in sources.items():
        seen = source.identified[:, node, feature].copy()
        if class_index is not None:
            seen &= source.graphs.classes[:, node] == class_index
        if seen.any():
            samples[name] = source.graphs.values()[seen, node, feature]
            mean, spread = mean_and_spread(samples[name], known.period)
            row[name] = {"mean": round(mean, 6), "std": round(spread, 6)}
    for key, name in (("wasserstein", "generated"), ("wasserstein_prior", "prior")):
        row[key] = None
        if "target" in samples and name in samples:
            distance = wasserstein_distance(samples[name], samples["target"], known.period)
            row[key] = round(distance, 6)
    return row


def verdict(
    comparison: HeldOutComparison, converged_below: float, progress: Progress
) -> tuple[bool, str]:
    """Return whether the training converged, and plain sentences that say why."""
    apart = comparison.p_end < TOLD_APART_BELOW
    test = (
        f"a permutation test on {comparison.images} held-out images "
        f"{'still tells' if apart else 'cannot tell'} generated from target images apart "
        f"(p = {comparison.p_end:.3f})"
    )
    if comparison.images < FEW_IMAGES:
        test += ", though so few images show only large differences"
    if comparison.p_start >= TOLD_APART_BELOW:
        reason = "the prior's images could not be told from the target's to begin with"
        return not apart, f"{'Not converged' if apart else 'Converged'}: {reason}, and {test}."
    fell = (
        f"the discrepancy to held-out target images went from {comparison.start:.3g} to "
        f"{comparison.end:.3g} ({comparison.share_left:.1%} left; below {converged_below:.0%} "
        "counts as converged)"
    )
    if comparison.share_left < converged_below:
        return True, f"Converged: {fell}, and {test}."
    if not apart and comparison.share_left < MOST_LEFT:  # of few images the rest may be noise
        return True, f"Converged as far as {comparison.images} images can tell: {fell}, and {test}."
    return False, f"Not converged: {fell}; {test}. {_advice(progress)}"


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
