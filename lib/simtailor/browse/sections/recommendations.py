"""What to simulate for a task: the set, why, its pictures and the commands."""

from __future__ import annotations

from pathlib import Path

from simtailor.browse.parts import address, entries_of, figures_in, folders, summary_of
from simtailor.browse.registry import Entry, Results, section
from simtailor.yaml_files import read_yaml


@section("recommendations", "Recommendations", 40)
def recommendations(results: Results) -> list[Entry]:
    """Return an entry a task that something is recommended for."""

    def read(path: Path) -> Entry:
        content, picture = read_yaml(path), path.with_suffix(".png")
        return _entry(content, path.stem) | {
            "figures": figures_in(results, path.parent, picture.name),
            "files": address(results, path),
        }

    def explored(folder: Path) -> Entry:
        found = summary_of(folder, "exploration.json")
        content = read_yaml(folder / "recommendation.yaml")
        tried = [[name, found["validation"][name], found["test"][name]] for name in found["test"]]
        return _entry(content, f"{folder.name}, tried") | {
            "verdict": found["verdict"],
            "figures": figures_in(results, folder),
            "tables": [
                {
                    "title": "sets tried",
                    "columns": ["set", "validation %", "test %"],
                    "rows": tried,
                    "count": len(tried),
                    "file": address(results, folder),
                }
            ],
            "files": address(results, folder),
        }

    files = sorted((results.folder / "task2sim" / "recommend").glob("*.yaml"))
    return [
        *entries_of(results, iter(files), read),
        *entries_of(results, folders(results, "task2sim", "explore"), explored),
    ]


def _entry(content: dict, name: str) -> Entry:
    return {
        "id": name,
        "title": name,
        "verdict": f"Use {content['set']}: {content['why']}",
        "set": content["set"],
        "parameters": content["parameters"],
        "gain": content["expected_gain"],
        "fixed": content["best_fixed_set"],
        "abstained": content["abstained"],
        "nearest": content["nearest_tasks"],
        "commands": content["commands"],
    }
