"""The keys ``task2sim.simulation.tdw`` of the configuration."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field, field_validator

from simtailor.section import InputPath, PositiveInt, Section

Seconds = Annotated[float, Field(gt=0)]
INCIDENTAL = {"builds", "port", "start_timeout", "timeout", "tries"}  # no image depends on them


class ThreeDWorld(Section):
    """ThreeDWorld, where ``task2sim.simulation.renderer`` is ``tdw``."""

    build: InputPath | None = Field(
        None,
        description="The build, such as `TDW/TDW.x86_64`; it is started and ended with a job. "
        "Without it the job waits for one that you start.",
    )
    arguments: list[str] = Field(
        [], description="Further words for the build, such as `-force-glcore42`."
    )
    port: Annotated[int, Field(ge=1024, le=65535, strict=True)] = Field(
        1071, description="Where a build that you start is waited for; others get a free port."
    )
    models: InputPath | None = Field(
        None,
        description="A text file with names of models, one a line; without it all that can be "
        "had and that ThreeDWorld does not advise against.",
    )
    private_models: bool = Field(
        False,
        description="Take models, too, that need a key to ThreeDWorld's store; the free ones need "
        "none.",
    )
    asset_bundles: InputPath | None = Field(
        None,
        description="A folder with `models/NAME`, `materials_low/NAME` and `hdri_skyboxes/NAME`: "
        "what lies there is not fetched.",
    )
    builds: PositiveInt = Field(1, description="Builds of a job that draw side by side.")
    start_timeout: Seconds = Field(
        300, description="Seconds until a build has started, or been started."
    )
    timeout: Seconds = Field(
        300, description="Seconds for one answer; adding an object may fetch it first."
    )
    tries: PositiveInt = Field(
        2, description="How often a build may be lost at one image before the run ends."
    )

    @field_validator("build")
    @classmethod
    def _may_be_run(cls, build: str | None) -> str | None:
        if build is not None and not os.path.isfile(build):
            raise ValueError(f"there is no file {build}. Correct the path.")
        if build is not None and not os.access(build, os.X_OK):
            raise ValueError(f"{build} may not be run. Say: chmod +x {build}")
        return build

    @field_validator("models")
    @classmethod
    def _is_file(cls, models: str | None) -> str | None:
        if models is not None and not os.path.isfile(models):
            raise ValueError(f"there is no file {models}. Correct the path.")
        return models

    @field_validator("asset_bundles")
    @classmethod
    def _is_folder(cls, folder: str | None) -> str | None:
        if folder is not None and not os.path.isdir(folder):
            raise ValueError(f"there is no folder {folder}. Correct the path.")
        return folder
