"""An experiment with ``renderer: program``: planned by what the program says."""

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT

from simtailor.config import Configuration, load_experiment
from simtailor.errors import UserError
from simtailor.metasim.fingerprint import fingerprint_of
from simtailor.metasim.inputs import checked_grammars, needs_kernels, renderer_state
from simtailor.metasim.stage import Machine, make_target
from simtailor.metasim.target import TargetImages
from simtailor.render.description import RenderMachine
from simtailor.render.program import describing
from simtailor.render.program.describing import hello_of
from simtailor.render.program.renderer import ProgramRenderer
from simtailor.render.program.settings import ProgramSettings
from simtailor.reporting import reporter

ADAPTERS = Path(__file__).parent / "adapters"
SIZE = 48


def grammar(low: float, high: float) -> dict:
    """Return the grammar of a dot whose column is somewhere between two."""
    leaf = {
        "class": ["Deterministic", "dot"],
        "attributes": {"immutable": False, "x": ["Uniform", low, high, 15]},
        "num_child": ["Deterministic", 0],
        "child": [],
    }
    return {
        "class": ["Deterministic", "Image"],
        "attributes": {"features": ["class", "x"], "mutable": ["x"], "immutable": True},
        "num_child": ["Deterministic", 1],
        "child": [leaf],
    }


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A project's folder with an adapter and an experiment, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(describing, "_asked", {})
    (tmp_path / "sim").mkdir()
    shutil.copy(ADAPTERS / "dots_adapter.py", tmp_path / "sim/dots_adapter.py")
    Path("prior.json").write_text(json.dumps(grammar(1, 9)))
    Path("target.json").write_text(json.dumps(grammar(6, 12)))
    write()
    return tmp_path


def write(**stage) -> None:
    """Write the experiment's file, with other keys of the stage."""
    command = f"{sys.executable} dots_adapter.py"
    values = {
        "grammar": "prior.json",
        "target": {"grammar": "target.json", "images": 40},
        "renderer": "program",
        "stage": {"image_size": 16, "folder": "sim", "command": command, **stage},
        "features": {"pyramid": [16, 8]},
    }
    Path("config/experiments").mkdir(parents=True, exist_ok=True)
    Path("config/experiments/dots.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def load():
    return load_experiment(Configuration(), "dots", [])


def test_it_is_planned_by_what_the_program_says(here):
    experiment = load()
    assert set(checked_grammars(experiment)) == {"grammar", "target_grammar"}
    assert not needs_kernels(experiment)
    before = renderer_state(experiment)
    for name in ("prior.json", "target.json"):
        Path(name).write_text(json.dumps(grammar(1, 15)).replace('"x"', '"y"'))
    with pytest.raises(UserError, match=r"'program' does not know the attribute 'y'"):
        checked_grammars(experiment)
    adapter = here / "sim/dots_adapter.py"
    adapter.write_text(adapter.read_text().replace("/ 4)", "/ 5)"))
    assert renderer_state(experiment) != before


@pytest.mark.parametrize(
    ("stage", "line", "words"),
    [
        ({"command": "no_such_program"}, 9, "stage.command: there is no program 'no_such_program'"),
        ({"files": ["a.obj"]}, 10, "stage.files: there is no file or folder sim/a.obj"),
        ({"comand": "x"}, 10, "stage.comand: unknown key. Did you mean 'command'"),
        ({"tries": 0}, 10, "stage.tries: Input should be greater than 0"),
    ],
)
def test_a_wrong_key_is_told_by_line(here, stage, line, words):
    write(**stage)
    with pytest.raises(UserError) as caught:
        load()
    assert str(caught.value).startswith(f"config/experiments/dots.yaml:{line}: ")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_command_is_told(here):
    path = Path("config/experiments/dots.yaml")
    values = yaml.safe_load(path.read_text())
    del values["stage"]
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"stage\.command: this key is missing"):
        load()


def test_its_target_is_made_and_a_longer_timeout_changes_no_training(here):
    experiment, machine, lines = load(), Machine("cpu", 1, "resources"), []
    with reporter("target.log", "dots") as report:
        make_target(experiment, machine, "target.npz", report)
    target = TargetImages.read("target.npz")
    assert len(target.images) == 40 and target.images[:, 0, :, 0].argmax(1).min() >= 6
    assert Path("target.program.log").exists()
    write(timeout=999, tries=5, processes=2)
    patient = load()
    write(options={"colour": [255, 0, 0]})
    with machine.renderer(experiment, lines.append) as renderer:
        prior = experiment.read_grammar("prior.json")
        prints = [
            fingerprint_of(e, prior, renderer, target, "cpu", "resources")
            for e in (experiment, patient, load())
        ]
    assert prints[0] == prints[1] != prints[2]


EXAMPLES = {
    "mujoco": ("mujoco", "./run python -m pip install mujoco"),
    "mitsuba": ("mitsuba", "./run python -m pip install mitsuba"),
    "blender": ("bpy", "it wants an older NumPy, see examples/blender/README.md"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_without_its_package_says_how_to_install_it(here, name):
    module, _ = EXAMPLES[name]
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    command = [sys.executable, "adapter.py"]
    settings = ProgramSettings(folder=str(ROOT / "examples" / name), command=command)
    with pytest.raises(UserError, match=rf"{module} is not installed for .*pip install {module}=="):
        hello_of(settings)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_places_its_mesh_like_the_tabletop(here, name):
    """Ten centimetres to the left and down, and a quarter turn clockwise."""
    module, how = EXAMPLES[name]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: {how}")
    folder, command, options = ROOT / "examples" / name, [sys.executable, "adapter.py"], {}
    if name == "blender":
        options = {"file": str(here / "scene.blend")}
        subprocess.run([sys.executable, folder / "make_scene.py", options["file"]], check=True)
    settings = ProgramSettings(
        image_size=SIZE, folder=str(folder), command=command, options=options
    )
    poses = [{}, {"loc_x": 110}, {"loc_z": 110}, {"yaw": 90}]
    scenes = [{"seed": 1, "nodes": {"object": {"class": "slipper", **pose}}} for pose in poses]
    with ProgramRenderer(settings, RenderMachine(threads=1)) as renderer:
        parts = hello_of(settings).parts
        drawn = renderer.draw(scenes, ["image", *parts])
    first, left, down, turned = drawn.masks == 1
    step = round(SIZE * 0.1 / 0.42)
    expected = [np.roll(first, -step, 1), np.roll(first, step, 0), np.rot90(first, -1)]
    for found, wanted in zip((left, down, turned), expected, strict=True):
        assert (found & wanted).sum() / (found | wanted).sum() > 0.8
    assert (turned & np.rot90(first, 1)).sum() < (turned & np.rot90(first, -1)).sum()
    if "depth" in parts:
        table, top = drawn.depth[0][~first], drawn.depth[0][first].min()
        np.testing.assert_allclose(table, 0.21 / np.tan(np.radians(20)), atol=0.002)
        assert 0.06 < table.mean() - top < 0.08
    assert drawn.images[0][first, 1].mean() > 2 * drawn.images[0][~first].mean()
