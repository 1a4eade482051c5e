"""The commands of the first hour, planned in the order of the page."""

import re
import shlex
import textwrap

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

PAGE = (ROOT / "docs/first_hour.md").read_text()
BLOCK = re.compile(r"^ *```(sh|yaml)\n(.*?)^ *```$", re.M | re.S)


@pytest.mark.slow
def test_every_command_of_the_first_hour_can_be_planned(project):
    blocks = [(match[1], textwrap.dedent(match[2])) for match in BLOCK.finditer(PAGE)]
    asked, pictures = [], set()
    for language, text in blocks:
        if language == "yaml":
            (project.folder / "config/experiments/mine.yaml").write_text(text)
        elif text.startswith("./run snakemake"):
            asked += [word for word in shlex.split(text) if word.startswith("results/")]
        else:  # pictures of a data set, in place of photographs
            copy, option, source, target = shlex.split(text)
            assert (copy, option) == ("cp", "-r")
            pictures.add((source, target))
    ((source, target),) = pictures
    assert source.removesuffix("/images") in asked
    assert asked[-1] == "results/datasets/mine"
    (project.folder / target).mkdir()
    random = np.random.default_rng(0)
    for number in range(50):
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(project.folder / target / f"{number}.png")
    planned = project.snakemake(*dict.fromkeys(asked), options=("-n",))
    assert planned.returncode == 0, planned.stderr[-4000:]
    for rule, jobs in (("metasim_train", 2), ("dataset", 2), ("export_dataset", 1)):
        assert re.search(rf"^{rule} +{jobs}$", planned.stdout, re.M), planned.stdout[-3000:]
