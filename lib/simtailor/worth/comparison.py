"""How the networks of each source do beside each other, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simtailor.worth.kind import Kind, Rows
from simtailor.worth.settings import FIT, PRIOR, REAL

NAMES = {PRIOR: "the prior", FIT: "the fit", REAL: "the target's own"}
WITHOUT_NETWORK = "no picture: the target's mean"


def share_closed(
    prior: Sequence[float], real: Sequence[float], value: Sequence[float], *, lower: bool = False
) -> float | None:
    """Return the share of the way from the prior to the real that a source closes, by means.

    Args:
        prior, real, value: one number a seed; lower: whether less is better.

    Returns:
        None where the real is no better than the prior.
    """
    low, high, reached = (float(np.mean(some)) for some in (prior, real, value))
    better = high < low if lower else high > low
    return round((reached - low) / (high - low), 3) if better else None


def twice_standard_error(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return twice the standard error of a difference of means; None of single numbers."""
    if min(len(first), len(second)) < 2:
        return None
    variance = sum(np.var(values, ddof=1) / len(values) for values in (first, second))
    return float(2 * np.sqrt(variance))


def closed(kind: Kind, sources: Mapping[str, Rows], source: str, name: str) -> float | None:
    """Return the share of the way that a source closes in what is judged; None where unknown."""
    if PRIOR not in sources or REAL not in sources or source in (PRIOR, REAL):
        return None
    values = (sources[s][name]["value"] for s in (PRIOR, REAL, source))
    return share_closed(*values, lower=kind.lower)


def table_of(kind: Kind, sources: Mapping[str, Rows], without: Rows) -> list[str]:
    """Return the table in Markdown: a row for what is judged and what it was trained on."""
    heads = [
        "what",
        "trained on",
        f"{kind.measure} by seed",
        "mean",
        "spread of seeds",
        *kind.heads,
    ]
    lines = [[*heads, "closed"], ["---"] * (len(heads) + 1)]
    for name, first in next(iter(sources.values())).items():
        unit = f" ({first['unit']})" if first["unit"] else ""
        if name in without:
            row = without[name]
            cells = ["", f"{row['value'][0]:.3g}", "", *kind.cells(row), ""]
            lines.append([f"{name}{unit}", WITHOUT_NETWORK, *cells])
        for source, rows in sources.items():
            row = rows[name]
            share = closed(kind, sources, source, name)
            values = row["value"]
            lines.append(
                [
                    f"{name}{unit}",
                    NAMES[source],
                    " ".join(f"{value:.3g}" for value in values),
                    f"{np.mean(values):.3g}",
                    f"{np.std(values, ddof=1):.2g}" if len(values) > 1 else "",
                    *kind.cells(row),
                    "" if share is None else f"{100 * share:.0f} %",
                ]
            )
    return [f"| {' | '.join(line)} |" for line in lines]


def sentences_of(kind: Kind, sources: Mapping[str, Rows]) -> list[str]:
    """Return in words what the table says of the fit beside the prior."""
    said: list[str] = []
    if PRIOR not in sources or FIT not in sources:
        return said
    for name, row in sources[FIT].items():
        ours, before = row["value"], sources[PRIOR][name]["value"]
        error = twice_standard_error(ours, before)
        beyond = "unknown, with one seed" if error is None else f"{error:.2g}"
        share = closed(kind, sources, FIT, name)
        way = "" if share is None else f", {100 * share:.0f} % of the way to {NAMES[REAL]}"
        unit = f" {row['unit']}" if row["unit"] else ""
        said.append(
            f"{name}: trained on the fit, the {kind.measure} is {np.mean(ours):.3g}{unit}, on the "
            f"prior {np.mean(before):.3g}{way}; twice the standard error of the difference by "
            f"seeds is {beyond}."
        )
    return said


def plain(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return rows with few digits."""

    def rounded(value: Any) -> Any:
        if isinstance(value, list):
            return [rounded(one) for one in value]
        return float(f"{value:.5g}") if isinstance(value, float) else value

    return {name: {k: rounded(v) for k, v in row.items()} for name, row in rows.items()}
