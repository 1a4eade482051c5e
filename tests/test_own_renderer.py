"""The page on one's own renderer: its example is found, keeps its word and is fitted."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image

from simtailor.config import Configuration, load_experiment
from simtailor.errors import UserError
from simtailor.layers import merged
from simtailor.metasim.inputs import checked_grammars, renderer_state
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine, make_results, make_target, train
from simtailor.render.creation import create_renderer
from simtailor.render.description import RendererDescription
from simtailor.render.renderer import nearest_equivalent
from simtailor.scene.grammar import Grammar
from simtailor.seeds import generator

PAGE = (ROOT / "docs/own_renderer.md").read_text()
FILE = "renderers/paper.py"
SMALL = {
    "seed": 0,
    "stage": {"image_size": 32},
    "training": {
        "epochs": 2,
        "scenes_per_epoch": 10,
        "batch_size": 10,
        "validation_scenes": 10,
        "search": {"rounds": 12, "candidates": 40},
    },
    "evaluation": {"scenes": 100, "key_epochs": 2, "saved_images": 3},
}


def block(words: str) -> str:
    """Return the only code block of the page that contains some words."""
    (found,) = (b for b in re.findall(r"^```\w+\n(.*?)^```$", PAGE, re.M | re.S) if words in b)
    return found


GRAMMAR = json.loads(block('"num_child"'))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A project's folder with the page's files, in which the test runs."""
    for path, text in {
        FILE: block("class PaperRenderer"),
        "look.py": block("# look.py"),
        "config/experiments/paper.yaml": block("# config/experiments/paper.yaml"),
        "config/grammars/paper.json": block('"num_child"'),
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "photographs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def draw_photographs(grammar: dict, count: int, size: int) -> None:
    with create_renderer(FILE, image_size=size, frame_width=0.6) as renderer:
        known = renderer.description.attributes
        scenes = Grammar(grammar, attributes=known).sample(count, generator(0, "hidden"))
        for number, image in enumerate(renderer.render(scenes).images):
            Image.fromarray(image).save(f"photographs/{number}.jpg", quality=95)


def test_the_example_is_planned_and_its_script_draws(here):
    draw_photographs(GRAMMAR, 20, 32)
    experiment = load_experiment(Configuration(), "paper", [])
    assert experiment.stage.frame_width == 0.6
    assert checked_grammars(experiment) == {"grammar": "config/grammars/paper.json"}
    exec(compile(Path("look.py").read_text(), "look.py", "exec"), {})
    assert Image.open("look.png").size == (64, 5 * 64)


def test_the_example_keeps_its_word(here):
    with create_renderer(FILE, image_size=48, frame_width=0.6) as renderer:
        grammar = Grammar(GRAMMAR, attributes=renderer.description.attributes)
        graphs = grammar.sample(6, generator(0, "paper"))
        images = renderer.render(graphs).images
        area = (images[..., 0] > 150).mean() * 60 * 60
        assert abs(area - 21 * 14.8) < 30
        turned = graphs.features.copy()
        yaw = graphs.layout.features.index("yaw")
        turned[:, 1, yaw] = (turned[:, 1, yaw] + 0.5) % 1
        again = graphs.with_features(turned)
        difference = renderer.render(again).images.astype(int) - images
        assert abs(difference).max() <= 1
        reference = np.full(graphs.features.shape[1:], 0.5)
        same = nearest_equivalent(renderer, again, reference).graphs.features
        np.testing.assert_allclose(same, graphs.features, atol=1e-5)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("frame_with: 0.6", ["frame_with: unknown key", "'frame_width'", "image_size"]),
        ("frame_width: -1", ["stage.frame_width", "greater than 0", "Metres of desk"]),
    ],
)
def test_a_wrong_key_of_its_stage_is_told_by_line(here, stage, words):
    path = Path("config/experiments/paper.yaml")
    path.write_text(path.read_text().replace("frame_width: 0.6", stage))
    with pytest.raises(UserError) as caught:
        load_experiment(Configuration(), "paper", [])
    assert str(caught.value).startswith(f"{path}:8: ")
    for word in words:
        assert word in str(caught.value)


def test_a_grammar_that_it_cannot_draw_is_refused_while_planning(here):
    draw_photographs(GRAMMAR, 20, 32)
    experiment = load_experiment(Configuration(), "paper", [])
    path = Path(experiment.grammar)
    cases = {
        '"yaw": ["Gaussian", 180, 20, 400]': "maximum must be a multiple of 360",
        '"hight": ["Deterministic", 14.8, 0, 100]': r"'hight'.*Did you mean 'height'",
        '["Deterministic", "papper"]': "exactly one node 'paper', and this grammar has 0",
    }
    replaced = ('"yaw": ["Gaussian", 180, 20, 360]', '"height": ["Deterministic", 14.8, 0, 100]',
                '["Deterministic", "paper"]')  # fmt: skip
    for before, (after, words) in zip(replaced, cases.items(), strict=True):
        text = block('"num_child"').replace(before, after)
        path.write_text(text.replace('"mutable": ["yaw"', '"mutable": ["hight", "yaw"')
                        .replace('"width", "height"]', '"width", "height", "hight"]')
                        if "hight" in after else text)  # fmt: skip
        with pytest.raises(UserError, match=words):
            checked_grammars(experiment)


def test_its_change_makes_the_images_anew(here):
    experiment = load_experiment(Configuration(), "paper", [])
    before = renderer_state(experiment)
    path = Path(FILE)
    path.write_text(path.read_text().replace("[215, 190, 60]", "[215, 190, 61]"))
    assert renderer_state(experiment) != before


def test_the_page_names_every_key_of_the_description():
    table = PAGE.split("## The description")[1].split("\n\n")[1]
    first = "".join(row.split("|")[1] for row in table.splitlines())
    assert set(re.findall(r"`(\w+)`", first)) == set(RendererDescription.__dataclass_fields__)


@pytest.mark.slow
def test_it_is_fitted_to_a_folder(here):
    """From photographs of a sheet at a hidden place to the summary, without the workflow."""
    hidden = json.loads(block('"num_child"'))
    hidden["child"][0]["attributes"] |= {
        "yaw": ["Gaussian", 220, 5, 360], "loc_x": ["Gaussian", 112, 3, 200],
    }  # fmt: skip
    draw_photographs(hidden, 40, 48)
    values = yaml.safe_load(Path("config/experiments/paper.yaml").read_text())
    experiment = Experiment.model_validate(merged(values, SMALL))
    machine, lines = Machine("cpu", 1, str(here / "cache")), []
    make_target(experiment, machine, "target.npz", lines.append)
    train(experiment, machine, "target.npz", "training", "checkpoint.pt", lines.append)
    make_results("paper", experiment, machine, "target.npz", "training", "results", lines.append)
    attributes = json.loads(Path("results/summary.json").read_text())["attributes"]
    assert attributes["yaw"]["unit"] == "degrees"
    # Half a turn of a sheet looks the same, so either is right.
    assert abs((attributes["yaw"]["generated"]["mean"] - 220 + 90) % 180 - 90) < 10
    assert abs(attributes["loc_x"]["generated"]["mean"] - 112) < 3
    low, high = attributes["loc_x"]["generated"]["mean_95"]
    assert low < 113 and high > 111
    assert attributes["yaw"]["target"] is None and attributes["yaw"]["wasserstein"] is None
