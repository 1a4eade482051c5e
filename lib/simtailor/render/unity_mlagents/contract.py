"""The description of ``renderer: unity_mlagents``."""

from __future__ import annotations

from simtailor.render.description import Needs, RendererDescription
from simtailor.render.players.describing import described
from simtailor.render.unity_mlagents.settings import UnityMLAgentsSettings

INSTALL = "give the same command again with SIMTAILOR_EXTRAS=unity before it"


def _of_player(settings: UnityMLAgentsSettings) -> RendererDescription:
    return described(UNITY_MLAGENTS, settings)


UNITY_MLAGENTS = RendererDescription(
    name="unity_mlagents",
    factory="simtailor.render.unity_mlagents.renderer:UnityMLAgentsRenderer",
    nodes={},
    settings=UnityMLAgentsSettings,
    slow=True,
    needs=Needs(modules={"mlagents_envs": INSTALL}),
    adapted=_of_player,
)
