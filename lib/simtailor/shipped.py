"""Files that come with the project: grammars, experiments, tables.

Their names begin at the project's folder. Where the workflow is used from another folder (as a
module, or with ``--directory``), they are taken from the project, unless that folder has its own.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]  # of the project, where simtailor is not installed as a wheel


def found_path(path: str | Path) -> str:
    """Return a path: as it is where it exists from here on, otherwise of the project's file.

    A path that is nowhere is returned as it is.
    """
    of_project = ROOT / path
    if Path(path).is_absolute() or Path(path).exists() or not of_project.exists():
        return str(path)
    return str(of_project)
