"""The formats that data sets are exported to.

Imports nothing heavy: the workflow uses it while it plans.
"""

from __future__ import annotations

from collections.abc import Collection

from simtailor.errors import UserError

# What each is made of beside the images, of what renderers return.
# Adding one: its name here, and its function in ``exporting``.
FORMATS = {
    "coco": ("masks",),
    "yolo": ("masks",),
    "bop": ("masks", "depth", "full_masks", "poses", "cameras"),
}


def check_export(what: str, output_format: str, parts: Collection[str], fix: str) -> None:
    """Check that a data set has what an export to a format is made of.

    Args:
        what: begins the message; parts: that it has; fix: what the user can do.

    Raises:
        UserError: names the parts that it lacks.
    """
    check_parts(what, FORMATS[output_format], f"an export to {output_format}", parts, fix)


def check_parts(
    what: str, needed: Collection[str], purpose: str, parts: Collection[str], fix: str
) -> None:
    """Check that there are the parts of renderings that something is made of.

    Args:
        what: begins the message; needed: parts that the ``purpose`` needs.
        parts: that there are; fix: what the user can do.

    Raises:
        UserError: names the parts that are lacking.
    """
    absent = [part for part in needed if part not in parts]
    if absent:
        raise UserError(
            f"{what} has no {_joined(absent)}, which {purpose} needs: it has "
            f"{_joined(['images', *parts])} only. {fix}"
        )


def _joined(parts: list[str]) -> str:
    words = [part.replace("_", " ") for part in parts]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
