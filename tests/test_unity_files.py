"""``renderer: unity_files``, with a stand-in for the published builds."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
import pytest
from players import expected, player, scenes, stand_in
from pydantic import ValidationError

from simtailor.errors import UserError
from simtailor.metasim import target_build
from simtailor.metasim.target_build import fill_snapshots
from simtailor.render.registry import find_renderer
from simtailor.render.standins.scenes import check_graph
from simtailor.render.unity_files import renderer as module
from simtailor.render.unity_files.folders import Folders
from simtailor.render.unity_files.order import LabelCheck
from simtailor.render.unity_files.settings import UnityFilesSettings

SIZE = 128  # of the published pictures
GRAPHS = scenes(12)  # more than ten: 10.png sorts before 2.png by text
IMAGES = expected(GRAPHS, SIZE)
ROOT_PATH = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """No process stays, and of files only the lock."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not any((tmp_path / "temporary").iterdir())
    assert not list(tmp_path.rglob("ggraph_*"))


def drawn(tmp_path: Path, *options: str, **stage) -> np.ndarray:
    """Return pictures of a first batch of one scene, and a second of all."""
    with player(tmp_path, "unity_files", *options, **stage) as renderer:
        renderer.inner.render(GRAPHS[:1])
        return renderer.inner.render(GRAPHS).images


def test_pictures_come_in_the_order_of_the_graphs_and_in_their_size(tmp_path):
    with player(tmp_path, "unity_files", image_size=32) as renderer:
        found = renderer.render(GRAPHS).images
        assert len(renderer.render(GRAPHS[:0]).images) == 0
    averaged = IMAGES.reshape(12, 32, 4, 32, 4, 3).mean((2, 4))
    assert np.abs(found - averaged).max() <= 1
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"3dv1.x86_64", ".simtailor.lock"}


@pytest.mark.parametrize(
    "options",
    [["crash", "--at", "2"], ["half_written", "--at", "2"], ["resend", "--at", "2"]],
    ids=lambda options: options[0],
)
def test_what_happens_once_costs_no_picture(tmp_path, options):
    mark = tmp_path / "mark"
    found = drawn(tmp_path, "--fault", *options, "--mark", str(mark))
    np.testing.assert_array_equal(found, IMAGES)
    assert mark.exists()


@pytest.mark.parametrize(
    ("options", "stage", "words"),
    [
        ("crash", {}, "lost once at a batch of 1 scenes: it has ended; it was ended by SIGSEGV"),
        ("hang --at 2", {"timeout": 1}, "it gave no sign of life for 1 s"),
        ("malformed", {}, r"it says that it is done, but .*0.png cannot be read"),
        ("wrong_order --at 2", {}, r"picture 0 has the label yaw .*, and its graph "),
        ("exit", {}, "it ended with status 3; the last that it printed: no display"),
    ],
)
def test_what_happens_again_ends_the_run_in_a_paragraph(
    tmp_path, monkeypatch, options, stage, words
):
    monkeypatch.setattr(module, "SETTLE", 0.2)
    with pytest.raises(UserError, match=words) as caught:
        drawn(tmp_path, "--fault", *options.split(), **{"tries": 1, **stage})
    assert "\n" not in str(caught.value) and "stage.build: " in str(caught.value)


def test_a_second_client_waits_for_the_first(tmp_path):
    lines = []
    with player(tmp_path, "unity_files") as renderer, ExitStack() as held:
        renderer.render(GRAPHS[:1])
        folders = Folders(renderer.inner._settings.build)
        waiting = threading.Thread(target=module.hold, args=(folders, held, lines.append))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive() and "another run uses this build" in lines[0]
        np.testing.assert_array_equal(renderer.render(GRAPHS[:2]).images, IMAGES[:2])
        renderer.inner.close()
        waiting.join(10)
        assert not waiting.is_alive() and len(lines) == 1


def test_a_build_that_was_started_by_hand_is_used_and_left(tmp_path):
    build = stand_in(tmp_path, "unity_files")
    with subprocess.Popen([build, "--batchmode"]) as process:
        with player(tmp_path, "unity_files", launch=False) as renderer:
            np.testing.assert_array_equal(renderer.render(GRAPHS[:2]).images, IMAGES[:2])
        assert process.poll() is None
        process.kill()
    with (
        pytest.raises(UserError, match="Is it running"),
        player(tmp_path, "unity_files", launch=False, start_timeout=0.2, tries=1) as renderer,
    ):
        renderer.render(GRAPHS[:2])


def test_a_build_dies_with_a_killed_job(tmp_path):
    build = stand_in(tmp_path, "unity_files", "--fault", "hang")
    program = (
        "from players import *; import sys\n"
        "from simtailor.render.creation import create_renderer as make\n"
        "with make('unity_files', build=sys.argv[1]) as renderer: renderer.render(scenes(2))"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    with subprocess.Popen([sys.executable, "-c", program, build], env=environment) as job:
        busy = Folders(build).graphs / "busy.txt"
        while not busy.exists() and job.poll() is None:
            time.sleep(0.05)
        started = psutil.Process(job.pid).children(recursive=True)
        job.send_signal(signal.SIGKILL)
    assert len(started) == 2  # the build and its guard
    assert psutil.wait_procs(started, timeout=20)[1] == []
    Folders(build).clear()


def test_labels_that_nobody_can_compare_are_no_fault():
    sent = [scenes(5).to_node_link(index) for index in range(5)]
    values = [
        node["attr"]["yaw"] for graph in sent for node in graph["nodes"] if "yaw" in node["attr"]
    ]
    check = LabelCheck()
    assert not check.complaint(sent, [{"yaw": v + 7, "loc_x": None, "other": 1} for v in values])
    assert not check.complaint(sent[:1], [{}])
    assert "label yaw" in check.complaint(sent, [{"yaw": v} for v in values[::-1]])
    assert not check.complaint(sent, [{"yaw": v - 360} for v in values])
    assert "label yaw" in check.complaint(sent[:1], [{"yaw": values[0] + 7}])


def test_graphs_are_as_the_published_builds_read_them():
    graph = scenes(1, attributes=8).to_node_link(0)
    check_graph(json.loads(json.dumps(graph, allow_nan=False)))
    kinds = [node["cls"] for node in graph["nodes"]]
    assert kinds == ["Image", "Scene", "Camera", "Light", 0, "Background"]
    assert set(graph["links"][0]) == {"source", "target"}


def test_a_wrong_build_is_told_before_any_job(tmp_path):
    build = stand_in(tmp_path, "unity_files")
    for given, words in (
        (build.parent, "is a folder. Give the file in it: 3dv1.x86_64"),
        (build.with_name("3dv2.x86_64"), "Did you mean '3dv1.x86_64'"),
    ):
        with pytest.raises(ValidationError, match=words):
            UnityFilesSettings(build=str(given))
    build.chmod(0o644)
    with pytest.raises(ValidationError, match=f"chmod \\+x {build}"):
        UnityFilesSettings(build=str(build))


def test_it_is_described_by_its_settings_and_its_files(tmp_path):
    build = stand_in(tmp_path, "unity_files")
    own = {"object": {"heading": {"unit": "degrees", "period": 180}, "height": "cm"}}
    settings = UnityFilesSettings(build=str(build), attributes=own, reproducible=False)
    contract = find_renderer("unity_files").of(settings)
    assert contract.attributes["object"]["heading"].period == 180
    assert contract.attributes["object"]["height"].unit == "cm" and not contract.reproducible
    folders = Folders(build)
    (folders.snapshots / "0.png").write_bytes(b"passing")
    assert find_renderer("unity_files").of(settings).identity == contract.identity
    (folders.snapshots.parent / "level0").write_bytes(b"scene")
    assert find_renderer("unity_files").of(settings).identity != contract.identity


def test_a_target_build_is_run_until_there_are_enough_pictures(tmp_path):
    grammar = str(ROOT_PATH / "config/grammars/tyol_1attr.json")
    lines = []
    build = stand_in(tmp_path, "unity_files", "--target", "24", "--grammar", grammar)
    folder = fill_snapshots(str(build), 20, lines.append, None)
    pictures = {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    assert len(pictures) >= 20
    fill_snapshots(str(build), 20, lines.append, None)  # nothing is drawn again, or removed
    assert pictures == {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    assert "they are taken" in lines[-1]


def test_a_target_build_that_stops_is_told(tmp_path, monkeypatch):
    grammar = str(ROOT_PATH / "config/grammars/tyol_1attr.json")
    options = ["--target", "24", "--grammar", grammar, "--fault", "hang", "--at", "3"]
    monkeypatch.setattr(target_build, "PATIENCE", 0.5)
    build = stand_in(tmp_path, "unity_files", *options)
    with pytest.raises(UserError, match=r"it drew 3 of 20 pictures, and then none for 0\.5 s"):
        fill_snapshots(str(build), 20, print, None)
