"""The commands of the first hour, planned in the order of the page."""

import re
import shlex

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image

PAGE = (ROOT / "docs/first_hour.md").read_text()


@pytest.mark.slow
def test_every_command_of_the_first_hour_can_be_planned(project):
    experiment = next(
        text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) if "photographs" in text
    )
    experiment = yaml.safe_load(experiment)
    (project.folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump(experiment))
    photographs = project.folder / experiment["target"]["folder"]
    photographs.mkdir()
    random = np.random.default_rng(0)
    for number in range(50):
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photographs / f"{number}.png")
    commands = re.findall(r"^ *\./run snakemake (.*)$", PAGE, re.M)
    asked = [w for line in commands for w in shlex.split(line) if w.startswith("results/")]
    assert len(commands) == 4
    assert asked[-1] == "results/datasets/mine"
    planned = project.snakemake(*dict.fromkeys(asked), options=("-n",))
    assert planned.returncode == 0, planned.stderr[-4000:]
    for rule, jobs in (("metasim_train", 2), ("dataset", 2), ("export_dataset", 1)):
        assert re.search(rf"^{rule} +{jobs}$", planned.stdout, re.M), planned.stdout[-3000:]
