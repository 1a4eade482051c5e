"""The camera of a stage: how it stands, what form its pictures have, and a calibrated one."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from simtailor.section import Section

Positive = Annotated[float, Field(gt=0)]
Pixels = Annotated[int, Field(ge=1, le=100_000, strict=True)]
NARROWEST, WIDEST = 5, 120  # degrees of a field of view
LONGEST = 4  # times as long as the other way a picture may be
WIDEST_LENS = 200  # millimetres
SMALLEST = 8  # pixels of its height


class StageIntrinsics(Section):
    """A calibrated camera without distortion, as OpenCV and BOP have it."""

    fx: Positive = Field(description="Focal length along the width, pixels.")
    fy: Positive = Field(description="Focal length along the height, pixels.")
    cx: float = Field(
        description="Column that the camera's axis meets; 0 is the middle of the first pixel."
    )
    cy: float = Field(description="Row that the camera's axis meets.")
    width: Pixels = Field(description="Of the pictures that it was calibrated with, pixels.")
    height: Pixels = Field(description="Their height.")


class StageCamera(Section):
    """The camera: it looks at the middle of the ground; ``frame_width`` says how far away."""

    field_of_view: Annotated[float, Field(ge=NARROWEST, le=WIDEST)] = Field(
        40.0, description="Degrees from side to side."
    )
    image_size: Annotated[list[Pixels], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="Width and height of the pictures, such as [640, 480]. It says their form; "
        "how many pixels they are wide is the experiment's stage.image_size. Empty: square.",
    )
    intrinsics: StageIntrinsics | None = Field(
        None,
        description="A calibrated camera, in place of field_of_view and image_size.",
    )
    pitch: float = Field(90.0, description="Degrees: 90 looks straight down, 0 is level.")
    yaw: float = Field(0.0, description="Degrees around the middle: 90 stands on the right.")
    roll: float = Field(0.0, description="Degrees about its own axis.")
    exposure: Positive = Field(0.62, description="Factor of all light.")
    aperture: Annotated[float, Field(ge=0, le=WIDEST_LENS)] = Field(
        0.0,
        description="Millimetres across the opening of the lens; 0 is a pinhole, which sees "
        "everything sharply.",
    )
    focus: Positive | None = Field(
        None,
        description="Metres before the camera where things are sharp; empty: at the middle of "
        "the ground.",
    )

    @model_validator(mode="after")
    def _seen_once(self) -> StageCamera:
        width, height = self.form
        if self.intrinsics is not None:
            for key in ("field_of_view", "image_size"):
                if key in self.model_fields_set and getattr(self, key) is not None:
                    raise ValueError(f"give either 'intrinsics' or '{key}'")
            if not NARROWEST <= self.degrees_across <= WIDEST:
                raise ValueError(
                    f"'intrinsics' see {self.degrees_across:.3g} degrees from side to side; "
                    f"expected {NARROWEST} to {WIDEST}. fx and width must be of one picture size"
                )
            if not 0.5 <= self.stretch <= 2:
                raise ValueError(
                    f"'intrinsics' have fx {self.intrinsics.fx:g} and fy {self.intrinsics.fy:g}: "
                    "one may be at most twice the other"
                )
            if not (0 <= self.intrinsics.cx < width and 0 <= self.intrinsics.cy < height):
                raise ValueError(
                    f"'intrinsics' have cx {self.intrinsics.cx:g} and cy {self.intrinsics.cy:g}, "
                    f"outside of a picture of {width} x {height} pixels"
                )
        if max(width, height) > LONGEST * min(width, height):
            raise ValueError(
                f"a picture of {width} x {height} is more than {LONGEST} times as long as the "
                "other way"
            )
        return self

    @property
    def form(self) -> tuple[int, int]:
        """Width and height of the pictures in some unit."""
        if self.intrinsics is not None:
            return self.intrinsics.width, self.intrinsics.height
        width, height = self.image_size or (1, 1)
        return width, height

    @property
    def degrees_across(self) -> float:
        """The field of view from side to side, as if the axis met the middle."""
        if self.intrinsics is None:
            return self.field_of_view
        return float(2 * np.degrees(np.arctan(self.intrinsics.width / 2 / self.intrinsics.fx)))

    @property
    def principal(self) -> tuple[float, float]:
        """Where the axis meets the picture, to the right of and below its middle, half widths."""
        if self.intrinsics is None:
            return 0.0, 0.0
        camera, half = self.intrinsics, self.intrinsics.width / 2
        return (camera.cx + 0.5) / half - 1, (camera.cy + 0.5 - camera.height / 2) / half

    @property
    def stretch(self) -> float:
        """How much higher than wide a square looks."""
        return 1.0 if self.intrinsics is None else self.intrinsics.fy / self.intrinsics.fx

    def size(self, width: int) -> tuple[int, int]:
        """Return height and width of pictures that are so many pixels wide."""
        across, down = self.form
        return max(SMALLEST, round(width * down / across)), width
