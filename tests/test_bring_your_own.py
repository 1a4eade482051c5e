"""The page on one's own photographs: its blocks are valid, and its examples work."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image

from simtailor.config import Configuration, load_experiment
from simtailor.layers import merged
from simtailor.metasim.settings import Experiment
from simtailor.metasim.stage import Machine, make_results, make_target, train
from simtailor.render import renderer as registry
from simtailor.render.renderer import create_renderer, nearest_equivalent
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
    (folder / "config/grammars/paper.json").write_text(block('"paper"]'))


def draw_pictures(folder: Path, count: int, size: int) -> None:
    """Run the page's script in ``folder``, with fewer and smaller pictures."""
    script = block('photographs")').replace("sample(250", f"sample({count}")
    script = script.replace('"image_size": 160', f'"image_size": {size}')
    assert f"sample({count}" in script and f'"image_size": {size}' in script
    exec(compile(script, "draw_pictures.py", "exec"), {})  # it reads and writes in the folder


@pytest.fixture
def paper(monkeypatch):
    """The page's renderer, registered for one test."""
    registry._import_built_in()  # else these would be forgotten with the page's
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    exec(compile(block("class PaperRenderer"), "paper.py", "exec"), {})


def test_every_experiment_and_fragment_is_valid(tmp_path, monkeypatch):
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = [p.stem for p in Path("config/experiments").iterdir()]
    assert {"mine", "mine_wide", "paper"} == set(names)
    for name in names:
        load_experiment(Configuration(), name, [])
    first = yaml.safe_load(block("config/experiments/mine.yaml"))
    for text in blocks("yaml"):
        Experiment.model_validate(merged(first, yaml.safe_load(text)))


def test_every_grammar_is_valid():
    mine, camera, paper = (json.loads(text) for text in blocks("json"))
    for tree in (mine, paper):
        assert Grammar(tree).layout.mutable.sum() == 3
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


def test_own_renderer_keeps_its_word(paper):
    grammar = Grammar(json.loads(block('"paper"]')))
    graphs = grammar.sample(6, generator(0, "paper"))
    with create_renderer("paper", image_size=48, frame_width=0.6, device="cpu") as renderer:
        images = renderer.render(graphs).images
        assert images.shape == (6, 48, 48, 3) and images.dtype == np.uint8
        alone = renderer.render(graphs[3:4]).images
        np.testing.assert_array_equal(alone[0], images[3])
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


@pytest.mark.slow
def test_own_renderer_is_fitted_to_a_folder(paper, tmp_path, monkeypatch):
    """From photographs of a sheet at a hidden place to the summary, without the workflow."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    hidden = json.loads(block('"paper"]'))
    hidden["child"][0]["attributes"] |= {
        "yaw": ["Gaussian", 220, 5, 360], "loc_x": ["Gaussian", 112, 3, 200],
    }  # fmt: skip
    (tmp_path / "photographs").mkdir()
    with create_renderer("paper", image_size=48, frame_width=0.6) as renderer:
        images = renderer.render(Grammar(hidden).sample(40, generator(0, "hidden"))).images
    for number, image in enumerate(images):
        Image.fromarray(image).save(f"photographs/{number}.jpg", quality=95)
    values = yaml.safe_load(block("config/experiments/paper.yaml"))
    experiment = Experiment.model_validate(merged(values, SMALL | {"seed": 0}))
    search = experiment.training.search.model_copy(update={"rounds": 12, "candidates": 40})
    training = experiment.training.model_copy(update={"search": search})
    experiment = experiment.model_copy(update={"training": training})
    machine, lines = Machine("cpu", 1, str(tmp_path / "cache")), []
    make_target(experiment, machine, "target.npz", lines.append)
    train(experiment, machine, "target.npz", "training", "checkpoint.pt", lines.append)
    make_results("paper", experiment, machine, "target.npz", "training", "results")
    summary = json.loads(Path("results/summary.json").read_text())
    attributes = summary["attributes"]
    assert abs(attributes["yaw"]["generated"]["mean"] - 220) < 10
    assert abs(attributes["loc_x"]["generated"]["mean"] - 112) < 3
    low, high = attributes["loc_x"]["generated"]["mean_95"]
    assert low < 113 and high > 111
    assert attributes["yaw"]["target"] is None and attributes["yaw"]["wasserstein"] is None
    assert documented_keys_are_there(summary)
    assert {"images of 48 x 48 were cut to a square and resized to 32 x 32"} <= set(lines)
    for words in documented_lines():
        assert any(words in line for line in lines), words


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
    dry = project.snakemake("results/metasim/mine", options=("-n",))
    assert dry.returncode == 0, dry.stderr[-2000:]
    assert "metasim_results" in dry.stdout
    project.make("results/metasim/mine")
    summary = json.loads((project.folder / "results/metasim/mine/summary.json").read_text())
    assert summary["target"]["images"] == 24
    assert set(summary["attributes"]) == {"yaw", "loc_x", "loc_z"}
    assert "held-out" in summary["verdict"]
