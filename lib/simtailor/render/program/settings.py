"""What ``stage:`` says of a program that draws, checked while the workflow is planned."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from simtailor.errors import nearest_name
from simtailor.render.description import StageSettings
from simtailor.section import InputPath, PositiveInt

Seconds = Annotated[float, Field(gt=0)]


class ProgramSettings(StageSettings):
    """A program, and how it is used."""

    incidental: ClassVar[frozenset[str]] = frozenset(
        {"processes", "start_timeout", "timeout", "tries"}
    )

    folder: InputPath = Field(
        ".", description="Folder that the command runs in; paths in `command` and `files` are "
        "from here."
    )  # fmt: skip
    command: str | list[str] = Field(
        description="Starts the adapter: words, or a text that is split into words as a shell "
        "does. `python` is that of simtailor."
    )
    files: list[str] = Field(
        [], description="Files and folders that the images depend on, beside those in `command`."
    )
    options: dict[str, Any] = Field({}, description="What the adapter's `setup` is given.")
    processes: PositiveInt = Field(1, description="How many of it draw side by side.")
    start_timeout: Seconds = Field(300, description="Seconds that its start may take.")
    timeout: Seconds = Field(120, description="Seconds from a sign of life to the next.")
    tries: PositiveInt = Field(
        2, description="How often it may crash or hang at one scene before the run ends."
    )

    @field_validator("folder")
    @classmethod
    def _is_folder(cls, folder: str) -> str:
        if not Path(folder).is_dir():
            raise ValueError(f"there is no folder {folder}. Correct the path.")
        return folder

    @field_validator("command")
    @classmethod
    def _can_start(cls, command: str | list[str], info: ValidationInfo) -> list[str]:
        try:
            words = shlex.split(command) if isinstance(command, str) else list(command)
        except ValueError as error:
            raise ValueError(
                f"this text cannot be split into words ({error}), got {command!r}. Correct its "
                "quotes, or give a list of words."
            ) from None
        if not words or not words[0]:
            raise ValueError("the command is empty. Give the program that draws, and its words.")
        folder = info.data.get("folder")
        if folder is not None:
            executable(words, folder)
        return words

    @field_validator("files")
    @classmethod
    def _are_there(cls, files: list[str], info: ValidationInfo) -> list[str]:
        for name in files if "folder" in info.data else ():
            if not (path := Path(info.data["folder"]) / filled(name)).exists():
                raise ValueError(f"there is no file or folder {path}. Correct the path.")
        return files

    @property
    def words(self) -> list[str]:
        """The command, with its program's whole path, ``~`` and variables filled in."""
        return [executable(list(self.command), self.folder), *map(filled, self.command[1:])]


def filled(word: str) -> str:
    """Return a word with ``~`` and ``$VARIABLES`` that there are filled in."""
    return os.path.expandvars(os.path.expanduser(word))


def executable(words: list[str], folder: str) -> str:
    """Return the path of the program that a command starts.

    Raises:
        ValueError: there is none, or it may not be run.
    """
    name = filled(words[0])
    if os.sep not in name:
        if (found := shutil.which(name)) is None:
            alike = nearest_name(name, ("python", "blender", "bash", "env"))
            raise ValueError(
                f"there is no program {name!r} in the folders of PATH.{alike} Install it, or give "
                "its whole path."
            )
        return found
    path = os.path.abspath(os.path.join(folder, name))
    if not os.path.isfile(path):
        raise ValueError(f"there is no program {path}. Correct the path.")
    if not os.access(path, os.X_OK):
        raise ValueError(f"{path} may not be run. Say 'chmod +x {path}', or which program runs it, "
                         f"such as: python {words[0]}")  # fmt: skip
    return path
