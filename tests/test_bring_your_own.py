"""The page on one's own photographs: its blocks are valid, and its examples work."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT

from simtailor.config import Configuration, load_experiment
from simtailor.layers import merged
from simtailor.metasim.settings import Experiment
from simtailor.render.creation import create_renderer
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator

PAGE = (ROOT / "docs/bring_your_own.md").read_text()
SMALL = {
    "stage": {"image_size": 32},
    "training": {
        "epochs": 2,
        "scenes_per_epoch": 10,
        "batch_size": 10,
        "validation_scenes": 10,
        "search": {"rounds": 2, "candidates": 8},
    },
    "evaluation": {"scenes": 100, "key_epochs": 2, "saved_images": 3},
}


def blocks(language: str) -> list[str]:
    """Return the page's code blocks in a language, in order; those in lists are indented."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def block(words: str) -> str:
    """Return the only code block that contains some words."""
    (found,) = (b for kind in ("python", "json", "yaml") for b in blocks(kind) if words in b)
    return found


def lay_out(folder: Path) -> None:
    """Write the page's experiments and grammars where it says they belong."""
    for kind in ("experiments", "grammars"):
        (folder / "config" / kind).mkdir(parents=True, exist_ok=True)
    for text in blocks("yaml"):
        path = re.match(r"# (config/\S+)\n", text)
        if path:
            (folder / path[1]).write_text(text)
    (folder / "config/grammars/mine.json").write_text(blocks("json")[0])


def draw_pictures(folder: Path, count: int, size: int) -> None:
    """Run the page's script in ``folder``, with fewer and smaller pictures."""
    script = block('photographs")').replace("sample(250", f"sample({count}")
    script = script.replace('"image_size": 160', f'"image_size": {size}')
    assert f"sample({count}" in script and f'"image_size": {size}' in script
    exec(compile(script, "draw_pictures.py", "exec"), {})  # it reads and writes in the folder


def test_every_experiment_and_fragment_is_valid(tmp_path, monkeypatch):
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = [p.stem for p in Path("config/experiments").iterdir()]
    assert {"mine", "mine_wide"} == set(names)
    for name in names:
        load_experiment(Configuration(), name, [])
    first = yaml.safe_load(block("config/experiments/mine.yaml"))
    for text in blocks("yaml"):
        Experiment.model_validate(merged(first, yaml.safe_load(text)))


def test_every_grammar_is_valid():
    mine, camera = (json.loads(text) for text in blocks("json"))
    assert Grammar(mine).layout.mutable.sum() == 3
    mine["child"].append(camera)
    mine["num_child"][1] += 1
    for key in ("features", "mutable"):
        mine["attributes"][key].append("camera_pitch")
    with create_renderer("tabletop", image_size=8) as renderer:
        layout = Grammar(mine).layout
        assert (layout.mutable & renderer.effective(layout)).sum() == 4


def test_every_shell_command_names_an_experiment_of_the_page():
    commands = "\n".join([*blocks("sh"), *re.findall(r"`(\./run [^`]*)`", PAGE)])
    named = set(re.findall(r"results/metasim/(\w+)", commands))
    assert named <= set(re.findall(r"config/experiments/(\w+)\.yaml", PAGE))
    assert set(re.findall(r"\./run python (\S+)", commands)) == {"draw_pictures.py"}


def test_the_page_knows_the_ranges_of_the_axes():
    """loc_x grows to the left and loc_z downwards, as the page's table says."""
    grammar = Grammar(json.loads(blocks("json")[0]))
    graphs = grammar.sample(2, generator(0, "axes"))
    names = graphs.layout.features
    features = graphs.features.copy()
    features[:, 1] = 0.5
    features[0, 1, names.index("loc_x")] = 0.6
    features[1, 1, names.index("loc_z")] = 0.6
    with create_renderer("tabletop", image_size=32, frame_width=0.8) as renderer:
        masks = renderer.render(graphs.with_features(features), masks=True).masks == 1
    (left_row, left_column), (low_row, low_column) = (np.argwhere(m).mean(0) for m in masks)
    assert left_column < 9 and abs(left_row - 15.5) < 3
    assert low_row > 22 and abs(low_column - 15.5) < 3


def documented_keys_are_there(summary: dict) -> bool:
    """Return whether the summary has every key of the page's table that photographs have."""
    table = PAGE.split("| key | meaning |")[1].split("\n\n")[0]
    first_column = [row.split("|")[1] for row in table.splitlines()[2:]]
    keys = set(itertools.chain(*(re.findall(r"`([\w.]+)`", cell) for cell in first_column)))
    keys -= {".wasserstein", "attributes.yaw.classes"}

    def has(value: object, path: str) -> bool:
        for part in path.split("."):
            if not isinstance(value, dict) or part not in value:
                return False
            value = value[part]
        return True

    missing = [key for key in keys if not has(summary, key)]
    assert not missing, missing
    return len(keys) >= 10


def documented_lines() -> list[str]:
    """Return how the lines begin that the page says a run prints."""
    table = PAGE.split("| line | says |")[1].split("\n\n")[0]
    cells = [re.search(r"`([^`]+)`", row)[1] for row in table.splitlines()[2:]]
    words = [re.split(r"[\d:]", cell)[0].strip() for cell in cells]
    return [w for w in words if not w.startswith("images of")]


@pytest.mark.slow
def test_the_worked_example_runs(project, monkeypatch):
    lay_out(project.folder)
    monkeypatch.chdir(project.folder)
    draw_pictures(project.folder, 24, 40)
    project.configure({"mine": SMALL})
    project.make("results/metasim/mine")
    summary = json.loads((project.folder / "results/metasim/mine/summary.json").read_text())
    assert documented_keys_are_there(summary)
    log = "".join(p.read_text() for p in (project.folder / "logs/metasim/mine").glob("*.log"))
    for words in documented_lines():
        assert words in log, words
    assert summary["target"]["images"] == 24
    assert set(summary["attributes"]) == {"yaw", "loc_x", "loc_z"}
    assert "held-out" in summary["verdict"]
