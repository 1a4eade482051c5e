"""Images in files: a folder a class, or classes by a pattern on the path."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator

from simtailor.errors import UserError
from simtailor.intake.folder import check_formats, find_images
from simtailor.intake.formats import open_image
from simtailor.intake.layout import labelled_files
from simtailor.intake.names import printable
from simtailor.section import Section
from simtailor.tasks.settings import RegularExpression
from simtailor.tasks.sources.base import ImageSource, Place, register_source

BY_GROUP = "by the group in the path"


class FolderOptions(Section):
    """Options of the kind ``folder``."""

    group: RegularExpression | None = Field(
        None,
        description="Regular expression for a part of the path below the folder, with '/' as "
        "separator; images for which it finds the same text (or the same group 'group', if it has "
        "one) are never on both sides of a split.",
    )


class PatternOptions(Section):
    """Options of the kind ``files``."""

    pattern: RegularExpression = Field(
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
        if "class" not in re.compile(value).groupindex:
            raise ValueError("give the regular expression a group (?P<class>...)")
        return value


@register_source("folder", FolderOptions, needs="source")
def load_folder(place: Place, options: FolderOptions) -> ImageSource:
    """Return the images of a folder whose subfolders are the classes.

    Raises:
        UserError: the folder is not laid out so, or some of its images are in no group.
    """
    folder = place.folders[0]
    found = labelled_files(folder)
    test = None if found.test is None else np.array(found.test)
    groups, split = None, found.report.split
    if options.group is not None:
        names = _groups_of([path for path, _ in found.labelled], folder, options.group)
        groups = np.unique(names, return_inverse=True)[1]
        split = BY_GROUP if test is None else split
    return file_source(found.labelled, test=test, groups=groups, split=split, intake=found.report)


def _groups_of(paths: Sequence[Path], folder: Path, expression: str) -> list[str]:
    """Return the name of each image's group."""
    found = [
        (path, re.search(expression, "/".join(path.parts[len(folder.parts) :]))) for path in paths
    ]
    outside = [path for path, match in found if match is None]
    if outside:
        raise UserError(
            f"{printable(folder)}: the regular expression 'group' ({expression}) finds nothing in "
            f"the paths of {len(outside)} of {len(paths)} images, as {printable(outside[0])}; "
            "correct it, or take it out"
        )
    named = "group" in re.compile(expression).groupindex
    return [printable((match["group"] if named else match[0]) or "") for _, match in found]


@register_source("files", PatternOptions)
def load_files(place: Place, options: PatternOptions) -> ImageSource:
    """Return the images whose path below the folder fits a pattern.

    Raises:
        UserError: no file does.
    """
    images = find_images(place.folders[0])
    found = {
        path: match
        for path in (*images.files, *images.unread, *images.others)
        if (match := re.fullmatch(options.pattern, "/".join(images.parts(path)), re.DOTALL))
        and match["class"]
    }
    fitting = [path for path in images.files if path in found]
    others = len(images.files) - len(fitting)
    images.report.passed_over += Counter({"that the pattern does not fit": others})
    unread = [path for path in images.unread if path in found]
    misnamed = [path for path in images.others if path in found]
    images = replace(images, files=fitting, unread=unread, others=misnamed)
    images.report.taken = len(fitting)
    check_formats(images, lambda path: found[path]["class"])
    if not fitting:
        raise UserError(
            f"{images.where}no image's path fits the pattern {options.pattern} "
            f"({images.report.sentence()})"
        )
    labelled = [(path, _class_of(path, found[path]["class"], options)) for path in fitting]
    if "group" not in found[fitting[0]].groupdict():
        return file_source(labelled, intake=images.report)
    names = [printable(found[path]["group"] or "") for path in fitting]
    groups = np.unique(names, return_inverse=True)[1]
    return file_source(labelled, groups=groups, split=BY_GROUP, intake=images.report)


def file_source(labelled: Sequence[tuple[Path, str]], **more: object) -> ImageSource:
    """Return the source of files with the names of their classes."""
    classes = tuple(sorted({name for _, name in labelled}))
    index = {name: i for i, name in enumerate(classes)}
    return ImageSource(
        classes,
        np.array([index[name] for _, name in labelled], np.int64),
        lambda i: open_image(labelled[i][0]),
        lambda i: printable(labelled[i][0]),
        files=tuple(path for path, _ in labelled),
        **more,
    )


def _class_of(path: Path, text: str, options: PatternOptions) -> str:
    if not options.code_points:
        return printable(text)
    try:
        character = chr(int(text))
        character.encode()  # half a pair is no character
    except (ValueError, OverflowError):
        raise UserError(
            f"{printable(path)}: code_points is set, but the pattern's class '{printable(text)}' "
            "is not the decimal number of a character; correct the pattern, or take code_points out"
        ) from None
    return character
