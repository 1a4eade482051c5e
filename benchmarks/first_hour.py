"""Do what docs/first_hour.md says, from a clone to a data set of one's own, and time its commands.

    ./run python benchmarks/first_hour.py FOLDER

The clone is made in FOLDER, which must not be there, and installs an environment of its own. What
is in no commit is not cloned. The table goes into first_hour.md.
"""

import argparse
import datetime
import os
import re
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from machine import describe_machine

ROOT = Path(__file__).parent.parent
SAVED = ROOT / "benchmarks/first_hour.md"
BLOCK = re.compile(r"^ *```(sh|yaml)\n(.*?)^ *```$", re.M | re.S)
EXPERIMENT = "config/experiments/mine.yaml"  # what the page's YAML is


def steps_of_the_page(root: Path = ROOT) -> list[tuple[str, str]]:
    """Return language and text of the page's blocks, in its order."""
    page = (root / "docs/first_hour.md").read_text()
    return [(match[1], textwrap.dedent(match[2]).strip()) for match in BLOCK.finditer(page)]


def main() -> None:
    """Clone, follow the page, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="of the clone; not there yet")
    folder = parser.parse_args().folder.resolve()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    own = {"PYTHONPATH", "VIRTUAL_ENV", "SIMTAILOR_VENV"}
    environment = {key: value for key, value in os.environ.items() if key not in own}
    rows = []
    for language, text in steps_of_the_page():
        if language == "yaml":
            (folder / EXPERIMENT).write_text(text + "\n")
            continue
        before, began = cpu_seconds(), time.monotonic()
        command = ["bash", "-euc", text]
        if subprocess.run(command, cwd=folder, env=environment, check=False).returncode:
            sys.exit(f"failed: {text}")
        rows.append((text, time.monotonic() - began, cpu_seconds() - before))
    SAVED.write_text(described(rows, folder))
    print(SAVED.read_text())


def cpu_seconds() -> float:
    """Return the CPU seconds of what has been started and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def described(rows: list[tuple[str, float, float]], folder: Path) -> str:
    """Return the page of the measurement from command, seconds and CPU seconds of each step."""
    words = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    rows = [*rows, ("together", sum(row[1] for row in rows), sum(row[2] for row in rows))]
    lines = [
        "# The first hour",
        "",
        f"{datetime.date.today().isoformat()}, {describe_machine()}, commit {commit.strip()}.",
        "",
        "The first command installs the environment. Where CPU minutes are far from minutes times "
        "cores, other work had the machine.",
        "",
        "| command | minutes | CPU minutes |",
        "|---|---|---|",
    ]
    for text, seconds, cpu in rows:
        shown = text if text == "together" else f"`{text}`"
        lines.append(f"| {shown} | {seconds / 60:.1f} | {cpu / 60:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
