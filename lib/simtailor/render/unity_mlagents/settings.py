"""What ``stage:`` says of a player with ML-Agents."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from simtailor.render.players.settings import PlayerSettings
from simtailor.section import PositiveInt


class UnityMLAgentsSettings(PlayerSettings):
    """A player that gets scene graphs by a side channel, and how it is used."""

    incidental: ClassVar[frozenset[str]] = PlayerSettings.incidental | {"players"}

    players: PositiveInt = Field(1, description="How many of it draw side by side.")
