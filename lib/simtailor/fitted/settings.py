"""The keys ``datasets`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from simtailor.section import PositiveInt, Section


class Datasets(Section):
    """Labelled data sets drawn from fits."""

    images: Annotated[int, Field(gt=0, lt=2**24, strict=True)] = Field(
        1000, description="Images of a data set."
    )
    stage: dict[str, Any] = Field(
        {},
        description="Keys over the experiment's 'stage', such as image_size or, of the renderer "
        "'tabletop', samples: larger and smoother images than those of the fit.",
    )
    widen: Annotated[float, Field(ge=0)] = Field(
        1.0,
        description="How far scenes are spread beyond the fit: by noise with so many times the "
        "standard error of each attribute's mean; where the fit has no interval of it, by what its "
        "spread lacks of the prior's. 0 draws from the fit as it is.",
    )
    shard_size: PositiveInt = Field(250, description="Images of a shard, what a resume goes by.")
    seed: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        None, description="Seed of the data set; the experiment's seed where absent."
    )
