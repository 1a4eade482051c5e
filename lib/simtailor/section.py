"""The base of every part of the configuration, and the types that its keys share."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from simtailor.shipped import found_path

NAME_PATTERN = r"^[A-Za-z0-9_\-]+$"
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
# Folders of the project, Snakemake and Git, which hold no results.
OWN = (".git", ".snakemake", ".venv", "benchmarks", "config", "docs", "envs", "lib", "logs",
       "profiles", "rules", "slurm", "tests", "workflow_scripts")  # fmt: skip
NAME_RULE = "use letters a to z, digits, _ and - only"


def _each_once(values: list[Any]) -> list[Any]:
    for place, value in enumerate(values):
        if value in values[:place]:
            first = values.index(value) + 1
            raise ValueError(
                f"{value!r} stands twice, as entries {first} and {place + 1}. Remove one of them."
            )
    return values


def filled_in(text: str) -> str:
    """Return a path of the user's with ``~`` and ``$VARIABLES`` filled in.

    Raises:
        ValueError: it is empty or an address on the network, or they cannot be filled in.
    """
    expanded = os.path.expandvars(os.path.expanduser(text))
    if not text.strip():
        raise ValueError(f"the name of a folder or file is empty, got {text!r}. Give one.")
    if ADDRESS.match(expanded):
        raise ValueError(
            f"this is an address on the network, got {text!r}. Give a path of this machine."
        )
    if expanded.startswith("~"):
        raise ValueError(f"there is no such user, got {text!r}. Write the whole path.")
    if "$" in expanded and not os.path.lexists(expanded):  # such a sign may be part of a name
        raise ValueError(
            f"the environment has no such variable, got {text!r}. Set it or write the whole path."
        )
    return expanded


def input_path(text: str) -> str:
    """Return a path to read from, filled in; one of the project's files is found from anywhere."""
    return found_path(filled_in(text))


def _folder(text: str) -> str:
    """Return the path of a folder to write to, filled in, as it is named.

    Braces would be wildcards to Snakemake; other signs are allowed.
    """
    expanded = filled_in(text)
    if expanded != expanded.strip() or not expanded.isprintable():
        raise ValueError(
            f"a folder's name begins or ends with a space, or holds a sign that cannot be seen, "
            f"got {text!r}. Remove it."
        )
    if set("{}") & set(expanded):
        raise ValueError(
            f"braces stand for wildcards in the names of targets, got {text!r}. Rename the folder."
        )
    path = str(PurePosixPath(expanded))
    here = os.path.abspath(path)
    if os.path.commonpath([here, os.getcwd()]) == here:
        raise ValueError(f"this is the project's folder or one around it, got {text!r}. Give a "
                         "folder of its own.")  # fmt: skip
    first = os.path.relpath(here).split(os.sep)[0]
    if first in OWN:
        raise ValueError(
            f"'{first}' holds files of the project itself, got {text!r}. Give a folder of its own."
        )
    return path


PositiveInt = Annotated[int, Field(gt=0, strict=True)]
Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
# For lists: Annotated[list[str], Unique].
Unique = AfterValidator(_each_once)
Folder = Annotated[str, AfterValidator(_folder)]
InputPath = Annotated[str, AfterValidator(input_path)]


class Section(BaseModel):
    """A part of the configuration; unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is float:
            raise ValueError(f"expected a number, got {value!r}. Write a number.")
        return value
