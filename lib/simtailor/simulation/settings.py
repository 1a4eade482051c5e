"""The keys ``task2sim.simulation`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from simtailor.assets.pack import FOLDER
from simtailor.errors import UserError
from simtailor.section import PositiveInt, Section, Unique, filled_in
from simtailor.simulation.parameters import enumerate_parameters
from simtailor.simulation.tdw.settings import ThreeDWorld

FIELD_OF_VIEW = 36.0  # degrees


class Simulation(Section):
    """Simulated sets: which sets are made, how large, with which assets."""

    values: dict[str, list[int]] = Field(
        {"backgr": [0, 1], "materials": [1, 3], "pose_rot": [0, 1]},
        description="Values of each parameter; the study makes a set of every combination. "
        "A parameter that is absent keeps its default: 0, for materials 1.",
    )
    fraction: PositiveInt = Field(
        1,
        description="Make one in so many of the combinations, by a regular fraction: the effect of "
        "a parameter is mixed neither with another's nor with an interaction of two. 8 makes 32 "
        "of the published 256.",
    )
    packs: Annotated[list[str], Field(min_length=1), Unique] = Field(
        ["builtin"], description="Asset packs; their categories, skies and materials add up."
    )
    classes: PositiveInt | None = Field(
        None, description="Use only the first so many categories of the packs."
    )
    images: PositiveInt = Field(3000, description="Images of a set.")
    image_size: Annotated[int, Field(ge=16, le=4096, strict=True)] = Field(
        64, description="Pixels of the square images."
    )
    samples: Annotated[int, Field(ge=1, le=256, strict=True)] = Field(
        4, description="Rays a pixel; 1 is fastest, 4 smooths edges, shadows and blur."
    )
    field_of_view: Annotated[float, Field(ge=10, le=120)] = Field(
        FIELD_OF_VIEW,
        description="Degrees that the camera sees. At 36 the object, a metre long and 2.1 m away, "
        "fills up to 73 % of the image, which suits small images; at 60, as published, 41 %.",
    )
    shard_size: PositiveInt = Field(1000, description="Images of a shard, what a resume goes by.")
    parts: PositiveInt = Field(
        1,
        description="Jobs that share a set, for large sets on a cluster.",
    )
    threads: PositiveInt = Field(
        1, description="Cores of a job; sets run side by side, so 1 serves a study best."
    )
    seed: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        None, description="Seed of the sets; the project's seed where absent."
    )
    renderer: Literal["embedded", "tdw"] = Field(
        "embedded",
        description="What draws: the own ray caster with the packs' assets, or ThreeDWorld with "
        "its own, which takes no heed of `packs` and `samples`.",
    )
    tdw: ThreeDWorld = ThreeDWorld()

    @field_validator("packs")
    @classmethod
    def _fill_in_folders(cls, packs: list[str]) -> list[str]:
        return [
            FOLDER + filled_in(pack.removeprefix(FOLDER)) if pack.startswith(FOLDER) else pack
            for pack in packs
        ]

    @field_validator("values")
    @classmethod
    def _combinations_exist(cls, values: dict[str, list[int]]) -> dict[str, list[int]]:
        for name, choices in values.items():
            if not choices or len(set(choices)) < len(choices):
                raise ValueError(f"{name}: give one or several different values, got {choices}")
        list(enumerate_parameters(values))
        return values

    @model_validator(mode="after")
    def _fraction_exists(self) -> Simulation:
        try:
            list(enumerate_parameters(self.values, self.fraction))
        except UserError as error:
            raise ValueError(f"fraction: {error}") from None
        return self
