"""The description of a player, from what ``stage:`` says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from simtailor.files import files_state
from simtailor.render.description import RendererDescription
from simtailor.render.players.settings import PlayerSettings, data_folder
from simtailor.render.program.hello import Hello


def described(
    base: RendererDescription, settings: PlayerSettings, passing: Iterable[Path] = ()
) -> RendererDescription:
    """Return a renderer's description for a player.

    Args:
        base: with everything that does not depend on the player.
        passing: folders whose files come and go while it draws.
    """
    said = Hello(name=base.name, attributes=settings.known)
    return replace(
        base,
        nodes=said.nodes(),
        reproducible=settings.reproducible,
        identity=files_state(build_files(settings.build, passing)),
        adapted=None,
    )


def build_files(build: str, passing: Iterable[Path]) -> list[Path]:
    """Return the executable and the data of a build, without files in ``passing`` folders."""
    kept, hidden = set(passing), "."
    found = [path for path in sorted(data_folder(build).rglob("*")) if path.is_file()]
    own = [p for p in found if not kept.intersection(p.parents) and not p.name.startswith(hidden)]
    return [Path(build), *own]
