"""What ``stage:`` says of a 3D-TYOL build."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from simtailor.render.players.settings import PlayerSettings

ARGUMENTS = ["--batchmode"]  # as published


class UnityFilesSettings(PlayerSettings):
    """A build that exchanges files, and how it is used."""

    incidental: ClassVar[frozenset[str]] = PlayerSettings.incidental | {"launch"}

    arguments: list[str] = Field(
        ARGUMENTS, description="What it is started with; the default is as published."
    )
    launch: bool = Field(
        True, description="Whether to start and end it; false where you have started it yourself."
    )
