"""Exports of data sets by the name of their format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simtailor.datasets.bop import export_bop
from simtailor.datasets.coco import export_coco
from simtailor.datasets.formats import FORMATS, check_export
from simtailor.datasets.reading import ShardedSet
from simtailor.datasets.yolo import export_yolo

EXPORTS: dict[str, Callable[[ShardedSet, str | Path], None]] = dict(
    zip(FORMATS, (export_coco, export_yolo, export_bop), strict=True)
)


def export(made: ShardedSet, output_format: str, output: str | Path) -> None:
    """Write a data set in a format.

    Raises:
        UserError: it lacks what the format needs.
    """
    fix = "Its shards have images and labels."
    check_export(f"{made.folder}: this {made.kind}", output_format, made.parts, fix)
    EXPORTS[output_format](made, output)
