"""The first message of a program: who it is, and what it reads and draws."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from simtailor.render.description import NodeKind
from simtailor.render.program.protocol import PROTOCOL, FaultError
from simtailor.scene.attributes import Attribute

RETURNS = {"mask": "masks", "depth": "depth", "keypoints": "keypoints"}  # in a rendering


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class HelloAttribute(_Part):
    """What is known of an attribute, see ``Attribute``."""

    unit: str = ""
    period: float = 0
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _possible(self) -> HelloAttribute:
        self.attribute()
        return self

    def attribute(self) -> Attribute:
        """Return it as the scenes know it."""
        ends = {"low": self.low, "high": self.high}
        given = {name: end for name, end in ends.items() if end is not None}
        return Attribute(self.unit, self.period, **given)


class Hello(_Part):
    """What a program says of itself.

    Attributes:
        name, version: of the simulator.
        attributes: that it reads, by node and name.
        classes: by node, where not all do; a number in a grammar stands for a name's place.
        most: how many nodes of a name a scene may have; 1 of one that is not in it.
        parts: that it draws beside the image.
        image_sizes: the smallest and the largest, in pixels.
        deterministic: whether the same scene gives the same bytes.
        files: check sums of files that images depend on, by path where the program runs.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    version: str = ""
    attributes: dict[str, dict[str, HelloAttribute]]
    classes: dict[str, tuple[str, ...]] = {}
    most: dict[str, Annotated[int, Field(ge=1)]] = {}
    parts: tuple[Literal["mask", "depth", "keypoints"], ...] = ()
    image_sizes: tuple[Annotated[int, Field(ge=1)], int] = (8, 4096)
    deterministic: bool = True
    files: dict[str, str] = {}

    @classmethod
    def parsed(cls, message: dict[str, Any]) -> Hello:
        """Return a first message, checked.

        Raises:
            FaultError: it is another version's, or malformed.
        """
        version = message["simtailor"]
        if version != PROTOCOL:
            raise FaultError(
                f"it speaks version {version!r} of the protocol, and this simtailor version "
                f"{PROTOCOL}. Copy simtailor_simulator.py anew beside the adapter."
            )
        try:
            return cls.model_validate(message)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            raise FaultError(
                f"its first message is wrong: {place}: {first['msg']}, got {first['input']!r:.80}"
            ) from None

    def nodes(self) -> dict[str, NodeKind]:
        """Return what it reads, as a renderer's description has it."""
        return {
            node: NodeKind(
                {name: about.attribute() for name, about in known.items()},
                classes=self.classes.get(node, ()),
                most=self.most.get(node, 1),
            )
            for node, known in self.attributes.items()
        }
