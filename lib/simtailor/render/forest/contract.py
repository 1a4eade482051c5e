"""What the renderer of forests reads, returns and needs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simtailor.render.description import NodeKind, RendererDescription, StageSettings
from simtailor.scene.attributes import ANGLE, Attribute

TREE = "tree"
MOST_TREES = 255  # numbers of a mask; further trees of a picture have none
OF_ITS_OWN = Attribute("of its own", low=0.02, high=20)


class ForestSettings(StageSettings):
    """How much of the forest a picture shows."""

    frame_width: Annotated[float, Field(gt=0, le=500)] = Field(
        41.6, description="Metres of the ground that a picture shows from side to side."
    )
    samples: Annotated[int, Field(ge=1, le=4, strict=True)] = Field(
        2,
        description="Points along each edge of a pixel whose mean it shows, so that edges are as "
        "soft as in a photograph that was made smaller.",
    )


FOREST = RendererDescription(
    name="forest",
    factory="simtailor.render.forest.renderer:ForestRenderer.create",
    settings=ForestSettings,
    nodes={
        "Forest": NodeKind(
            {
                "density": Attribute("trees/ha", low=0, high=2000),
                "crown": Attribute("m", low=0.5, high=20),
                "crown_spread": Attribute("of its logarithm", low=0, high=1.5),
                "slenderness": Attribute("height over width", low=0.3, high=10),
                "clustering": Attribute("share of the trees", low=0, high=1),
                "dead": Attribute("share of the trees", low=0, high=1),
                "saplings": Attribute("per ha", low=0, high=2000),
                "logs": Attribute("per ha", low=0, high=500),
            }
        ),
        "Foliage": NodeKind(
            {
                "brightness": OF_ITS_OWN,
                "greenness": Attribute("olive to green", low=0, high=1),
                "raggedness": Attribute("m", low=0, high=3),
            }
        ),
        "Ground": NodeKind(
            {
                "brightness": OF_ITS_OWN,
                "greenness": Attribute("straw to grass", low=0, high=1),
                "brush": Attribute("share covered", low=0, high=0.95),
            }
        ),
        "Light": NodeKind(
            {
                "azimuth": ANGLE,
                "elevation": Attribute("degrees", low=10, high=90),
                "shade": Attribute("of the light", low=0, high=1),
            }
        ),
        "Camera": NodeKind(
            {
                "exposure": OF_ITS_OWN,
                "white_balance": Attribute("red over blue", low=0.1, high=10),
                "blur": Attribute("m", low=0, high=2),
                "haze": Attribute("of white", low=0, high=0.5),
            }
        ),
    },
    returns=("masks",),
    scattered=TREE,
)
