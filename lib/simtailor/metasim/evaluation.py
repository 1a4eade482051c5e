"""Did the training work? Statistics of the attributes, and the held-out discrepancy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from simtailor.metasim.confidence import Interval
from simtailor.metasim.mmd import MaximumMeanDiscrepancy
from simtailor.metasim.settings import Experiment
from simtailor.metasim.shares import shares_of
from simtailor.render.renderer import Equivalents
from simtailor.scene.attributes import mean_and_spread, wasserstein_distance
from simtailor.scene.grammar_nodes import CLASS
from simtailor.scene.graph import SceneGraphBatch
from simtailor.seeds import generator

PERMUTATIONS = 500
TOLD_APART_BELOW = 0.01  # p-value: so often chance alone looks like a difference


@dataclass(frozen=True)
class HeldOutComparison:
    """Comparison of generated images with target images that the training never saw.

    Attributes:
        start, end: unbiased squared MMD before and after the training; about 0, and as
            often below as above, where nothing tells the sets apart.
        chance: what ``end`` is at most in 99 of 100 cases where nothing tells them apart.
        p_start, p_end: share of random splits of both sets whose MMD is at least as large
            (the permutation test of Gretton et al. 2012); small where they differ.
        images: number of held-out target images; the generated sets may have more.
    """

    start: float
    end: float
    chance: float
    p_start: float
    p_end: float
    images: int

    @property
    def misfit(self) -> float:
        """How much further than chance allows the generated images are: 1 where they are not.

        A ratio of distances; the MMD is squared.
        """
        return float(np.sqrt(max(1.0, self.end / self.chance))) if self.chance > 0 else 1.0


def compare_with_held_out(
    experiment: Experiment,
    before: list[torch.Tensor],
    after: list[torch.Tensor],
    held_out: list[torch.Tensor],
) -> HeldOutComparison:
    """Compare features of generated images, [n, D_l] a level, with those of the held-out target.

    By the MMD, whatever the training used, since it has a permutation test. The bandwidths come
    from the generated and the held-out images together, so that they do not know which is which.
    """
    factors = experiment.discrepancy.bandwidth_factors
    together = _joined(after, held_out)
    discrepancy = MaximumMeanDiscrepancy(together, before, factors=factors, unbiased=True)
    random = generator(int(experiment.seed or 0), "permutations")
    values, shares, count = [], [], len(before[0])
    for pooled in (_joined(before, held_out), together):
        kernel = discrepancy.kernel(pooled).cpu().double()
        orders = np.stack([random.permutation(len(kernel)) for _ in range(PERMUTATIONS)])
        orders = np.concatenate([np.arange(len(kernel))[None], orders])  # as they are, first
        found = _mmd_of_splits(kernel, torch.from_numpy(orders[:, :count]))
        value, splits = float(found[0]), found[1:]
        values.append(value)
        shares.append((int((splits >= value).sum()) + 1) / (PERMUTATIONS + 1))
    chance = float(splits.quantile(1 - TOLD_APART_BELOW))
    return HeldOutComparison(*values, chance, *shares, images=len(held_out[0]))


def _joined(first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.cat(levels) for levels in zip(first, second, strict=True)]


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
            row["generated"] |= _sureness(intervals[entry])
        classes = np.unique(prior.graphs.classes[:, node][prior.graphs.present[:, node]])
        if len(classes) > 1:
            row["classes"] = {
                str(layout.class_names[c]): _statistics(sources, entry, int(c)) for c in classes
            }
        table[layout.entry_name(*entry)] = row
    return table


def shares_table(sources: Mapping[str, SceneGraphBatch | None]) -> dict[str, dict[str, Any]]:
    """Return how often each class and number of objects comes, of each node that draws its number.

    ``off`` is the total variation distance of the generated shares to the target's, the share that
    would have to move; ``off_prior`` that of the prior's.

    Args:
        sources: scenes, among them ``prior`` and ``generated``; None where they are not known.
    """
    prior = sources["prior"]
    assert prior is not None
    layout, table = prior.layout, {}
    for drawn in layout.drawn:
        if not drawn.learnt:
            continue
        names = [str(layout.class_names[v]) if drawn.kind == CLASS else str(v)
                 for v in drawn.values]  # fmt: skip
        found = {name: shares_of(graphs, drawn) for name, graphs in sources.items() if graphs}
        row: dict[str, Any] = {
            name: dict(zip(names, shares.round(4).tolist(), strict=True))
            for name, shares in found.items()
        }
        for key, name in (("off", "generated"), ("off_prior", "prior")):
            if "target" in found:
                off = float(np.abs(found[name] - found["target"]).sum() / 2)
                row[key] = round(off, 4)
        table.setdefault(layout.source_keys[drawn.source], {})[drawn.kind] = row
    return table


def _sureness(interval: Interval) -> dict[str, Any]:
    """Return the intervals, and of how many images with known attributes they have the width."""
    found: dict[str, Any] = {}
    for name, ends, known in (
        ("mean", interval.mean, interval.known_mean),
        ("std", interval.spread, interval.known_spread),
    ):
        found[f"{name}_95"] = None if ends is None else [round(v, 6) for v in ends]
        found[f"{name}_effective_images"] = round(known.effective, 1)
    return found


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
