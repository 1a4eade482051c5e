"""The extras that the launcher installs, from pyproject.toml.

``python -m simtailor.extras NAMES`` prints what ``./run`` is to install for
``SIMTAILOR_EXTRAS=NAMES``: the extras, the package that must go, and the one that takes its place.
It runs before anything is installed, so this module needs Python alone.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from simtailor.errors import UserError, nearest_name

ALWAYS = "test"
# Their packages bring the same module: one of them is installed, the first by default.
RIVALS = ("cpu", "gpu")


def read_extras(pyproject: str | Path) -> dict[str, list[str]]:
    """Return the requirements of each extra."""
    with open(pyproject, "rb") as file:
        return tomllib.load(file)["project"]["optional-dependencies"]


def chosen_extras(names: str, known: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the extras to install.

    Args:
        names: what the user gave, with commas between.
        known: requirements of each extra.

    Raises:
        UserError: there is no such extra, or two cannot be together.
    """
    given = [name for name in re.split(r"[,\s]+", names) if name]
    for name in given:
        if name not in known:
            raise UserError(
                f"SIMTAILOR_EXTRAS: there is no extra '{name}'; there are: "
                f"{', '.join(sorted(known))}.{nearest_name(name, known)} Nothing was installed."
            )
    rivals = [name for name in RIVALS if name in given]
    if len(rivals) > 1:
        raise UserError(
            f"SIMTAILOR_EXTRAS: {' and '.join(rivals)} bring the same module "
            f"({', '.join(package_of(known[name]) for name in rivals)}). Give one of them. Nothing "
            "was installed."
        )
    return sorted({ALWAYS, *given, *(rivals or RIVALS[:1])})


def package_of(requirements: Sequence[str]) -> str:
    """Return the package of an extra's first requirement."""
    return re.match(r"[\w.-]+", requirements[0]).group()


def main(names: str) -> None:
    """Print the extras, the package to remove and the one to install."""
    known = read_extras("pyproject.toml")
    chosen = chosen_extras(names, known)
    other, own = sorted(RIVALS, key=lambda name: name in chosen)
    sys.stdout.write(f"{','.join(chosen)} {package_of(known[other])} {package_of(known[own])}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
