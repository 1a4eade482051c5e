"""Every Snakemake command of the pages names targets that the workflow makes."""

import argparse
import re
import shlex

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

MISTAKES = "troubleshooting.md"  # what it shows is what somebody typed wrong
PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks/README.md",
    *(page for page in sorted(ROOT.glob("docs/*.md")) if page.name != MISTAKES),
]
COMMAND = re.compile(r"\./run snakemake ((?:[^`\n\\]|\\\n)*)")
# What stands for a name of the reader's.
NAMES = {"EXPERIMENT": "tyol_1attr", "TASK": "uci_digits", "NAME": "tyol_1attr",
         "SET": "results/task2sim/sets/1_0_0_0_0_3_0_0_0", "TARGET": "tasks"}  # fmt: skip
# Experiments that need a program or files of the reader's; the tests of their pages plan them.
ELSEWHERE = {"unity_1attr", "my_player", "paper", "bracket"}


def parser():
    """Return what tells targets from options."""
    found = argparse.ArgumentParser(exit_on_error=False)
    storage = ("--default-storage-provider", "--default-storage-prefix")
    of_s3 = ("--storage-s3-endpoint-url",)
    for name in ("--cores", "--profile", "--report", "--slurm-partition-config", *storage, *of_s3):
        found.add_argument(name)
    for name in ("--config", "--configfile", "--resources", "--forcerun"):
        found.add_argument(name, nargs="+")
    for name in ("-n", "--list", "--force"):
        found.add_argument(name, action="store_true")
    found.add_argument("targets", nargs="*")
    return found


def commands():
    """Return the pages' commands: the page's name, and options and targets."""
    for page in PAGES:
        for match in COMMAND.finditer(page.read_text()):
            words = shlex.split(match[1].replace("\\\n", " "), comments=True)
            yield page.name, parser().parse_args([w for w in words if w not in ("...", "…")])


def named(word):
    """Return a target with names in place of what stands for them."""
    return re.sub(r"\b[A-Z]{3,}\b", lambda match: NAMES.get(match[0], match[0]), word)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.mark.slow
def test_every_target_of_the_pages_can_be_planned_and_every_file_is_there(project):
    targets = set()
    for page, given in commands():
        own = [f for f in given.configfile or () if f.startswith(("config/", "examples/"))]
        assert all((ROOT / file).exists() for file in own), page
        if not own:
            targets |= {named(word) for word in given.targets}
    targets = {
        re.sub(r"^resources/", f"{project.cache}/", target)
        for target in targets
        if not set(re.split(r"[/.]", target)) & ELSEWHERE
    }
    assert len(targets) > 30
    for number in range(50):
        picture(project.folder / f"photographs/{number}.png")
        picture(project.folder / f"parts/{'nut' if number % 2 else 'bolt'}/{number}.png")
    (project.folder / "config/experiments/mine.yaml").write_text(
        "grammar: config/grammars/tyol_3attr.json\ntarget: {folder: photographs}\n"
    )
    project.configure({}, task2sim={"tasks": {"extra": {"parts": {"folder": "parts"}}}})
    planned = project.snakemake(*sorted(targets), options=("-n", "--quiet"))
    assert planned.returncode == 0, planned.stdout[-3000:] + planned.stderr[-3000:]
