"""What jobs took, by their benchmark files, beside what their rules ask for."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCHMARKS = Path("logs/benchmarks")
# Of what is asked for: above, another job may need more.
FULL = 0.8
# So many times what was used, and so much more, is far too much.
MANY = 4
MEMORY_ROOM_MB, MINUTES_ROOM = 4000, 120
# Of what was used; what to ask for instead.
ROOM = 1.5


@dataclass(frozen=True)
class Usage:
    """What the finished jobs of a rule took, and what each asked for.

    Attributes:
        memory_mb: most of any job, all its processes together; used_mb: None where none ran long
            enough to be looked at.
        minutes: of the longest job, by the clock.
    """

    rule: str
    jobs: int
    asked_mb: int
    used_mb: float | None
    asked_minutes: int
    minutes: float

    @property
    def advice(self) -> dict[str, int]:
        """Return by resource what to ask for instead, where it is too little or far too much."""
        found = {}
        if self.used_mb is not None and _unfit(self.asked_mb, self.used_mb, MEMORY_ROOM_MB):
            found["mem_mb"] = math.ceil(ROOM * self.used_mb / 500) * 500
        if _unfit(self.asked_minutes, self.minutes, MINUTES_ROOM):
            found["runtime"] = math.ceil(max(ROOM * self.minutes, 20) / 10) * 10
        return found

    @property
    def verdict(self) -> str:
        """Return in words what is wrong, or 'ok'."""
        words = []
        for name, asked, used in (
            ("memory", self.asked_mb, self.used_mb or 0),
            ("time", self.asked_minutes, self.minutes),
        ):
            if used > FULL * asked:
                words.append(f"too little {name}")
            elif {"memory": "mem_mb", "time": "runtime"}[name] in self.advice:
                words.append(f"far too much {name}")
        return ", ".join(words) or "ok"


def _unfit(asked: float, used: float, room: float) -> bool:
    return used > FULL * asked or (asked > MANY * used and asked - used > room)


def read_usage(rules: Sequence[Mapping[str, Any]], folder: str | Path = BENCHMARKS) -> list[Usage]:
    """Return the usage of the rules of which benchmark files are there.

    Args:
        rules: ``name``, ``files`` (a regular expression of its benchmark files' paths),
            ``memory_mb`` and ``minutes`` of a first attempt.
    """
    paths = sorted(Path(folder).rglob("*.tsv"))
    found = []
    for rule in rules:
        rows = [
            row for path in paths if re.fullmatch(rule["files"], str(path)) for row in _rows(path)
        ]
        if rows:
            memory = [row["max_rss"] for row in rows if row["max_rss"] is not None]
            found.append(
                Usage(
                    rule["name"],
                    len(rows),
                    rule["memory_mb"],
                    max(memory, default=None),
                    rule["minutes"],
                    max(row["s"] for row in rows) / 60,
                )
            )
    return found


def _rows(path: Path) -> Iterable[dict[str, float | None]]:
    """Yield seconds and MB of each run in a benchmark file; what is no such file has none."""
    try:
        for row in csv.DictReader(path.read_text().splitlines(), delimiter="\t"):
            known = {key: _number(row.get(key)) for key in ("s", "max_rss")}
            if known["s"] is not None:
                yield known
    except (OSError, UnicodeDecodeError):
        return


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:  # "NA" of a job that was too short to be looked at
        return None


def describe_usage(usage: Sequence[Usage]) -> str:
    """Return a table, and below it what to write into a profile."""
    if not usage:
        return (
            f"No job of this configuration has left a benchmark file in {BENCHMARKS} yet: make "
            "something first."
        )
    lines = [f"{'rule':24}{'jobs':>6}{'MB asked':>11}{'used':>9}{'minutes asked':>16}{'used':>9}"]
    lines += [
        f"{one.rule:24}{one.jobs:6,}{one.asked_mb:11,}"
        f"{'?' if one.used_mb is None else f'{one.used_mb:,.0f}':>9}"
        f"{one.asked_minutes:16,}{one.minutes:9,.1f}  {one.verdict}"
        for one in usage
    ]
    lines += ["", "Used: the most of any job, its last attempt; a resumed job counts from there."]
    advised = [one for one in usage if one.advice]
    if advised:
        lines += ["In a profile, for jobs of this size:", "", "set-resources:"]
        for one in advised:
            lines += [f"  {one.rule}:", *(f"    {key}: {n}" for key, n in one.advice.items())]
    return "\n".join(lines)
