"""Data packages that the study fetches."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from simtailor.errors import first_of
from simtailor.packages import find_package
from simtailor.preflight.asked import Asked
from simtailor.preflight.findings import Finding, check, missing, ok, unknown

NAMED = 8


@check("packages")
def packages(asked: Asked) -> Iterator[Finding]:
    """List those that are not there, and the programs that fetch them."""
    folder = Path(asked.configuration.resources) / "packages"
    absent = [name for name in asked.packages if not (folder / name).is_dir()]
    if not absent:
        yield ok(f"all {len(asked.packages)} are there")
        return
    debian = [name for name in absent if find_package(name).registry == "debian"]
    if debian and shutil.which("apt-get") is None:
        yield missing(
            f"{first_of(debian, NAMED)} come through apt-get, which is not here",
            f"Fetch the archives elsewhere and put them into {folder.parent / 'archives'}.",
        )
    yield unknown(
        f"{len(absent)} of {len(asked.packages)} are fetched when they are needed: "
        f"{first_of(absent, NAMED)}",
        f"Whether the registries are in reach, now: ./run snakemake {folder / absent[0]}",
    )
