"""``python -m simtailor.render.standins FILE`` writes a stand-in as an executable file."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from simtailor.render.players.settings import data_folder

PROTOCOLS = ("unity_files", "unity_mlagents", "program", "tdw")


def write_stand_in(path: str | Path, protocol: str, options: Sequence[str] = ()) -> Path:
    """Write an executable that stands in for a simulator.

    Args:
        path: of the file, named as the simulator's is; a player's folder of data is made beside it.
        protocol: one of ``PROTOCOLS``.
        options: of the stand-in, such as ``--fault crash``.
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in ("Graphs", "Snapshots", "Done") if protocol == "unity_files" else ():
        (data_folder(path) / "StreamingAssets" / name).mkdir(parents=True, exist_ok=True)
    # The shell gives way to it, so that it is the process that was started.
    words = [sys.executable, "-m", f"simtailor.render.standins.{protocol}"]
    build = ["$0"] if protocol == "unity_files" else []
    command = " ".join([*map(shlex.quote, words), *(f'"{b}"' for b in build)])
    path.write_text(f'#!/bin/sh\nexec {command} "$@" {shlex.join(options)}\n')
    path.chmod(0o755)
    return path


def main() -> None:
    """Write one; what the parser does not know are options of the stand-in."""
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("file", help="such as Builds/3dv1.x86_64")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0])
    given, options = parser.parse_known_args()
    sys.stdout.write(f"{write_stand_in(given.file, given.protocol, options)}\n")


if __name__ == "__main__":
    main()
