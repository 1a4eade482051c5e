"""What a prepared task shows: its contact sheet and its summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simtailor.figures.tasks import contact_sheet
from simtailor.files import staged_folder, write_json
from simtailor.tasks.prepared import PreparedTask


def write_shown(task: PreparedTask, summary: dict[str, Any], folder: str | Path) -> None:
    """Write contact_sheet.png and summary.json into a folder."""
    with staged_folder(folder) as staging:
        contact_sheet(task, summary["counts"], staging / "contact_sheet.png")
        write_json(staging / "summary.json", summary)
