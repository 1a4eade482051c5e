"""The keys ``detector`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from simtailor.section import InputPath, Name, PositiveInt, Section, Unique
from simtailor.worth.settings import FIT, PRIOR, REAL

WITHOUT_LOOKS, MIXED = "fit_without_looks", "mixed"
SOURCES = (PRIOR, FIT, WITHOUT_LOOKS, MIXED, REAL)
SourceName = Literal["prior", "fit", "fit_without_looks", "mixed", "real"]


class DetectorTraining(Section):
    """How a detector is trained."""

    steps: PositiveInt = Field(200, description="Steps of AdamW.")
    batch_size: PositiveInt = Field(4, description="Crops a step.")
    crop: Annotated[int, Field(ge=32, multiple_of=16, strict=True)] = Field(
        160, description="Pixels of the square crops."
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        5e-4, description="Highest rate of the packaged blocks; the new layers have four times it."
    )


class LabelledTiles(Section):
    """Real pictures with boxes, on which the detectors of an experiment are tried."""

    folder: InputPath | None = Field(
        None,
        description="Folder of the user's pictures, each with NAME.xml (Pascal VOC) beside it, or "
        "all with boxes in annotations.json (COCO).",
    )
    package: Name | None = Field(
        None, description="Or a fetched package that holds NAME.png and NAME.xml."
    )
    train: Annotated[list[str], Unique] = Field(
        [],
        description="Names, without suffix, of pictures whose labels train the detector 'real'; "
        "empty: no detector is trained on real labels.",
    )
    test: Annotated[list[str], Unique] = Field(
        [],
        description="Names of pictures on which all detectors are tried; empty: all of the folder "
        "that train none.",
    )
    scale: Annotated[float, Field(gt=0, le=4)] = Field(
        1.0,
        description="Factor on these pictures' edges, so that a pixel shows as much as one of the "
        "drawn pictures.",
    )
    stage: dict[str, Any] = Field(
        {}, description="Keys over the experiment's 'stage', of the pictures drawn for training."
    )
    looks: Annotated[list[str], Unique] = Field(
        ["Ground", "Environment", "Light", "Camera"],
        description="Nodes of the grammar whose attributes are looks.",
    )

    @model_validator(mode="after")
    def _of_one_place(self) -> LabelledTiles:
        if (self.folder is None) == (self.package is None):
            raise ValueError("give either 'folder' or 'package': where the labelled pictures are")
        if self.package is not None and not self.test:
            raise ValueError("test: name the pictures of the package to try the detectors on")
        return self

    @model_validator(mode="after")
    def _apart(self) -> LabelledTiles:
        if both := set(self.train) & set(self.test):
            raise ValueError(f"test: '{min(both)}' is in 'train', too. Remove it from one.")
        return self


class Detector(Section):
    """A small detector of a fit's objects, by the target ``results/detector/EXPERIMENT``."""

    sources: Annotated[list[SourceName], Unique] = Field(
        list(SOURCES),
        min_length=1,
        description="What trains a detector: pictures of the prior, of the fit, of the fit with "
        "the looks of the prior, half of the prior and half of the fit, and real ones.",
    )
    seeds: PositiveInt = Field(3, description="Detectors trained on each source.")
    images: Annotated[int, Field(ge=2, strict=True)] = Field(
        100, description="Pictures of a synthetic source."
    )
    training: DetectorTraining = DetectorTraining()
    experiments: dict[Name, LabelledTiles] = Field(
        {}, description="By experiment, the real pictures with labels that its detectors find."
    )
