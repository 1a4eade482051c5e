"""The stage as data: what stands where, lit and seen how. A YAML file of the user's says so.

A stage without a file is the 3D-TYOL table; ``config/stages/tabletop.yaml`` spells it out. What
the grammar's attributes then move starts from what the stage says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from simtailor.assets.content import MODEL_SUFFIXES
from simtailor.assets.tabletop import OBJECT_NAMES
from simtailor.errors import UserError, nearest_name
from simtailor.files import checksum, files_state
from simtailor.layers import Layer
from simtailor.render.embedded.stage_camera import Positive, StageCamera
from simtailor.section import Name, Section, filled_in
from simtailor.validation import mistake, validate
from simtailor.yaml_files import read_yaml

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Symmetry = Literal["measured", "none", "half_turn", "any_turn"]
CHOICE = "choice"  # the attribute that takes one of several grounds or environments
Vector = Annotated[list[float], Field(min_length=3, max_length=3)]
# As they are drawn: which look the same after half a turn, and after any.
_HALF, _ANY = ("box", "basket"), ("bowl",)


class StageObject(Section):
    """An object that a class of the grammar stands for."""

    built_in: str | None = Field(
        None,
        description=f"One that comes with simtailor: {', '.join(OBJECT_NAMES)}, or a category of "
        "the asset pack 'builtin', such as chair.",
    )
    file: str | None = Field(
        None,
        description="A model of yours, from the folder of this file on, of "
        f"{', '.join(MODEL_SUFFIXES)}.",
    )
    length: Positive | None = Field(
        None, description="Metres of its longest side; empty takes the file's unit for metres."
    )
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = Field(
        None, description="The model's axis that points up; empty: y, z in STL and PLY files."
    )
    turn: float = Field(
        0.0,
        description="Degrees clockwise, from above, that bring its front to the picture's top.",
    )
    symmetry: Symmetry = Field(
        "measured",
        description="Which turns about its upright axis cannot be seen: 'none', 'half_turn', "
        "'any_turn'; 'measured' finds out by its shape and colours.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> StageObject:
        if (self.built_in is None) == (self.file is None):
            raise ValueError("give either 'built_in' or 'file'")
        return self

    @field_validator("built_in")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is None or name in OBJECT_NAMES:
            return name
        from simtailor.assets.procedural.catalogue import procedural_names  # noqa: PLC0415 - slow

        known = procedural_names()
        if name not in known:
            near = nearest_name(name, [*OBJECT_NAMES, *known])
            raise ValueError(f"there is no such object, got {name!r}.{near} Known: "
                             f"{', '.join([*OBJECT_NAMES, *known])}.")  # fmt: skip
        return name

    @field_validator("file")
    @classmethod
    def _readable(cls, file: str | None) -> str | None:
        if file is None:
            return None
        if Path(file).suffix.lower() not in MODEL_SUFFIXES:
            raise ValueError(
                f"models are read from {', '.join(MODEL_SUFFIXES)}, got {file!r}. Export it as GLB."
            )
        return filled_in(file)


class StageGround(Section):
    """What the objects stand on."""

    kind: Literal["table", "plane", "none"] = Field(
        "table",
        description="'table': a dark table top in a room; 'plane': a rectangle under the sky of "
        "the environment; 'none': nothing, not even a shadow.",
    )
    size: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [4.0, 4.0], description="Metres of the plane, from left to right and from front to back."
    )
    colour: Colour = Field("#808080", description="Of the plane, as a screen shows it.")
    roughness: Annotated[float, Field(ge=0.05, le=1)] = Field(
        0.9, description="Of the plane: 0.05 mirrors, 1 is dull."
    )
    picture: str | None = Field(
        None, description="A picture that the plane shows, again and again; times its colour."
    )
    picture_width: Positive = Field(1.0, description="Metres that the picture is wide.")


class StageEnvironment(Section):
    """The light from all around, and what is seen where nothing stands."""

    built_in: str | None = Field(
        None, description="soft_room (the default) or a sky of the asset pack 'builtin'."
    )
    file: str | None = Field(
        None,
        description="A panorama in OpenEXR or Radiance HDR (.hdr), twice as wide as high; "
        "its light counts.",
    )
    brightness: Annotated[float, Field(ge=0)] = Field(1.0, description="Factor of its light.")
    turn: float = Field(0.0, description="Degrees that it is turned about the upright axis.")

    @model_validator(mode="after")
    def _one_source(self) -> StageEnvironment:
        if self.built_in is not None and self.file is not None:
            raise ValueError("give either 'built_in' or 'file'")
        return self


class StageLight(Section):
    """The one light with a direction, which casts the shadows."""

    direction: Vector = Field(
        [-0.45, 1.0, -0.35],
        description="Towards the light: to the picture's right, up, to its bottom; its length "
        "does not matter.",
    )
    radiance: Vector = Field([1.75, 1.7, 1.6], description="Red, green and blue; 0 is no light.")
    softness: Annotated[float, Field(ge=0, le=1)] = Field(
        0.06, description="Half of its width as a share of its distance; 0 casts sharp shadows."
    )

    @field_validator("direction")
    @classmethod
    def _from_above(cls, direction: list[float]) -> list[float]:
        if direction[1] <= 0:
            raise ValueError(f"the light must come from above: the second number, got {direction}")
        return direction


def _tabletop() -> dict[str, StageObject]:
    turns = {**dict.fromkeys(_HALF, "half_turn"), **dict.fromkeys(_ANY, "any_turn")}
    return {
        name: StageObject(built_in=name, symmetry=turns.get(name, "none")) for name in OBJECT_NAMES
    }


class Stage(Section):
    """All of it."""

    objects: Annotated[dict[Name, StageObject], Field(min_length=1)] = Field(
        default_factory=_tabletop, description="By the class that the grammar calls them."
    )
    ground: StageGround = StageGround()
    environment: StageEnvironment = StageEnvironment()
    grounds: list[StageGround] = Field(
        [],
        description="Further grounds: the attribute 'choice' of the node Ground takes that of "
        "'ground' below 1, the first of these from 1 on, the second from 2 on, ...",
    )
    environments: list[StageEnvironment] = Field(
        [], description="Further environments, taken by 'choice' of the node Environment."
    )
    light: StageLight = StageLight()
    camera: StageCamera = StageCamera()

    @property
    def all_grounds(self) -> list[StageGround]:
        """Every ground to choose from."""
        return [self.ground, *self.grounds]

    @property
    def all_environments(self) -> list[StageEnvironment]:
        """Every environment to choose from."""
        return [self.environment, *self.environments]


def read_stage(path: str | Path) -> Stage:
    """Read a stage; paths in it are filled in, from the file's own folder on.

    Raises:
        UserError: names file, line and key of what is wrong or not there.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such stage file. See config/stages/tabletop.yaml.")
    return _read(path, files_state([path]))


def stage_identity(stage: Stage) -> str:
    """Return what the stage's pictures depend on, the content of its files included."""
    parts = [json.dumps(stage.model_dump(mode="json"), sort_keys=True)]
    parts += [_content(file, files_state([file])) for _, file in _files(stage)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def check_files(stage: Stage, layers: list[Layer]) -> None:
    """Check that the files are there that a stage names."""
    for key, file in _files(stage):
        if not Path(file).is_file():
            raise mistake(key, layers, f"{file}: there is no such file. Correct the path.")


@cache
def _read(path: Path, _state: str) -> Stage:
    values = read_yaml(path)
    layers = [Layer(values, [path])]
    stage = validate(Stage, values, layers)
    stage = Stage.model_validate(_placed(stage.model_dump(exclude_unset=True), path.parent))
    check_files(stage, layers)
    return stage


@cache
def _content(file: str, _state: str) -> str:
    return checksum(file)


def _placed(values: Any, folder: Path) -> Any:
    """Return values whose files are named from the working folder on."""
    if isinstance(values, dict):
        return {
            key: str(folder / filled_in(value))
            if key in ("file", "picture") and value is not None
            else _placed(value, folder)
            for key, value in values.items()
        }
    if isinstance(values, list):
        return [_placed(value, folder) for value in values]
    return values


def _files(stage: Stage) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield keys and paths of all files that a stage names."""
    for name, thing in stage.objects.items():
        if thing.file is not None:
            yield ("objects", name, "file"), thing.file
    for place, ground in enumerate(stage.all_grounds):
        if ground.picture is not None:
            yield (*_listed("ground", place), "picture"), ground.picture
    for place, around in enumerate(stage.all_environments):
        if around.file is not None:
            yield (*_listed("environment", place), "file"), around.file


def _listed(key: str, place: int) -> tuple[str | int, ...]:
    """Return where a ground or environment stands that is one of all."""
    return (key,) if not place else (f"{key}s", place - 1)
