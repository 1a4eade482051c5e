"""The keys ``worth`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simtailor.section import InputPath, Name, PositiveInt, Section, Unique

PRIOR, FIT, REAL = "prior", "fit", "real"
SOURCES = (PRIOR, FIT, REAL)
TEST = "test"  # the pictures that no source trains on
REGRESSION, SEGMENTATION = "regression", "segmentation"


class WorthTraining(Section):
    """How a network is trained."""

    image_size: Annotated[int, Field(ge=16, strict=True)] = Field(
        96, description="Pixels of the pictures, at most; the stage's where that is smaller."
    )
    steps: PositiveInt = Field(150, description="Steps of AdamW.")
    batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(16, description="Pictures a step.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        5e-4, description="Highest rate of the packaged blocks; the new layers have four times it."
    )


class LabelledPhotographs(Section):
    """Photographs with labels, on which the networks of an experiment are tried."""

    folder: InputPath = Field(
        description="Folder of pictures with labels: for a regression labels.csv, a row a picture "
        "and a column an attribute; for a segmentation NAME.mask.png beside each picture, or "
        "annotations.json (COCO)."
    )
    train: Annotated[list[str], Unique] = Field(
        [],
        description="Names, without suffix, of pictures whose labels train the networks 'real'; "
        "all others are for trying. Empty: no network is trained on real labels.",
    )


class Worth(Section):
    """What fits are worth, by the targets ``results/regression/EXPERIMENT`` and the like."""

    sources: Annotated[list[Literal["prior", "fit", "real"]], Unique] = Field(
        list(SOURCES),
        min_length=1,
        description="What trains a network: pictures of the prior, of the fit, and of the target's "
        "own grammar or with real labels.",
    )
    seeds: PositiveInt = Field(3, description="Networks trained on each source.")
    images: Annotated[int, Field(ge=2, strict=True)] = Field(
        1000, description="Pictures of a drawn source."
    )
    test_images: Annotated[int, Field(ge=2, strict=True)] = Field(
        500, description="Pictures drawn from the target's own grammar to try the networks on."
    )
    training: WorthTraining = WorthTraining()
    experiments: dict[Name, LabelledPhotographs] = Field(
        {},
        description="By experiment, photographs with labels to try its networks on. Without them "
        "an experiment whose target is a grammar is tried on pictures of that.",
    )
