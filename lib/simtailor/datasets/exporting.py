"""Exports of data sets by the name of their format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simtailor.datasets.coco import export_coco
from simtailor.datasets.formats import FORMATS
from simtailor.datasets.reading import ShardedSet
from simtailor.datasets.yolo import export_yolo

EXPORTS: dict[str, Callable[[ShardedSet, str | Path], None]] = dict(
    zip(FORMATS, (export_coco, export_yolo), strict=True)
)
