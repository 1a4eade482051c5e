"""The first hour, run as the page says, in its order, at a small size."""

import json
import os
import re
import shlex
import subprocess
import textwrap

import pytest
from conftest import ROOT, SMALL

PAGE = (ROOT / "docs/first_hour.md").read_text()
BLOCK = re.compile(r"^ *```(sh|yaml)\n(.*?)^ *```$", re.M | re.S)


def steps():
    """Return the page's blocks in order: their language and text."""
    return [(match[1], textwrap.dedent(match[2])) for match in BLOCK.finditer(PAGE)]


@pytest.mark.slow
def test_every_command_of_the_first_hour_works_in_the_order_of_the_page(project):
    few = {**SMALL, "evaluation": {"scenes": 100, "key_epochs": 2, "saved_images": 2}}
    project.configure({"tyol_1attr": few, "mine": few}, datasets={"images": 60})
    for language, text in steps():
        if language == "yaml":
            (project.folder / "config/experiments/mine.yaml").write_text(text)
        elif text.startswith("./run snakemake"):
            options = shlex.split(text)[2:]
            ran = project.snakemake(
                *(word for word in options if word.startswith("results/")),
                options=("-n",) if "-n" in options else (),
            )
            assert ran.returncode == 0, ran.stderr[-4000:]
        else:
            subprocess.run(["bash", "-euc", text], cwd=project.folder, check=True)
    results = project.folder / "results"
    found = json.loads((results / "exports/coco/tyol_1attr/annotations.json").read_text())
    assert len(found["images"]) == len(os.listdir(project.folder / "photographs")) == 60
    for kind in ("metasim", "datasets"):
        for name in ("tyol_1attr", "mine"):
            said = json.loads((results / kind / name / "summary.json").read_text())
            assert re.search("onverged", said["verdict"])
    assert json.loads((results / "datasets/mine/manifest.json").read_text())["images"] == 60
    assert "metasim/mine" in (results / "index.html").read_text()
