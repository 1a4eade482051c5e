"""Pictures of a folder by their names without suffix, as files of labels name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from simtailor.errors import UserError
from simtailor.intake.formats import readable_suffixes


def pictures_in(folder: str | Path) -> dict[str, list[Path]]:
    """Return a folder's pictures by their names without suffix, after one look at it."""
    found: dict[str, list[Path]] = {}
    for path in sorted(Path(folder).glob("*")):
        if path.suffix.lower() in readable_suffixes():
            found.setdefault(path.stem, []).append(path)
    return found


def picture_of(
    folder: str | Path, name: str, pictures: Mapping[str, list[Path]] | None = None
) -> Path:
    """Return the file of a picture by its name without suffix.

    Args:
        pictures: ``pictures_in`` the folder, for those who ask for many.

    Raises:
        UserError: there is none, or several.
    """
    found = (pictures_in(folder) if pictures is None else pictures).get(name, [])
    if len(found) != 1:
        many = f"several: {', '.join(p.name for p in found)}" if found else "none"
        raise UserError(
            f"{Path(folder, name)}: expected one picture of this name, such as {name}.png; there "
            f"are {many}."
        )
    return found[0]
