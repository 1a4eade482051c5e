"""What a study shows and what it does not, in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from simtailor.evaluate.noise import LEVEL
from simtailor.evaluate.tables import HONEST

WORDS = {
    "raw_pixels": "raw pixels",
    "random_on": "random weights, branches on",
    "random_off": "random weights, branches off",
}


def sentences(table: pd.DataFrame) -> list[str]:
    """Return sentences on a table of ``task_table``; only what was measured has one."""
    found = [_over_baselines(table), *_equal_steps(table), _sets(table), _best(table)]
    return [sentence for sentence in [*found, _imagenet(table)] if sentence]


def _over_baselines(table: pd.DataFrame) -> str | None:
    judged = table[table[[f"over_{name}" for name in HONEST]].notna().all(axis=1)]
    if judged.empty:
        return None
    failed = {}
    for row in judged.to_dict("records"):
        names = [n for n in HONEST if not row[f"over_{n}_low"] > 0]
        if names:
            failed[row["task"]] = "; ".join(WORDS[name] for name in names)
    words = (
        "The mean of the trained sets is above raw pixels and both networks with random weights, "
        "paired (the 95 % interval of the difference above 0), on "
        f"{len(judged) - len(failed)} of {len(judged)} tasks"
    )
    return _but(words, (f"{task} ({names})" for task, names in failed.items()))


def _equal_steps(table: pd.DataFrame) -> list[str]:
    budgets = sorted(
        int(match[1]) for match in (re.fullmatch(r"gain_(\d+)", name) for name in table) if match
    )
    found = []
    for steps in budgets:
        judged = table[table[f"gain_{steps}"].notna()]
        clear = judged[f"gain_{steps}_low"] > 0
        words = (
            f"After {steps} steps with few labels, fine-tuned networks are above the same trained "
            f"from scratch, paired (95 % interval), on {clear.sum()} of {len(judged)} tasks "
            f"(mean of all {judged[f'gain_{steps}'].mean():+.1f} points)"
        )
        found.append(_but(words, judged.task[~clear]))
    return found


def _sets(table: pd.DataFrame) -> str:
    judged = table[table.p_corrected.notna()]
    if judged.empty:
        return "Whether sets differ is unknown: none has a second seed."
    differ = judged.p_corrected < LEVEL
    first = judged.iloc[0]
    words = (
        f"Sets differ more than seeds of one set (analysis of variance, {first.freedom_sets:.0f} "
        f"and {first.freedom_seeds:.0f} degrees of freedom, 5 % after Holm's correction) on "
        f"{differ.sum()} of {len(judged)} tasks"
    )
    return _but(words, judged.task[~differ])


def _best(table: pd.DataFrame) -> str | None:
    judged = table[table.best_reported.notna()]
    if judged.empty:
        return None
    gain, told = (judged[name] - judged["mean"] for name in ("best_reported", "best"))
    return (
        f"The best set of a task, chosen by some seeds and measured by another, is "
        f"{gain.mean():+.1f} points from the mean of the sets (chosen and measured by the same: "
        f"{told.mean():+.1f})."
    )


def _imagenet(table: pd.DataFrame) -> str | None:
    judged = table[table.over_imagenet.notna()]
    if judged.empty:
        return None
    above = judged.over_imagenet_low > 0
    return _with_names(
        "The packaged ImageNet network, trained on real photographs, is below the mean of the "
        f"trained sets on {above.sum()} of {len(judged)} tasks",
        judged.task[above],
    )


def _but(words: str, names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"{words}; not on {listed}." if listed else f"{words}."


def _with_names(words: str, names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"{words}: {listed}." if listed else f"{words}."
