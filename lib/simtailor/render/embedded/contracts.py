"""What the built-in renderers read, return and need."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simtailor.assets.tabletop import OBJECT_NAMES
from simtailor.render.description import Needs, NodeKind, RendererDescription, StageSettings
from simtailor.scene.attributes import ANGLE, Attribute
from simtailor.scene.grammar_nodes import MAIN


class TabletopSettings(StageSettings):
    """The table, and how finely it is drawn."""

    samples: Annotated[int, Field(ge=1, le=4096, strict=True)] = Field(
        1, description="Rays a pixel: 1 is fast, 4 or more is smooth."
    )
    frame_width: Annotated[float, Field(gt=0, le=10)] = Field(
        0.42, description="Metres of table that a picture shows from side to side."
    )


TABLETOP = RendererDescription(
    name="tabletop",
    factory="simtailor.render.embedded.tabletop:TabletopRenderer.create",
    settings=TabletopSettings,
    nodes={
        MAIN: NodeKind(
            {
                "yaw": ANGLE,
                "pitch": ANGLE,
                "roll": ANGLE,
                "loc_x": Attribute("cm"),
                "loc_z": Attribute("cm"),
            },
            classes=OBJECT_NAMES,
            fewest=1,
        ),
        "Light": NodeKind({"intensity": Attribute("of the nominal light", low=0)}),
        "Camera": NodeKind({"camera_pitch": ANGLE, "camera_roll": ANGLE}),
    },
    returns=("masks", "depth"),
    needs=Needs(kernels=True),
)

DIGITS = RendererDescription(
    name="digits",
    factory="simtailor.render.embedded.digits:DigitsRenderer.create",
    nodes={
        MAIN: NodeKind(
            {"yaw": ANGLE, "x": Attribute("px"), "y": Attribute("px")},
            classes=tuple("0123456789"),
            fewest=1,
        )
    },
    returns=("masks",),
    grey=True,
    differentiable=True,
    resizable=False,
    needs=Needs(packages=("mnist",)),
)
