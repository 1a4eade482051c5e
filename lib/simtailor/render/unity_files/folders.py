"""The folders in which a 3D-TYOL build and its client exchange files.

They lie in ``X_Data/StreamingAssets`` beside the build ``X.x86_64``. Of one batch of N graphs:

1. The client writes ``Graphs/ggraph_{i:06d}_{N}.json``, i from 0 to N-1.
2. The build writes N ``.png`` and N ``.json``, named by numbers, to ``Snapshots``, then one
   ``.txt`` there and one in ``Done``, each with the text ``Done``. No ``.txt`` is then in
   ``Graphs``.
3. The client empties ``Snapshots`` and, last, ``Done``, which the build waits for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.render.players.pictures import decoded
from simtailor.render.players.settings import data_folder

EXCHANGED = (".json", ".png", ".txt")
MARK = "Done"
_NUMBER = re.compile(r"\d+")
Answer = tuple[np.ndarray, dict[str, Any]]  # picture and labels


class IncompleteError(Exception):
    """The build says that it is done, and something is absent or cannot be read."""


class Folders:
    """The exchange folders of a build; they are made where they are absent.

    Args:
        build: the executable.

    Attributes:
        lock: a file that a client holds, so that there is only one.
    """

    def __init__(self, build: str | Path) -> None:
        root = data_folder(build) / "StreamingAssets"
        self.graphs, self.snapshots, self.done = (
            root / name for name in ("Graphs", "Snapshots", "Done")
        )
        # Beside them, since a build may take any file in Graphs for a graph.
        self.staging, self.lock = root / ".simtailor", root / ".simtailor.lock"

    @property
    def passing(self) -> tuple[Path, ...]:
        """Folders whose files come and go."""
        return self.graphs, self.snapshots, self.done, self.staging

    def prepare(self) -> None:
        """Make the folders and remove what an earlier exchange left."""
        for folder in self.passing:
            folder.mkdir(parents=True, exist_ok=True)
        self.clear()

    def clear(self) -> None:
        """Remove the files of a batch; those in ``Done`` last, which acknowledges it."""
        for folder in (self.staging, self.graphs, self.snapshots, self.done):
            for path in _files(folder, EXCHANGED):
                path.unlink(missing_ok=True)

    def post(self, graphs: Sequence[dict[str, Any]]) -> None:
        """Hand over graphs; each file is whole as soon as it has its name."""
        for number, graph in enumerate(graphs):
            (self.staging / f"{number}.json").write_text(json.dumps(graph))
        for number in range(len(graphs)):
            name = f"ggraph_{number:06d}_{len(graphs)}.json"
            os.replace(self.staging / f"{number}.json", self.graphs / name)

    def written(self) -> int:
        """Return how many files there are of the answer, whole or not."""
        return sum(1 for _ in _files(self.snapshots, EXCHANGED))

    def complete(self) -> bool:
        """Return whether the build says that a batch is done."""
        busy = any(_files(self.graphs, (".txt",)))
        return not busy and _marked(self.snapshots) and _marked(self.done)

    def filled(self) -> bool:
        """Return whether a build that draws unasked says that all its pictures are there."""
        return _marked(self.snapshots)

    def read(self, count: int, image_size: int) -> list[Answer]:
        """Return the pictures and labels of a batch that is done, in the order of the graphs.

        Raises:
            IncompleteError: says what is absent or cannot be read.
            FaultError: the pictures are too small.
        """
        pictures, labels = _numbered(self.snapshots, ".png"), _numbered(self.snapshots, ".json")
        if len(pictures) != count or set(pictures) != set(labels):
            raise IncompleteError(
                f"it wrote {len(pictures)} pictures and {len(labels)} label files for {count} "
                "graphs"
            )
        answers = []
        for number in sorted(pictures):
            path = pictures[number]
            try:
                picture = decoded(path.read_bytes(), image_size)
                path = labels[number]
                found = json.loads(path.read_bytes())
            except (OSError, ValueError, SyntaxError) as error:
                raise IncompleteError(f"{path} cannot be read: {error}") from error
            if not isinstance(found, dict):
                raise IncompleteError(f"{path} holds no labels but {type(found).__name__}")
            answers.append((picture, found))
        return answers


def _files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(suffixes) and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _marked(folder: Path) -> bool:
    marks = list(_files(folder, (".txt",)))
    try:
        return len(marks) == 1 and marks[0].read_text().strip() == MARK
    except (OSError, UnicodeDecodeError):
        return False


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    """Return files by the last number in their names, since nobody knows how they are padded."""
    found = {}
    for path in _files(folder, (suffix,)):
        if numbers := _NUMBER.findall(path.stem):
            found[int(numbers[-1])] = path
    return found
