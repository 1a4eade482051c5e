"""Images in files: a folder a class, or classes by a pattern on the path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field, field_validator

from simtailor.errors import UserError
from simtailor.section import Section
from simtailor.tasks.sources.base import ImageSource, NoOptions, Place, register_source

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
TRAIN, TEST = ("train", "val"), "test"
LAYOUT = "expected FOLDER/CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg inside"


class PatternOptions(Section):
    """Options of the kind ``files``."""

    pattern: str = Field(
        description="Regular expression for a whole path below the folder, with '/' as separator "
        "and the group 'class'; the group 'group', if there is one, names what may not be on "
        "both sides of a split. Other files are left out."
    )
    code_points: bool = Field(
        False, description="Whether the class is the decimal number of a character."
    )

    @field_validator("pattern")
    @classmethod
    def _names_a_class(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if "class" not in groups:
            raise ValueError("give the regular expression a group (?P<class>...)")
        return value


def image_files(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted by their path.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; {LAYOUT}")
    files = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    return sorted(p for p in files if not p.name.startswith(".") and p.is_file())


@register_source("folder", NoOptions, needs="source")
def load_folder(place: Place, _: NoOptions) -> ImageSource:
    """Return the images of a folder whose subfolders are the classes.

    Raises:
        UserError: the folder is not laid out so.
    """
    folder = place.folders[0]
    files = image_files(folder)
    parts = {file.relative_to(folder).parts[0] for file in files}
    divided = TEST in parts and parts <= {*TRAIN, TEST}
    depth = 1 if divided else 0
    misplaced = [f for f in files if len(f.relative_to(folder).parts) < depth + 2]
    if not files or misplaced:
        example = f"; {misplaced[0]} is in no class's folder" if misplaced else ": it has no images"
        raise UserError(f"{folder}: {LAYOUT}{example}")
    labelled = [(f, f.relative_to(folder).parts[depth]) for f in files]
    if not divided:
        return file_source(folder, labelled)
    test = np.array([f.relative_to(folder).parts[0] == TEST for f in files])
    return file_source(folder, labelled, test=test, split="the folder's own")


@register_source("files", PatternOptions)
def load_files(place: Place, options: PatternOptions) -> ImageSource:
    """Return the images whose path below the folder fits a pattern.

    Raises:
        UserError: no file does.
    """
    folder = place.folders[0]
    matches = [
        (file, match)
        for file in image_files(folder)
        if (match := re.fullmatch(options.pattern, file.relative_to(folder).as_posix()))
    ]
    if not matches:
        raise UserError(f"{folder}: no image's path fits the pattern {options.pattern}")
    labelled = [
        (file, chr(int(match["class"])) if options.code_points else match["class"])
        for file, match in matches
    ]
    if "group" not in matches[0][1].groupdict():
        return file_source(folder, labelled)
    groups = np.unique([match["group"] for _, match in matches], return_inverse=True)[1]
    return file_source(folder, labelled, groups=groups, split="by the group in the path")


def file_source(folder: Path, labelled: Sequence[tuple[Path, str]], **more: object) -> ImageSource:
    """Return the source of files with the names of their classes."""
    classes = tuple(sorted({name for _, name in labelled}))
    index = {name: i for i, name in enumerate(classes)}

    def read(i: int) -> Image.Image:
        with Image.open(labelled[i][0]) as image:
            image.load()
            return image

    return ImageSource(
        classes,
        np.array([index[name] for _, name in labelled], np.int64),
        read,
        lambda i: str(labelled[i][0]),
        **more,
    )
