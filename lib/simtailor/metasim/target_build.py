"""Target images of a 3D-TYOL build that draws them unasked, as those with ``tgt`` in their name.

Such a build writes pictures and labels to its folder ``Snapshots``, see
``render.unity_files.folders``. Pictures that lie there already are taken as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from simtailor.errors import UserError
from simtailor.files import files_state
from simtailor.render.description import RenderMachine
from simtailor.render.players.describing import build_files
from simtailor.render.players.logs import PlayerLog
from simtailor.render.players.player import Player
from simtailor.render.program.protocol import FaultError
from simtailor.render.unity_files.folders import Folders
from simtailor.render.unity_files.renderer import hold
from simtailor.render.unity_files.settings import ARGUMENTS

LOOK_EVERY = 0.1  # seconds
START = 300.0  # seconds to the first picture
PATIENCE = 120.0  # seconds from one to the next
REPORT_EVERY = 20.0
END = b"IEND\xaeB`\x82"  # of a whole PNG file


def build_state(build: str) -> str:
    """Return a digest of names, sizes and times of a build's own files."""
    return files_state(build_files(build, Folders(build).passing))


def fill_snapshots(build: str, count: int, report: Callable[[str], None], log: Path | None) -> Path:
    """Return the folder of a build's pictures, after it has drawn ``count`` or all that it draws.

    Args:
        report: is told of the progress.
        log: of the job, or None.

    Raises:
        UserError: the build cannot be started, or draws nothing for too long.
    """
    folders = Folders(build)
    with ExitStack() as held:
        hold(folders, held, report)
        there = len(_pictures(folders.snapshots))
        if there >= count:
            report(f"{folders.snapshots} holds {there} pictures already; they are taken")
            return folders.snapshots
        player_log = PlayerLog(RenderMachine(log=log))
        held.callback(player_log.close)
        who = f"target.build: {build}"
        try:
            player = Player(build, ARGUMENTS, player_log.path)
        except FaultError as error:
            raise UserError(f"{who}: {error}.{player_log.hint}") from error
        try:
            drawn = _wait(folders, player, count, report)
            if drawn < count and not player.lives:
                report(f"{who}: it ended after {drawn} of {count} pictures{player.end()}")
            elif drawn < count and not folders.filled():
                raise UserError(
                    f"{who}: it drew {drawn} of {count} pictures, and then none for "
                    f"{PATIENCE if drawn else START:g} s{player.end()}.{player_log.hint}"
                )
        finally:
            player.kill()
    return folders.snapshots


def _wait(folders: Folders, player: Player, count: int, report: Callable[[str], None]) -> int:
    """Wait until enough is drawn, or no more comes; return how many pictures are new and whole."""
    before = _pictures(folders.snapshots)
    whole: set[Path] = set()
    heard = told = time.monotonic()
    while True:
        # Asked first, so that what it wrote before its end is seen.
        ended = not player.lives or folders.filled()
        new = [p for p, t in _pictures(folders.snapshots).items() if before.get(p) != t]
        finished = {path for path in new if path not in whole and _is_whole(path)}
        now = time.monotonic()
        if finished:
            whole |= finished
            heard = now
        patience = PATIENCE if whole else START
        if len(whole) >= count or ended or now - heard > patience:
            return len(whole)
        if now - told > REPORT_EVERY:
            report(f"the build drew {len(whole):,} of {count:,} pictures")
            told = now
        time.sleep(LOOK_EVERY)


def _pictures(folder: Path) -> dict[Path, int]:
    """Return the times of pictures that have labels, by path."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.glob("*.png")
        if path.with_suffix(".json").exists()
    }


def _is_whole(path: Path) -> bool:
    return path.read_bytes().endswith(END)
