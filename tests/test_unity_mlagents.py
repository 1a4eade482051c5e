"""``renderer: unity_mlagents``, with a stand-in that speaks real gRPC."""

import importlib.util
import re
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import ROOT
from players import expected, player, scenes, stand_in

from simtailor.errors import UserError
from simtailor.render import drawable
from simtailor.render.creation import create_renderer
from simtailor.render.players import player as players_player
from simtailor.render.unity_mlagents.channel import CHANNEL, SIZE_ARGUMENT

SIZE = 32
GRAPHS = scenes(7)
IMAGES = expected(GRAPHS, SIZE)
INSTALLED = importlib.util.find_spec("mlagents_envs") is not None
needs_package = pytest.mark.skipif(
    not INSTALLED, reason="mlagents_envs is not installed: SIMTAILOR_EXTRAS=unity ./run pytest"
)


def listening() -> set[tuple[str, int]]:
    """Return the addresses that this process listens on."""
    connections = psutil.Process().net_connections("inet")
    return {tuple(c.laddr) for c in connections if c.status == psutil.CONN_LISTEN}


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """No process, no file and no port stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    before, ports = set(psutil.Process().children(recursive=True)), listening()
    yield
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not any((tmp_path / "temporary").iterdir())
    assert listening() <= ports


def drawn(tmp_path: Path, *options: str, **stage) -> np.ndarray:
    with player(tmp_path, "unity_mlagents", *options, image_size=SIZE, **stage) as renderer:
        return renderer.render(GRAPHS).images


@needs_package
@pytest.mark.parametrize("channels", ["first", "last"])
def test_players_draw_side_by_side_in_either_order_of_channels(tmp_path, monkeypatch, channels):
    monkeypatch.setattr(players_player, "FAREWELL", 60)  # on a busy machine
    stage = {"image_size": SIZE, "players": 2}
    with player(tmp_path, "unity_mlagents", "--channels", channels, **stage) as renderer:
        np.testing.assert_array_equal(renderer.inner.render(GRAPHS).images, IMAGES)
        assert len({client.pid for client in renderer.inner._clients}) == 2
        hosts = {host.removeprefix("::ffff:") for host, _ in listening()}  # of IPv4 in IPv6
        assert hosts == {"127.0.0.1"}
        np.testing.assert_array_equal(renderer.render(GRAPHS[2:4]).images, IMAGES[2:4])
        assert len(renderer.render(GRAPHS[:0]).images) == 0
        assert renderer.inner.close() == [True, True]  # they end by themselves when they are told


@needs_package
@pytest.mark.parametrize("fault", ["crash", "malformed", "half_written", "resend"])
def test_what_happens_once_costs_no_picture(tmp_path, fault):
    mark = tmp_path / "mark"
    options = ("--fault", fault, "--at", "3", "--mark", str(mark))
    np.testing.assert_array_equal(drawn(tmp_path, *options), IMAGES)
    assert mark.exists()


@needs_package
@pytest.mark.parametrize(
    ("options", "stage", "words"),
    [
        ("crash", {"tries": 2}, "lost 2 times at the scene .*it was ended by SIGSEGV"),
        ("hang --at 2", {"timeout": 1}, "it gave no sign of life for 1 s"),
        ("wrong_order --at 2", {}, "it answers to scene 3, which nobody sent"),
        ("version", {}, r"it is of another version: .*Unity API: 9\.0\.0"),
        ("exit", {}, "it has ended; it ended with status 3; the last that it printed: no display"),
    ],
)
def test_what_happens_again_ends_the_run_in_a_paragraph(tmp_path, options, stage, words):
    with pytest.raises(UserError, match=words) as caught:
        drawn(tmp_path, "--fault", *options.split(), **{"tries": 1, **stage})
    assert "\n" not in str(caught.value) and "stage.build: " in str(caught.value)


@needs_package
def test_a_scene_that_is_refused_is_named(tmp_path):
    graphs = scenes(1)
    build = stand_in(tmp_path, "unity_mlagents")
    own = {"object": {"height": "cm"}}
    graphs.layout.node_constants[list(graphs.layout.node_names).index("object")]["colour"] = 7
    renderer = create_renderer("unity_mlagents", build=str(build), image_size=SIZE, attributes=own)
    with renderer, pytest.raises(UserError, match=r"cannot draw a scene: unknown attribute object"):
        renderer.render(graphs)


def test_an_absent_package_is_told_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(drawable.importlib.util, "find_spec", lambda name: None)
    words = r"needs the Python module mlagents_envs.*SIMTAILOR_EXTRAS=unity"
    with pytest.raises(UserError, match=words):
        player(tmp_path, "unity_mlagents")


def test_the_agent_for_unity_speaks_of_the_same_channel():
    agent = (ROOT / "examples/unity/SceneGraphAgent.cs").read_text()
    assert re.search(r'new Guid\("(.*)"\)', agent)[1] == str(CHANNEL)
    assert f'Argument("{SIZE_ARGUMENT}"' in agent and "NEVER COMPILED" in agent
