"""Scenes on disk: found again by another process, safe when torn, bounded, apart by what counts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dots import SETTINGS, DotRenderer, description, scenes

from simtailor.render import checked
from simtailor.render import scene_cache as module
from simtailor.render.checked import CheckedRenderer
from simtailor.render.rendering import Rendering
from simtailor.render.scene_cache import SceneCache


@pytest.fixture(autouse=True)
def keep_what_is_drawn_fast(monkeypatch):
    monkeypatch.setattr(checked, "WORTH_KEEPING", 0)


def cached(folder, inner, common="dots 1", lines=None, **values) -> CheckedRenderer:
    report = (lambda line: None) if lines is None else lines.append
    cache = SceneCache(folder, common, report, **values)
    return CheckedRenderer(inner, description(slow=True), SETTINGS, report, cache)


def draw(folder, graphs, **values) -> int:
    """Draw scenes, compare them with the true ones, and return how many had to be drawn."""
    inner = DotRenderer()
    with cached(folder, inner, **values) as renderer:
        images = renderer.render(graphs).images
    np.testing.assert_array_equal(images, DotRenderer().images(graphs))
    return len(set(inner.seen))


def test_a_scene_is_drawn_once(tmp_path):
    graphs = scenes(6)
    assert draw(tmp_path, graphs[:4]) == 4
    assert draw(tmp_path, graphs) == 2
    assert draw(tmp_path, graphs[[5, 0, 3]]) == 0


@pytest.mark.parametrize("change", ["identity", "seed", "value", "class", "constant"])
def test_what_an_image_depends_on_keeps_scenes_apart(tmp_path, change):
    graphs, common = scenes(3), "dots 1"
    draw(tmp_path, graphs)
    if change == "identity":
        common = "dots 2"
    elif change == "seed":
        graphs.seeds[:] += 1
    elif change == "value":
        graphs.features[:, 1, 0] *= 0.9
    elif change == "class":
        graphs.classes[:, 0] = 1
    else:
        graphs.layout.node_constants[1]["texture"] = "wood"
    assert draw(tmp_path, graphs, common=common) == 3


def test_parts_that_were_not_drawn_are_drawn(tmp_path):
    class WithMasks(DotRenderer):
        def render(self, graphs, masks=False):
            images = self.images(graphs)
            return Rendering(images, masks=(images[..., 0] > 9).view(np.uint8) if masks else None)

    def masks():
        cache = SceneCache(tmp_path, "dots", print)
        contract = description(slow=True, returns=("masks",))
        with CheckedRenderer(WithMasks(), contract, SETTINGS, cache=cache) as renderer:
            renderer.render(scenes(3))
            return renderer.render(scenes(3), masks=True).masks

    np.testing.assert_array_equal(masks(), masks())
    assert masks().any()


def test_torn_and_damaged_files_are_drawn_anew(tmp_path):
    graphs = scenes(8)
    draw(tmp_path, graphs)
    (path,) = tmp_path.glob("*.scenes")
    whole = path.read_bytes()
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        inner = DotRenderer()
        with cached(tmp_path, inner) as renderer:
            np.testing.assert_array_equal(
                renderer.render(graphs).images, DotRenderer().images(graphs)
            )
        for other in set(tmp_path.glob("*.scenes")) - {path}:
            other.unlink()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    path.write_bytes(damaged)
    assert draw(tmp_path, graphs) >= 1


def test_the_oldest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FILE_BYTES", 1000)
    for seed in range(12):
        draw(tmp_path, scenes(10, seed), most_bytes=8_000)
    assert sum(p.stat().st_size for p in tmp_path.glob("*.scenes")) <= 8_000 + 2000
    assert draw(tmp_path, scenes(10, 11)) == 0
    assert draw(tmp_path, scenes(10, 0)) == 10


def test_files_that_another_process_deletes_are_drawn_anew(tmp_path):
    graphs = scenes(4)
    draw(tmp_path, graphs)
    inner = DotRenderer()
    with cached(tmp_path, inner) as renderer:
        for path in tmp_path.glob("*.scenes"):
            path.unlink()
        np.testing.assert_array_equal(renderer.render(graphs).images, DotRenderer().images(graphs))
    assert len(inner.seen) >= 4


def test_without_a_place_to_write_it_draws_and_says_so_once(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    lines: list[str] = []
    assert draw(blocked / "scenes", scenes(4), lines=lines) == 4
    assert len(lines) == 1
    assert "cannot be kept" in lines[0]


WRITER = """
import sys
from pathlib import Path
from dots import SETTINGS, DotRenderer, description, scenes
from simtailor.render import checked
from test_scene_cache import draw
checked.WORTH_KEEPING = 0
for repeat in range(3):
    draw(Path(sys.argv[1]), scenes(20, int(sys.argv[2]) % 2))
"""


def test_processes_side_by_side_disturb_each_other_not(tmp_path):
    here = Path(__file__).parent
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(n)], cwd=here) for n in range(3)]
    assert [p.wait() for p in processes] == [0, 0, 0]
    assert draw(tmp_path, scenes(20, 0)) == draw(tmp_path, scenes(20, 1)) == 0
