"""The keys ``task2sim.tasks`` of the configuration."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from simtailor.intake.limits import MOST_PIXELS
from simtailor.section import InputPath, Name, Section, Unique


def regular_expression(text: str) -> str:
    """Return a regular expression as it is.

    Raises:
        ValueError: it is none.
    """
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


RegularExpression = Annotated[str, Field(min_length=1), AfterValidator(regular_expression)]
TestShare = Annotated[float, Field(gt=0, lt=1)]
Fit = Literal["crop", "pad"]

LARGEST_TASK = 100_000  # images: about those of SVHN, the largest of the published tasks


class ExtraTask(Section):
    """A folder of images as a task: ``folder/CLASS/*.jpg``, or that below train/ and test/."""

    folder: InputPath = Field(description="Folder with one subfolder of images a class.")
    title: str = Field("", description="Title for tables and figures; the name where absent.")
    licence: str = Field("", description="Licence of the images, for the records.")
    fit: Fit = Field(
        "crop",
        description="'crop' cuts images to the middle square, 'pad' adds a white border.",
    )
    group: RegularExpression | None = Field(
        None,
        description="Regular expression for a part of the path below the folder, as 'patient[0-9]+'"
        "; images for which it finds the same text are never on both sides of the split.",
    )
    test_share: TestShare | None = Field(
        None, description="Share of the images that test; empty takes task2sim.tasks.test_share."
    )
    flip: bool = Field(
        False,
        description="Whether a mirrored image is of the same class: then a classifier is trained "
        "on both. Wrong for digits and characters.",
    )


class Tasks(Section):
    """Real downstream tasks."""

    table: InputPath = Field("config/tasks.tsv", description="Table of tasks, see docs/tasks.md.")
    names: Annotated[list[str], Unique] = Field(
        [
            "character_capitals",
            "character_digits",
            "silhouettes",
            "stamps",
            "clip_art",
            "emoji",
            "orl_faces",
            "landsat",
            "fashion_mnist",
        ],
        min_length=1,
        description="Tasks of the study, by their names in the table or in 'extra'.",
    )
    extra: dict[Name, ExtraTask] = Field(
        {}, description="Tasks beside the table's, by name: `NAME: {folder: path}`."
    )
    image_size: Annotated[int, Field(ge=8, le=1024, strict=True)] = Field(
        64, description="Pixels of the square images that tasks are prepared with."
    )
    most_images: Annotated[int, Field(ge=8, strict=True)] | None = Field(
        2000,
        description="Images of a task, at most: a random choice, as even over the classes as "
        "they allow. Empty takes all.",
    )
    most_pixels: Annotated[int, Field(ge=1_000_000, strict=True)] = Field(
        MOST_PIXELS, description="Pixels of an image, at most; larger ones are refused by name."
    )
    test_share: TestShare = Field(
        1 / 3, description="Share of the images that test, where a task has no split of its own."
    )

    def memory_mb(self) -> int:
        """Return what a job takes, in MB, that holds all images of a task."""
        images = self.most_images or LARGEST_TASK
        return 4000 + round(images * 3 * self.image_size**2 / 1e6)
