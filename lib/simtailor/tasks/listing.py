"""The list of a study's prepared tasks: one file, which jobs ask for in place of every folder.

Of 4,096 sets and 100 tasks Snakemake would otherwise hold 400,000 files in memory while planning.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simtailor.files import read_json, write_json
from simtailor.provenance import digest_of


def write_task_list(tasks: Sequence[str | Path], output: str | Path) -> None:
    """Write the folders of prepared tasks in their order, each with the SHA-256 of what it holds.

    ``{"tasks": [{"folder", "sha256"}]}``; by the digests the list's own checksum, which stands in
    the provenance of what is made from it, stands for the tasks.
    """
    listed = [{"folder": str(task), "sha256": digest_of(task)} for task in tasks]
    write_json(output, {"tasks": listed})


def read_task_list(path: str | Path) -> list[str]:
    """Return the folders of a list of prepared tasks."""
    return [task["folder"] for task in read_json(path)["tasks"]]
