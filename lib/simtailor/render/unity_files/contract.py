"""The description of ``renderer: unity_files``."""

from __future__ import annotations

from simtailor.render.description import RendererDescription
from simtailor.render.players.describing import described
from simtailor.render.unity_files.folders import Folders
from simtailor.render.unity_files.settings import UnityFilesSettings


def _of_build(settings: UnityFilesSettings) -> RendererDescription:
    return described(UNITY_FILES, settings, Folders(settings.build).passing)


UNITY_FILES = RendererDescription(
    name="unity_files",
    factory="simtailor.render.unity_files.renderer:UnityFilesRenderer",
    nodes={},
    settings=UnityFilesSettings,
    slow=True,
    adapted=_of_build,
)
