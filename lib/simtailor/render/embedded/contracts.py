"""What the built-in renderers read, return and need."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, field_validator

from simtailor.assets.tabletop import OBJECT_NAMES
from simtailor.render.description import Needs, NodeKind, RendererDescription, StageSettings
from simtailor.render.embedded.stage_camera import WIDEST_LENS
from simtailor.render.embedded.stage_file import CHOICE, Stage, read_stage, stage_identity
from simtailor.scene.attributes import ANGLE, Attribute
from simtailor.scene.choices import MOST_CHILDREN
from simtailor.scene.grammar_nodes import MAIN
from simtailor.section import input_path


class TabletopSettings(StageSettings):
    """The stage, and how finely it is drawn."""

    file: str | None = Field(
        None,
        description="A stage file (see docs/stages.md): objects, ground, light, camera. Empty: "
        "the five objects of 3D-TYOL on a dark table, as in config/stages/tabletop.yaml.",
    )

    samples: Annotated[int, Field(ge=1, le=4096, strict=True)] = Field(
        1, description="Rays a pixel: 1 is fast, 4 or more is smooth."
    )
    frame_width: Annotated[float, Field(gt=0, le=10)] = Field(
        0.42, description="Metres of the ground that a picture shows from side to side."
    )

    @field_validator("file")
    @classmethod
    def _of_a_stage(cls, file: str | None) -> str | None:
        if file is None:
            return None
        file = input_path(file)
        read_stage(file)
        return file

    @property
    def stage(self) -> Stage:
        """What the file says."""
        return Stage() if self.file is None else read_stage(self.file)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, pixels."""
        return self.stage.camera.size(self.image_size)


# Changes of colours: hue about the grey axis; factors of saturation, brightness and roughness.
LOOKS = {
    "hue": replace(ANGLE, look=True),
    "saturation": Attribute("of its own", low=0, high=4, look=True),
    "brightness": Attribute("of its own", low=0, high=8, look=True),
    "roughness": Attribute("of its own", low=0.05, high=20, look=True),
}


def _of_stage(settings: TabletopSettings) -> RendererDescription:
    """Return the contract for the objects of a stage file."""
    if settings.file is None:
        return TABLETOP
    stage = settings.stage
    main = replace(TABLETOP.nodes[MAIN], classes=tuple(stage.objects))
    nodes = {**TABLETOP.nodes, MAIN: main}
    for name, among in (("Ground", stage.all_grounds), ("Environment", stage.all_environments)):
        if len(among) > 1:
            choice = {CHOICE: Attribute("of all, from 0", low=0, high=len(among))}
            nodes[name] = NodeKind({**nodes[name].attributes, **choice})
    return replace(TABLETOP, nodes=nodes, identity=stage_identity(stage))


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
                "height": Attribute("cm", low=0),
                "size": Attribute("of its own", low=0.02, high=50),
                **LOOKS,
            },
            classes=OBJECT_NAMES,
            fewest=1,
            most=MOST_CHILDREN,
        ),
        "Ground": NodeKind(LOOKS),
        "Environment": NodeKind(
            {"brightness": Attribute("of its own", low=0, high=20, look=True), "turn": ANGLE}
        ),
        "Light": NodeKind(
            {
                "intensity": Attribute("of the nominal light", low=0, look=True),
                "azimuth": ANGLE,
                "elevation": Attribute("degrees", low=5, high=90),
                "warmth": Attribute("red over blue", low=0.05, high=20, look=True),
                "softness": Attribute("of its distance", low=0, high=1),
            }
        ),
        "Camera": NodeKind(
            {
                "camera_pitch": ANGLE,
                "camera_roll": ANGLE,
                "camera_yaw": ANGLE,
                "distance": Attribute("m", low=0.05, high=100),
                "field_of_view": Attribute("degrees", low=5, high=120),
                "exposure": Attribute("of the stage's", low=0.01, high=100, look=True),
                "white_balance": Attribute("red over blue", low=0.05, high=20, look=True),
                "tint": Attribute("green over both", low=0.05, high=20, look=True),
                "blur": Attribute("% of the width", low=0, high=10),
                "noise": Attribute("levels", low=0, high=64),
                "aperture": Attribute("mm", low=0, high=WIDEST_LENS),
                "focus": Attribute("m", low=0.05, high=100),
            }
        ),
    },
    returns=("masks", "depth", "full_masks", "silhouettes", "poses", "cameras"),
    needs=Needs(kernels=True),
    adapted=_of_stage,
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
