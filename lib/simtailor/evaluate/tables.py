"""Tables of the reward database: one row a task, and the best sets of every task."""

from __future__ import annotations

import numpy as np
import pandas as pd

from simtailor.evaluate.database import BASELINES, StudyResults
from simtailor.evaluate.noise import (
    Difference,
    analysis_of_variance,
    holm,
    paired_difference,
    reported_apart,
    seed_noise,
)
from simtailor.simulation.parameters import SimulationParameters

BEST_SETS = 5
HONEST = ("raw_pixels", "random_on", "random_off")  # what trained sets must beat


def task_table(results: StudyResults) -> pd.DataFrame:
    """Return one row a task: baselines, sets, and how far sets differ beside seeds.

    ``over_NAME`` is the mean of the sets less a baseline, paired; ``gain_N`` is fine-tuned less
    scratch after N steps; ``..._error`` is the standard error, ``..._low`` the lower end of the
    95 % interval. ``best`` is the mean of the set that it chose; ``best_reported`` is chosen by
    some seeds and measured by another.
    """
    rows = [_row(results, task) for task in results.sets]
    analyses = {task: analysis_of_variance(found) for task, found in results.sets.items()}
    corrected = holm({task: found.p for task, found in analyses.items() if found is not None})
    for row in rows:
        found = analyses[row["task"]]
        row |= {
            "f": found.f if found else np.nan,
            "freedom_sets": found.between if found else np.nan,
            "freedom_seeds": found.within if found else np.nan,
            "p": found.p if found else np.nan,
            "p_corrected": corrected.get(row["task"], np.nan),
        }
    return pd.DataFrame(rows)


def _row(results: StudyResults, task: str) -> dict:
    found = results.sets[task]
    baselines = results.baselines.get(task, {})
    means = {name: float(rows.mean()) for name, rows in found.items()}
    values = np.array(list(means.values()))
    noise, apart = seed_noise(found), reported_apart(found)
    row = {"task": task}
    row |= {
        name: results.chances.get(task, {}).get(name, np.nan) for name in ("chance", "majority")
    }
    row |= {name: float(baselines[name].mean()) if name in baselines else np.nan
            for name in BASELINES}  # fmt: skip
    for steps, (fine_tuned, scratch, gain) in equal_steps(results, task).items():
        row |= {
            f"scratch_{steps}": scratch, f"fine_tuned_{steps}": fine_tuned,
            **_columns(f"gain_{steps}", gain),
        }  # fmt: skip
    row |= {
        "worst": float(values.min()),
        "mean": float(values.mean()),
        "best": float(values.max()),
        "best_set": max(means, key=means.__getitem__),
        "best_reported": apart[0] if apart else np.nan,
    }
    for name in BASELINES:
        over = None
        if name in baselines:
            over = paired_difference(list(found.values()), baselines[name])
        row |= _columns(f"over_{name}", over)
    return row | {
        "spread_between_sets": float(values.std(ddof=1)) if len(values) > 1 else np.nan,
        "spread_between_seeds": np.sqrt(noise.variance) if noise else np.nan,
    }


def _columns(name: str, difference: Difference | None) -> dict[str, float]:
    found = difference or Difference(np.nan, np.nan, np.nan)
    return {name: found.mean, f"{name}_error": found.standard_error, f"{name}_low": found.low}


def equal_steps(results: StudyResults, task: str) -> dict[int, tuple[float, float, Difference]]:
    """Return by number of steps: fine-tuned, scratch (percent), and their paired difference."""
    pairs, found = results.pairs.get(task), {}
    if pairs is None:
        return found
    for steps, fine_tuned in pairs.fine_tuned.items():
        scratch = pairs.scratch[steps]
        if not len(scratch):
            continue
        gain = Difference.of(fine_tuned - scratch)
        found[steps] = float(fine_tuned.mean()), float(scratch.mean()), gain
    return found


def best_sets(results: StudyResults) -> pd.DataFrame:
    """Return the best sets of each task, best first, with their parameters.

    ``percent`` has chosen the set, ``reported`` is what the set of this rank by some seeds gives
    by another.
    """
    rows = []
    for task, found in results.entries().items():
        apart = reported_apart(results.sets[task])
        order = sorted(found, key=lambda name, known=found: (-known[name].mean, name))
        for rank, name in enumerate(order[:BEST_SETS]):
            rows.append({
                "task": task, "rank": rank + 1, "set": name, "percent": found[name].mean,
                "standard_error": found[name].standard_error,
                "reported": apart[rank] if apart and rank < len(apart) else np.nan,
                **SimulationParameters.parse(name).as_dict(),
            })  # fmt: skip
    return pd.DataFrame(rows)
