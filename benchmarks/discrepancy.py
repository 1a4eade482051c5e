"""Measure a call of each discrepancy with its gradient, beside an MMD that keeps nothing.

Prints a Markdown table and writes it to discrepancy.md beside this file.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from machine import describe_machine

from simtailor.metasim.discrepancy import (
    EnergyDistance,
    MaximumMeanDiscrepancy,
    SlicedWassersteinDistance,
)

BATCH, TARGETS, REFERENCE = 50, (200, 1600), 100
FEATURES = {
    "pyramid of 32, 16, 8, 4": [3 * size * size for size in (32, 16, 8, 4)],
    "one level of 2,048": [2048],
}
HELD = 1_000_000  # differences of the target's own term that the naive MMD holds at a time
Levels = Sequence[torch.Tensor]


class NaiveMMD:
    """The same MMD from differences of all pairs, [n, m, D], with nothing kept between calls."""

    def __init__(self, target: Levels, bandwidths: Levels) -> None:
        self.target, self.bandwidths = target, bandwidths

    def __call__(self, generated: Levels) -> torch.Tensor:
        """Return the unbiased squared MMD, summed over the levels."""
        total = generated[0].new_zeros(())
        for level, target, bandwidths in zip(generated, self.target, self.bandwidths, strict=True):
            within = self._sum(level, level, bandwidths) - len(level)
            parts = target.split(max(1, int((HELD / target.shape[1]) ** 0.5)))
            sums = [self._sum(part, other, bandwidths) for part in parts for other in parts]
            own = torch.stack(sums).sum() - len(target)
            across = self._sum(level, target, bandwidths) / (len(level) * len(target))
            total = total + within / (len(level) * (len(level) - 1))
            total = total + own / (len(target) * (len(target) - 1)) - 2 * across
        return total

    def _sum(
        self, first: torch.Tensor, second: torch.Tensor, bandwidths: torch.Tensor
    ) -> torch.Tensor:
        squared = (first[:, None] - second[None]).square().sum(2)
        return torch.stack([torch.exp(-squared / width) for width in bandwidths]).mean(0).sum()


def measure(
    call: Callable[[Levels], torch.Tensor], generated: Levels, seconds: float
) -> tuple[float, float]:
    """Return CPU milliseconds, the best of the calls that fit into ``seconds``, and the value.

    A first call fills caches; where one call alone takes longer, it counts.
    """
    times, started = [], time.perf_counter()
    while len(times) < 2 or time.perf_counter() - started < seconds:
        inputs = [level.clone().requires_grad_() for level in generated]
        start = time.process_time()
        value = call(inputs)
        value.backward()
        times.append(time.process_time() - start)
        if times[0] > seconds:
            break
    return 1000 * min(times), float(value.detach())


def rows(seconds: float) -> list[str]:
    """Measure everything and return the rows of the table."""
    random = torch.Generator().manual_seed(0)
    lines = []
    for name, sizes in FEATURES.items():
        for count in TARGETS:
            target, reference, generated = (
                [torch.rand(n, size, generator=random) / size**0.5 for size in sizes]
                for n in (count, REFERENCE, BATCH)
            )
            mmd = MaximumMeanDiscrepancy(target, reference)
            ours, value = measure(mmd, generated, seconds)
            naive, expected = measure(NaiveMMD(target, mmd.bandwidths), generated, seconds)
            assert abs(value - expected) < 1e-4, (value, expected)
            sliced, _ = measure(SlicedWassersteinDistance(target, reference), generated, seconds)
            energy, _ = measure(EnergyDistance(target, reference), generated, seconds)
            lines.append(
                f"| {name} | {count:,} | {ours:.1f} | {naive:,.0f} | {naive / ours:.0f} "
                f"| {sliced:.1f} | {energy:.1f} |"
            )
    return lines


def report(seconds: float) -> str:
    """Measure and return the report."""
    torch.set_num_threads(1)
    lines = [
        "# Discrepancy benchmark",
        "",
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Machine: {describe_machine()}",
        f"- CPU milliseconds of one call and its gradient for {BATCH} generated images, one "
        "thread, best of the calls after the first; the target's part is computed before. "
        "MMD: 5 bandwidths about each of 2 medians; sliced Wasserstein: 128 directions a level.",
        "- Naive: the same MMD, of equal value, from differences of all pairs [n, m, D], "
        f"computing the target's own term at every call, {HELD * 4 // 10**6} MB at a time; "
        "where a first call takes longer than the time of a measurement, it is the only one.",
        "",
        "| features | targets | MMD | naive MMD | naive / ours | sliced Wasserstein | energy |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *rows(seconds), ""])


def main() -> None:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    text = report(options.seconds)
    sys.stdout.write(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
