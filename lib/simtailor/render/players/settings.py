"""What ``stage:`` says of a player, checked while the workflow is planned."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from simtailor.errors import nearest_name
from simtailor.render.description import StageSettings
from simtailor.render.program.hello import HelloAttribute
from simtailor.section import InputPath, PositiveInt

Seconds = Annotated[float, Field(gt=0)]
DEGREES, CM = HelloAttribute(unit="degrees", period=360), HelloAttribute(unit="cm")
# Of the published builds.
TYOL = {
    "object": {"yaw": DEGREES, "pitch": DEGREES, "roll": DEGREES, "loc_x": CM, "loc_z": CM},
    "Light": {"intensity": HelloAttribute(unit="of the nominal light", low=0)},
    "Camera": {"camera_pitch": DEGREES, "camera_roll": DEGREES},
}


class PlayerSettings(StageSettings):
    """A player, and how it is used."""

    incidental: ClassVar[frozenset[str]] = frozenset({"start_timeout", "timeout", "tries"})

    build: InputPath = Field(description="The player's executable, such as Builds/3dv1.x86_64.")
    arguments: list[str] = Field(["-batchmode"], description="What it is started with.")
    attributes: dict[str, dict[str, str | HelloAttribute]] = Field(
        {},
        description="What it reads, by node and name: a unit, or unit, period, low and high. "
        "Empty: the attributes of 3D-TYOL.",
    )
    reproducible: bool = Field(
        True, description="Whether the same scene gives the same image; false where it has noise."
    )
    start_timeout: Seconds = Field(300, description="Seconds from its start to a sign of life.")
    timeout: Seconds = Field(120, description="Seconds from a sign of life to the next.")
    tries: PositiveInt = Field(
        2, description="How often it may crash or hang at the same scenes before the run ends."
    )

    @field_validator("build")
    @classmethod
    def _can_start(cls, build: str) -> str:
        return startable(build)

    @property
    def known(self) -> dict[str, dict[str, HelloAttribute]]:
        """What it reads, with units alone made attributes."""
        if not self.attributes:
            return TYOL
        return {
            node: {
                name: HelloAttribute(unit=about) if isinstance(about, str) else about
                for name, about in of_node.items()
            }
            for node, of_node in self.attributes.items()
        }


def startable(build: str) -> str:
    """Return the path of a build, if it is there and may be run.

    Raises:
        ValueError: says what is wrong with it.
    """
    path = Path(build)
    if path.is_dir():
        found = sorted(p.name for p in path.glob("*.x86_64"))
        fix = f"Give the file in it: {', '.join(found)}." if found else "Give an executable."
        raise ValueError(f"{build} is a folder. {fix}")
    if not path.is_file():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise ValueError(
            f"there is no build {build}.{nearest_name(path.name, beside)} Correct the path."
        )
    if not os.access(path, os.X_OK):
        raise ValueError(f"{build} may not be run. Say: chmod +x {build}")
    return build


def data_folder(build: str | Path) -> Path:
    """Return the folder of a build's data, which Unity puts beside it under its name."""
    path = Path(os.path.abspath(build))
    stem = path.stem if path.suffix in (".x86_64", ".x86") else path.name
    return path.with_name(f"{stem}_Data")
