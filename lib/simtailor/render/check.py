"""``python -m simtailor.render.check -- COMMAND`` tries a program of ``renderer: program``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path

from pydantic import ValidationError

from simtailor.errors import UserError
from simtailor.render.program.conformance import Conformance
from simtailor.render.program.findings import FAILS, Finding
from simtailor.render.program.settings import ProgramSettings

WIDTH, INDENT = 100, " " * 8


def main(arguments: list[str] | None = None) -> int:
    """Print a table of what holds; return 1 where something does not, 2 for a wrong call."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m simtailor.render.check", description="Tries a program that draws scenes.",
        usage="%(prog)s [options] -- COMMAND", allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--folder", default=".", help="that the command runs in")
    parser.add_argument("--options", type=json.loads, default={}, help="for setup, as JSON")
    parser.add_argument("--grammar", help="file of scenes to try it with")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for a scene")
    own = given[: given.index("--")] if "--" in given else given
    parsed = parser.parse_args(own)
    try:
        settings = ProgramSettings(
            command=given[len(own) + 1 :], image_size=parsed.image_size, folder=parsed.folder,
            options=parsed.options, timeout=parsed.timeout,
        )  # fmt: skip
        failures, logs = 0, Path(tempfile.mkdtemp(prefix="simtailor-check-"))
        for finding in Conformance(settings, logs, parsed.grammar).findings():
            print(_lines(finding), flush=True)
            failures += finding.result == FAILS
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        print(f"{key}: {first['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return 2
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if failures:
        print(f"{failures} to mend. What it printed is in {logs}.")
        return 1
    shutil.rmtree(logs, ignore_errors=True)
    print("Ready for renderer: program.")
    return 0


def _lines(finding: Finding) -> str:
    text = finding.found.rstrip(".") + (f". Mend: {finding.mend}" if finding.mend else "")
    first = f"{finding.result:5}   {finding.name}: {text}"
    return textwrap.fill(first, WIDTH, subsequent_indent=INDENT)


if __name__ == "__main__":
    sys.exit(main())
