"""Draws scenes by a 3D-TYOL build, through files."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from simtailor.errors import UserError
from simtailor.files import only_one
from simtailor.render.description import RenderMachine
from simtailor.render.players.logs import PlayerLog
from simtailor.render.players.player import Player, lost_text
from simtailor.render.program.protocol import FaultError, LostError
from simtailor.render.rendering import Rendering
from simtailor.render.unity_files.folders import Answer, Folders, IncompleteError
from simtailor.render.unity_files.order import LabelCheck
from simtailor.render.unity_files.settings import UnityFilesSettings
from simtailor.scene.graph import SceneGraphBatch

LOOK_EVERY = 0.002  # seconds; a network file system tells of no changes, so we look
LOOK_AT_LOCK = 1.0
SETTLE = 5.0  # seconds in which a file that its build calls done becomes whole


class UnityFilesRenderer:
    """Draws by one build, which no other client may use meanwhile.

    Args:
        settings: of the stage.
        machine: where it runs; what the build says is kept beside its log.
    """

    def __init__(self, settings: UnityFilesSettings, machine: RenderMachine) -> None:
        self._settings, self._report = settings, machine.report
        self._folders = Folders(settings.build)
        self._log = PlayerLog(machine)
        self._held = ExitStack()
        self._labels = LabelCheck()
        self._player: Player | None = None
        self._started = False
        self._patience = settings.start_timeout  # seconds to the next sign of life

    def __enter__(self) -> UnityFilesRenderer:
        try:
            hold(self._folders, self._held, self._report)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise UserError(
                    f"{self._who}: files are exchanged in its folder, and {error}. Copy the build "
                    "to where you may write."
                ) from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the build, if it is ours, and leave its folders empty for the next."""
        if self._player is not None:
            self._player.kill()
            self._player = None
        if self._started:
            self._folders.clear()
        self._held.close()
        self._log.close()

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        """Draw B graphs.

        Raises:
            UserError: the build is lost, or answers wrongly.
        """
        size = self._settings.image_size
        if not len(graphs):
            return Rendering(np.zeros((0, size, size, 3), np.uint8))
        sent = [graphs.to_node_link(index) for index in range(len(graphs))]
        answers = self._drawn(sent)
        return Rendering(np.stack([picture for picture, _ in answers]))

    def _drawn(self, sent: list[dict[str, Any]]) -> list[Answer]:
        tries = self._settings.tries
        for attempt in range(1, tries + 1):
            try:
                return self._exchanged(sent)
            except FaultError as error:
                raise self._told(error) from error
            except LostError as error:
                why = f"{error}{self._player.end() if self._player else ''}"
                if attempt == tries:
                    lost = lost_text(tries, f"a batch of {len(sent)} scenes", why)
                    raise self._told(lost) from error
            self._report(f"{self._who}: {why}; starting again")
            self._start()
        raise AssertionError("unreachable")

    def _exchanged(self, sent: list[dict[str, Any]]) -> list[Answer]:
        """Hand a batch over, wait for its pictures, and acknowledge them once they are read.

        Raises:
            LostError: the build ended, gave no sign of life, or answered something else.
            FaultError: its pictures are too small.
        """
        if not self._started:
            self._start()
        self._folders.post(sent)
        answers = self._awaited(len(sent))
        if wrong := self._labels.complaint(sent, [labels for _, labels in answers]):
            raise LostError(f"{wrong}; its pictures are of other graphs, or in another order")
        self._folders.clear()
        return answers

    def _awaited(self, count: int) -> list[Answer]:
        heard, seen, since = time.monotonic(), 0, None
        while True:
            now = time.monotonic()
            if (written := self._folders.written()) != seen:
                heard, seen, self._patience = now, written, self._settings.timeout
            if self._folders.complete():
                since = now if since is None else since
                try:
                    return self._folders.read(count, self._settings.image_size)
                except IncompleteError as error:
                    if now - since > min(SETTLE, self._settings.timeout):
                        raise LostError(f"it says that it is done, but {error}") from error
            if self._player is not None:
                self._player.check()
            if now - heard > self._patience:
                raise LostError(self._silence(count, written))
            time.sleep(LOOK_EVERY)

    def _silence(self, count: int, written: int) -> str:
        text = f"it gave no sign of life for {self._patience:g} s"
        if written:
            return f"{text}, with {written} files of {2 * count + 1} in {self._folders.snapshots}"
        if self._player is None:
            return f"{text}. Is it running? stage.launch: true would start it"
        return text

    def _start(self) -> None:
        """Begin with empty folders, and a new process where it is ours to start."""
        self._folders.prepare()
        self._started = True
        self._patience = self._settings.start_timeout
        if self._settings.launch:
            try:
                self._player = Player(
                    self._settings.build, self._settings.arguments, self._log.path
                )
            except FaultError as error:
                raise self._told(error) from error

    @property
    def _who(self) -> str:
        return f"renderer 'unity_files': stage.build: {self._settings.build}"

    def _told(self, error: FaultError | str) -> UserError:
        return UserError(f"{self._who}: {error}.{self._log.hint}")


def hold(folders: Folders, held: ExitStack, report: Callable[[str], None]) -> None:
    """Hold a build's lock until ``held`` closes; wait where another client has it."""
    busy = f"{folders.lock.parent}: another run uses this build; to draw at once, give each a copy"
    told = False
    while True:
        try:
            held.enter_context(only_one(folders.lock, busy, report))
            return
        except UserError as error:
            if not told:
                report(f"{error}. Waiting until it has ended")
                told = True
            time.sleep(LOOK_AT_LOCK)
