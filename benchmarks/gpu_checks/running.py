"""Runs checks one after the other; what each found is on disk before the next begins."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_checks.bench import Bench
from simtailor.files import staged
from simtailor.plan import COLUMNS

ROWS, TABLE, RATES = "rows.jsonl", "gpu.md", "rates.tsv"
LEAST_SECONDS = 5.0
TRACEBACK_LINES = 8


@dataclass(frozen=True)
class Check:
    """A check: what it does returns figures, in nested dictionaries.

    Attributes:
        seconds: that it takes on a server's GPU, guessed; without them left it is left out.
    """

    name: str
    call: Callable[[Bench], dict[str, Any]]
    seconds: float


class TimeIsUpError(Exception):
    """Ends a check that takes far longer than it should."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise ``TimeIsUpError`` in the block after so many seconds, between two steps of Python."""

    def stop(*_: object) -> None:
        raise TimeIsUpError(f"stopped after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(checks: Sequence[Check], bench: Bench, output: Path, budget: float, about: str) -> bool:
    """Run the checks that fit into the time; return whether all was as it should be.

    Args:
        output: folder of the results: a line of JSON a check, a table, rows for config/rates.tsv.
        budget: seconds for all of them.
        about: the machine, for the table's head.
    """
    started, rows = time.monotonic(), []
    with open(output / ROWS, "w") as file:
        for check in checks:
            left = budget - (time.monotonic() - started)
            row = _row(check, bench, left)
            rows.append(row)
            line = json.dumps(row, default=float)
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            _write_table(output / TABLE, rows, about)
            with staged(output / RATES) as staging:
                staging.write_text("\n".join(["\t".join(COLUMNS), *bench.rates, ""]))
    return all(row["status"] == "right" for row in rows)


def _row(check: Check, bench: Bench, left: float) -> dict[str, Any]:
    """Run a check and return its row, whatever happens."""
    if left < check.seconds:
        said = f"needs about {check.seconds:.0f} s, {left:.0f} s are left"
        return {"check": check.name, "status": "left out", "reason": said}
    bench.problems.clear()
    begun = time.monotonic()
    row: dict[str, Any] = {"check": check.name}
    try:
        with limited(max(left, LEAST_SECONDS)):
            figures = check.call(bench)
        row |= {"status": "wrong" if bench.problems else "right", "figures": figures}
    except Exception:
        row |= {"status": "failed", "error": traceback.format_exc().splitlines()[-TRACEBACK_LINES:]}
    row["seconds"] = round(time.monotonic() - begun, 2)
    return row | ({"problems": list(bench.problems)} if bench.problems else {})


def figures_of(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the figures of nested dictionaries with their names joined by commas."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from figures_of(inner, f"{name}, {key}" if name else str(key))
    else:
        yield name, value


def _write_table(path: Path, rows: Sequence[dict[str, Any]], about: str) -> None:
    lines = ["# The check on a GPU", "", about, "", "| check | s | | figure | value |",
             "|---|---|---|---|---|"]  # fmt: skip
    for row in rows:
        head = f"| {row['check']} | {row.get('seconds', '')} | {row['status']} "
        said = [("", text) for text in row.get("problems", [])]
        said += [("", row["reason"])] if "reason" in row else []
        said += [("", row["error"][-1])] if "error" in row else []
        for name, value in [*said, *figures_of(row.get("figures", {}))]:
            lines.append(f"{head}| {name} | {_shown(value)} |")
            head = "| | | "
    with staged(path) as staging:
        staging.write_text("\n".join([*lines, ""]))


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).replace("|", "/")
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
