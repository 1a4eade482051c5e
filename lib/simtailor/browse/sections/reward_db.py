"""The reward database: a table of sets and tasks that leads to both."""

from __future__ import annotations

from pathlib import Path

from simtailor.browse.parts import address, entries_of, figures_in, summary_of, tables_in
from simtailor.browse.registry import Entry, Results, section
from simtailor.files import read_json
from simtailor.simulation.parameters import PARAMETER_NAMES, SimulationParameters

NAMES = ("reward_db", "reward_db_so_far")


@section("reward_db", "Reward database", 30)
def reward_database(results: Results) -> list[Entry]:
    """Return an entry for the whole database, and one for the one so far."""

    def read(folder: Path) -> Entry:
        summary, entries = summary_of(folder), read_json(folder / "entries.json")
        names = sorted({name for of_sets in entries.values() for name in of_sets})
        return {
            "id": folder.name,
            "title": folder.name.replace("_", " "),
            "verdict": summary["verdict"],
            "sentences": summary["sentences"],
            "method": summary["method"],
            "tasks": {task: _row(row) for task, row in summary["tasks"].items()},
            "sets": {name: _values(name) for name in names},
            "entries": entries,
            "figures": figures_in(results, folder),
            "tables": tables_in(results, folder),
            "files": address(results, folder),
        }

    there = (results.folder / "task2sim" / name for name in NAMES)
    return entries_of(results, (folder for folder in there if folder.is_dir()), read)


def _values(name: str) -> list[int]:
    """Return the values of a set's parameters, in the order of their names."""
    values = SimulationParameters.parse(name).as_dict()
    return [values[key] for key in PARAMETER_NAMES]


def _row(row: dict) -> dict:
    """Return what stands beside a task: its baselines."""
    kept = ("chance", "raw_pixels", "random_on", "imagenet", "p_corrected")
    return {key: row[key] for key in kept if row.get(key) is not None}
