"""Experiments: the images of every key epoch beside the target's, and the attributes."""

from __future__ import annotations

from pathlib import Path

from simtailor.browse.parts import (
    address,
    entries_of,
    facts_of,
    figures_in,
    folders,
    summary_of,
    tables_in,
)
from simtailor.browse.registry import Entry, Results, section

SHOWN = 16  # images of an epoch


@section("metasim", "Meta-Sim", 10)
def experiments(results: Results) -> list[Entry]:
    """Return an entry an experiment."""

    def read(folder: Path) -> Entry:
        summary = summary_of(folder)
        epochs = sorted((folder / "images").glob("epoch_*"))
        curves = tables_in(results, folder, "progress/mmd.csv")
        return {
            "id": folder.name,
            "title": folder.name,
            "description": summary["description"],
            "verdict": summary["verdict"],
            "good": summary["converged"],
            "best": summary["best_epoch"],
            "attributes": summary["attributes"],
            "epochs": [
                {"epoch": int(epoch.name.split("_")[1]), "images": _images(results, epoch)}
                for epoch in epochs
            ],
            "target": _images(results, folder / "images" / "target"),
            "facts": facts_of(summary),
            "figures": figures_in(results, folder, "*.png", "progress/*.png", "*.gif"),
            "tables": curves,
            "files": address(results, folder),
        }

    return entries_of(results, folders(results, "metasim"), read)


def _images(results: Results, folder: Path) -> list[str]:
    return [address(results, path) for path in sorted(folder.glob("*.png"))[:SHOWN]]
