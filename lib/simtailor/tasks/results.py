"""What a prepared task shows: its contact sheet and its summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simtailor.figures.tasks import contact_sheet
from simtailor.files import staged_folder, write_json
from simtailor.intake.reading import conversions
from simtailor.tasks.prepared import PreparedTask


def write_shown(task: PreparedTask, summary: dict[str, Any], folder: str | Path) -> None:
    """Write contact_sheet.png and summary.json into a folder."""
    with staged_folder(folder) as staging:
        sheet = staging / "contact_sheet.png"
        contact_sheet(task, summary["counts"], sheet, _account(summary))
        write_json(staging / "summary.json", summary)


def _account(summary: dict[str, Any]) -> list[str]:
    """Return what was taken of a user's folder and done to its images, in lines."""
    if "intake" not in summary:
        return []
    intake = summary["intake"]
    done = conversions(intake["converted"])
    return [intake["account"], f"split: {summary['split']}", *intake["notes"], *done]
