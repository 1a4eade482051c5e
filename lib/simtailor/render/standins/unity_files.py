"""Stands in for a published 3D-TYOL build: ``unity_files.py BUILD [options]``.

It looks for graphs in the folders beside ``BUILD`` and writes pictures, labels and marks, see
``simtailor.render.unity_files.folders``. With ``--target N`` it asks for no graphs and writes N
pictures of its own, as the builds do whose names have ``tgt``.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from simtailor.render.players.settings import data_folder
from simtailor.render.standins.faults import (
    FAILED,
    FAULTS,
    Faults,
    add_drawing,
    add_faults,
    fails_to_start,
)
from simtailor.render.standins.scenes import (
    Drawing,
    RefusedError,
    as_json,
    check_graph,
    drawing_of,
    labels_of,
)
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator

SIZE = 128  # pixels, as the published builds have them
GRAPH = re.compile(r"ggraph_(\d{6})_(\d+)\.json")
LOOK_EVERY = 0.005
SETTLE = 0.3  # seconds until a half-written picture is whole
MARK = "Done"
NONSENSE = b"\x89PNG no picture"


class Build:
    """What a build does.

    Args:
        given: parsed arguments.
        draw: makes pictures of graphs.
    """

    def __init__(self, given: Namespace, draw: Drawing) -> None:
        root = data_folder(given.build) / "StreamingAssets"
        self._graphs, self._snapshots, self._done = (
            root / name for name in ("Graphs", "Snapshots", "Done")
        )
        self._draw, self._faults, self._idle = draw, Faults(given), given.idle
        self._before: tuple[list[bytes], list[dict[str, float]]] | None = None

    def serve(self) -> None:
        """Answer batches until none has come for a while."""
        batches, heard = 0, time.monotonic()
        while time.monotonic() - heard < self._idle:
            files = self._whole_batch()
            if not files or any(self._done.glob("*.txt")):  # the last is not acknowledged
                time.sleep(LOOK_EVERY)
                continue
            batches += 1
            self._answer([as_json(file.read_bytes()) for file in files], files, batches)
            heard = time.monotonic()

    def fill(self, graphs: Sequence[dict[str, Any]]) -> None:
        """Write pictures of graphs that nobody asked for, one after the other."""
        self._snapshots.mkdir(parents=True, exist_ok=True)
        for number, graph in enumerate(graphs):
            if number and self._faults.now("crash", number):
                self._faults.crash()
            if number and self._faults.now("hang", number):
                self._faults.hang()
            (picture,) = encoded(self._draw([graph]))
            self._write(number, picture, labels_of(graph))
        self._mark(self._snapshots)

    def _whole_batch(self) -> list[Path]:
        """Return the files of a batch in order; none while some of it are absent."""
        found: dict[int, dict[int, Path]] = {}
        for path in self._graphs.glob("*.json"):
            parts = GRAPH.fullmatch(path.name)
            if parts is None:
                raise RefusedError(f"unknown file {path}")
            number, count = map(int, parts.groups())
            found.setdefault(count, {})[number] = path
        for count, files in found.items():
            if len(files) == count:
                return [files[number] for number in range(count)]
        return []

    def _answer(self, graphs: list[dict[str, Any]], files: list[Path], batch: int) -> None:
        for graph in graphs:
            check_graph(graph)
        busy = self._graphs / "busy.txt"
        busy.write_text("Busy")
        if self._faults.now("hang", batch):
            self._faults.hang()
        pictures, labels = encoded(self._draw(graphs)), [labels_of(graph) for graph in graphs]
        if self._faults.now("resend", batch) and self._before is not None:
            pictures, labels = self._before
        self._before = pictures, labels
        if self._faults.now("wrong_order", batch):
            pictures, labels = pictures[::-1], labels[::-1]
        if self._faults.now("malformed", batch):
            pictures[-1] = NONSENSE
        half = self._faults.now("half_written", batch)
        crash = self._faults.now("crash", batch)
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            self._faults.wait()
            last = number == len(pictures) - 1
            self._write(number, picture[: len(picture) // 2] if half and last else picture, label)
            if crash and number >= len(pictures) // 2:
                self._faults.crash()
        for path in (*files, busy):
            path.unlink(missing_ok=True)
        self._mark(self._snapshots)
        self._mark(self._done)
        if half:
            time.sleep(SETTLE)
            self._write(len(pictures) - 1, pictures[-1], labels[-1])

    def _write(self, number: int, picture: bytes, labels: dict[str, float]) -> None:
        """Write an answer; its name is not padded, so that sorting by text would be wrong."""
        (self._snapshots / f"{number}.png").write_bytes(picture)
        (self._snapshots / f"{number}.json").write_text(json.dumps(labels))

    @staticmethod
    def _mark(folder: Path) -> None:
        (folder / "state.txt").write_text(MARK)


def encoded(images: np.ndarray) -> list[bytes]:
    """Return images uint8 [B, S, S, 3] as PNG files."""
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG", compress_level=1)
        files.append(file.getvalue())
    return files


def main() -> int:
    """Run a build."""
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("build")
    parser.add_argument("--batchmode", action="store_true")
    parser.add_argument("-logFile")
    parser.add_argument("--target", type=int, help="write so many pictures, unasked")
    parser.add_argument("--grammar", help="of the unasked pictures")
    add_drawing(parser)
    add_faults(parser, FAULTS)
    given = parser.parse_args()
    if fails_to_start(given):
        return FAILED
    with ExitStack() as held:
        draw = drawing_of(given, SIZE, held)
        build = Build(given, draw)
        if given.target is not None:
            scenes = Grammar.read(given.grammar).sample(given.target, generator(0, "stand-in"))
            build.fill([scenes.to_node_link(index) for index in range(given.target)])
        build.serve()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        sys.exit(f"refused: {error}")
