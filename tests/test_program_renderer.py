"""``renderer: program``: what a program draws, and what becomes of one that crashes or hangs."""

import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from dots import scenes as dots
from players import scenes

from simtailor.errors import UserError
from simtailor.render import checked
from simtailor.render.checked import CheckedRenderer
from simtailor.render.creation import create_renderer, renderer_for
from simtailor.render.description import RenderMachine
from simtailor.render.program import describing
from simtailor.render.program.conformance import _lives
from simtailor.render.program.process import FOLDER
from simtailor.render.program.renderer import ProgramRenderer
from simtailor.render.program.scenes import scenes_of
from simtailor.render.program.settings import ProgramSettings
from simtailor.render.registry import find_renderer
from simtailor.render.standins.__main__ import write_stand_in
from simtailor.render.standins.program_scenes import bars
from simtailor.reporting import reporter

ADAPTERS = str(Path(__file__).parent / "adapters")
DOTS = [sys.executable, "dots_adapter.py"]
SIZE = 16
DOT_GRAPHS = dots(24)
COLUMN = DOT_GRAPHS.find("dot", "x")
GRAPHS = scenes(24)  # of the stand-in


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """Keep what programs say in a folder of the test; no process and no socket stays."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(describing, "_asked", {})
    before = set(psutil.Process().children(recursive=True))  # of other tests, such as a tracker
    yield
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not list(tmp_path.glob(f"{FOLDER}*"))


@pytest.fixture
def program(tmp_path):
    """Make renderers by a stand-in, with a fault or none."""

    def made(*options: str, **others) -> CheckedRenderer:
        given = ["--drawing", "bars", *(["--fault", *options] if options else [])]
        command = [str(write_stand_in(tmp_path / "program", "program", given))]
        stage = {"image_size": SIZE, "command": command, "folder": ADAPTERS}
        return create_renderer("program", **stage | others)

    return made


@pytest.fixture
def drawn(program):
    """Return the images that such a renderer draws."""

    def images(*options: str, **others) -> np.ndarray:
        with program(*options, **others) as renderer:
            return renderer.render(GRAPHS).images

    return images


@pytest.fixture(scope="module")
def expected():
    """The images of a program that makes no mistakes."""
    return np.stack([bars(scene["nodes"], SIZE) for scene in scenes_of(GRAPHS, {})])


@pytest.fixture(scope="module")
def expected_dots():
    """The images of the adapter of dots, without simtailor's checks."""
    settings = ProgramSettings(image_size=SIZE, command=DOTS, folder=ADAPTERS)
    with ProgramRenderer(settings, RenderMachine()) as renderer:
        return renderer.render(DOT_GRAPHS).images


def test_it_draws_images_masks_and_depth_in_order(expected_dots):
    with create_renderer("program", image_size=SIZE, command=DOTS, folder=ADAPTERS) as renderer:
        found = renderer.render(DOT_GRAPHS, masks=True, depth=True)
        assert len(renderer.render(DOT_GRAPHS[:0]).images) == 0
    np.testing.assert_array_equal(found.images, expected_dots)
    np.testing.assert_array_equal(found.images[:, 0, :, 0].argmax(1), np.rint(COLUMN))
    np.testing.assert_array_equal(found.masks, found.images[..., 0] > 127)
    assert found.depth.dtype == np.float32 and (found.depth == 1.5).all()


def test_options_reach_it_and_several_processes_draw_the_same(expected_dots):
    options = {"colour": [255, 0, 0]}
    stage = {"command": DOTS, "folder": ADAPTERS, "processes": 3, "options": options}
    with create_renderer("program", image_size=SIZE, **stage) as renderer:
        assert len(set(renderer.inner.process_ids)) == 3
        images = renderer.render(DOT_GRAPHS).images
    np.testing.assert_array_equal(images[..., 0], expected_dots[..., 0])
    assert not images[..., 1:].any()


def test_two_runs_at_once_do_not_meet(expected, program):
    with program() as first, program() as second:
        np.testing.assert_array_equal(first.render(GRAPHS[:9]).images, expected[:9])
        np.testing.assert_array_equal(second.render(GRAPHS).images, expected)
        np.testing.assert_array_equal(first.render(GRAPHS[9:]).images, expected[9:])


def test_it_is_described_by_what_it_says(tmp_path):
    settings = ProgramSettings(image_size=SIZE, command=DOTS, folder=ADAPTERS)
    contract = find_renderer("program").of(settings)
    assert contract.attributes["dot"]["x"].high == 15
    assert contract.returns == ("masks", "depth") and contract.reproducible
    with pytest.raises(UserError, match="8 to 1024 pixels, and is asked for 2000"):
        find_renderer("program").of(settings.model_copy(update={"image_size": 2000}))


def test_it_is_asked_once_until_its_files_change(tmp_path):
    adapter = tmp_path / "adapter.py"
    adapter.write_text((Path(ADAPTERS) / "dots_adapter.py").read_text())
    mesh = tmp_path / "meshes" / "a.obj"
    mesh.parent.mkdir()
    mesh.write_text("v 0 0 0")
    command = [sys.executable, str(adapter)]
    settings = ProgramSettings(image_size=SIZE, command=command, files=[str(mesh.parent)])

    def identity() -> str:
        describing._asked.clear()  # another process plans
        return find_renderer("program").of(settings).identity

    first = identity()
    broken = ["/bin/false", str(adapter)]
    (kept,) = (tmp_path / "cache/simtailor/programs").iterdir()
    assert json.loads(kept.read_text())["said"]["name"] == "dots"
    kept.write_text(kept.read_text().replace('"version":"1"', '"version":"kept"'))
    assert "dots kept" in identity()  # it was not started
    kept.write_text(kept.read_text().replace('"version":"kept"', '"version":"1"'))
    assert identity() == first
    mesh.write_text("v 0 0 1")
    second = identity()
    adapter.write_text(adapter.read_text() + "\n# changed\n")
    assert len({first, second, identity()}) == 3
    with pytest.raises(UserError, match="it does not connect; it ended with status 1"):
        find_renderer("program").of(settings.model_copy(update={"command": broken}))


def test_a_program_that_changed_after_planning_is_not_used():
    settings = ProgramSettings(image_size=SIZE, folder=ADAPTERS, command=DOTS)
    renderer = ProgramRenderer(settings, RenderMachine())
    planned = describing.hello_of(settings)
    renderer._hello = planned.model_copy(update={"version": "0"})
    with pytest.raises(UserError, match=r"changed since the workflow was planned \(version\)"):
        renderer.__enter__()


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({}, "command\n  Field required"),
        ({"command": "no_such_program --fast"}, "no program 'no_such_program'"),
        ({"command": "./absent.sh"}, "no program .*adapters/absent.sh"),
        ({"command": "./dots_adapter.py"}, "may not be run.*chmod .x.*python ./dots_adapter.py"),
        ({"command": "python 'x"}, "cannot be split into words"),
        ({"command": []}, "the command is empty"),
        ({"command": DOTS, "files": ["a.obj"]}, "no file or folder .*adapters/a.obj"),
        ({"command": DOTS, "folder": "nowhere"}, "no folder nowhere"),
        ({"command": DOTS, "timeout": 0}, "greater than 0"),
    ],
)
def test_wrong_settings_are_told_before_anything_starts(stage, words):
    with pytest.raises(ValueError, match=words):
        ProgramSettings(**{"folder": ADAPTERS, **stage})


def test_chatter_and_slow_scenes_do_no_harm(expected, tmp_path, program, drawn):
    log = tmp_path / "job.log"
    with reporter(log, "job") as report, program("chatter") as other:
        settings = other.inner._settings
        with renderer_for("program", settings, RenderMachine(threads=2), report) as renderer:
            np.testing.assert_array_equal(renderer.render(GRAPHS).images, expected)
    assert "a line of Blender" in (tmp_path / "job.program.log").read_text()
    assert "Blender" not in log.read_text()
    images = drawn(
        "slow", "--delay", "0.05", timeout=0.5
    )  # more than that in all, but it shows that it lives
    np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize("fault", ["crash", "hang", "half_written"])
def test_what_happens_once_costs_a_new_start(fault, expected, tmp_path, drawn):
    lines, once = [], ("--at", "5", "--mark", str(tmp_path / "mark"))
    images = drawn(fault, *once, report=lines.append, timeout=0.5)
    np.testing.assert_array_equal(images, expected)
    (line,) = lines
    assert "starting it again" in line and line.startswith("renderer 'program': stage.command: /")


FIRST = re.escape(str(GRAPHS.find("object", "yaw")[0])[:5])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("crash", rf"lost 2 times at the scene \{{.*\"yaw\": {FIRST}.*ended by SIGSEGV"),
        ("hang", rf"lost 2 times at the scene \{{.*\"yaw\": {FIRST}.*no sign of life for 0.5 s"),
        ("error", rf"cannot draw the scene \{{.*\"yaw\": {FIRST}.*ValueError: the object"),
        ("malformed", r"5 bytes of image; expected 768: 16 x 16 pixels of 3"),
        ("half_written", rf"lost 2 times at the scene \{{.*\"yaw\": {FIRST}"),
        ("wrong_order", "answered to render 1, scene 1000; asked for was render 1"),
        ("resend", "answered to render 1, scene 0; asked for was render"),
        ("chance", "the same scene was drawn twice"),
        ("setup", "it says: RuntimeError: no such material"),
        ("exit", "does not connect; it ended with status 3; the last that it printed: no display"),
        ("deaf", "does not connect within 0.5 s.*see docs/own_simulator.md"),
        ("version", "speaks version 2 of the protocol, and this simtailor version 1. Copy"),
        ("hello", r"first message is wrong: attributes.object.yaw: .*low: 3.0 is not below high"),
    ],
)
def test_a_fault_is_told_in_a_paragraph_soon(fault, words, drawn):
    started = time.monotonic()
    limits = {"start_timeout": 0.5 if fault == "deaf" else 60, "timeout": 0.5}
    with pytest.raises(UserError, match=words) as caught:
        drawn(fault, **limits)
    assert time.monotonic() - started < 20
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("renderer 'program'")


def test_a_long_wait_while_planning_is_told(capsys, monkeypatch, program):
    monkeypatch.setattr(describing, "TELL_AFTER", 0.1)
    with pytest.raises(UserError, match="does not connect"):
        program("deaf", start_timeout=0.5)
    assert "waiting for it to say what it draws" in capsys.readouterr().err


def test_after_an_error_it_can_be_used_again(expected, program):
    with program("error", "--at", "5") as renderer:
        with pytest.raises(UserError):
            renderer.inner.render(GRAPHS)
        np.testing.assert_array_equal(renderer.inner.render(GRAPHS[4:8]).images, expected[4:8])


def test_images_by_chance_are_allowed_if_it_says_so(program):
    with program("honest_chance") as renderer:
        assert not renderer.description.reproducible


def test_drawn_scenes_are_kept(expected, tmp_path, monkeypatch, program, drawn):
    monkeypatch.setattr(checked, "WORTH_KEEPING", 0)
    stage = {"cache": tmp_path / "resources"}
    np.testing.assert_array_equal(drawn(**stage), expected)
    with program(**stage, timeout=99, processes=2) as renderer:
        renderer.inner.render = None  # nothing more is drawn
        np.testing.assert_array_equal(renderer.render(GRAPHS).images, expected)


@pytest.mark.parametrize("where", ["while it draws", "under a shell"])
def test_it_dies_with_a_killed_job(where, tmp_path):
    """A forked process draws a scene that hangs, and is killed."""
    options = ["--drawing", "bars", "--fault", "hang"]
    command = [str(write_stand_in(tmp_path / "program", "program", options))]
    if where == "under a shell":
        command = ["bash", "-c", f"{command[0]}; true"]
    settings = ProgramSettings(image_size=SIZE, command=command, folder=ADAPTERS)
    describing.hello_of(settings)
    reading, writing = os.pipe()
    if not (job := os.fork()):
        try:
            with ProgramRenderer(settings, RenderMachine()) as renderer:
                os.write(writing, f"{renderer.process_ids[0]}\n".encode())
                renderer.render(GRAPHS)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        group = int(pipe.readline())
    time.sleep(0.3)  # it draws now
    processes = [p for p in psutil.process_iter() if os.getpgid(p.pid) == group]
    assert processes
    os.kill(job, signal.SIGKILL)
    os.waitpid(job, 0)
    deadline = time.monotonic() + 5
    while any(map(_lives, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_lives, processes))
