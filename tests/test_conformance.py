"""Whatever draws keeps the same word: the same tests for each renderer of both stages.

Real simulators are tried where their packages are installed; stand-ins take the place of Unity's
players, of ThreeDWorld's build and of a user's program.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import numpy as np
import psutil
import pytest
import yaml
from conftest import ROOT
from players import PATIENT
from studio import small_catalogue

from simtailor.errors import UserError
from simtailor.render.creation import create_renderer
from simtailor.render.description import RendererDescription
from simtailor.render.drawable import check_drawable
from simtailor.render.program import describing
from simtailor.render.registry import BUILT_IN
from simtailor.render.rendering import Rendering
from simtailor.render.standins.__main__ import write_stand_in
from simtailor.scene.attributes import NodeAttributes
from simtailor.scene.grammar import Grammar
from simtailor.scene.short_form import expanded
from simtailor.seeds import generator
from simtailor.simulation.machine import Machine
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.settings import Simulation
from simtailor.simulation.tdw.machine import ThreeDWorldMachine
from simtailor.simulation.tdw.records import read_catalogue
from simtailor.simulation.tdw.settings import ThreeDWorld

SIZE, COUNT = 32, 6
ALL = np.arange(COUNT)
LOOPBACK = {"127.0.0.1", "::1"}
TYOL = "config/grammars/tyol_1attr.json"  # its object stays in the picture
BY_PROGRAM = ("mujoco", "mitsuba", "blender")  # the examples
NEEDED = {
    "unity_mlagents": ("mlagents_envs", "SIMTAILOR_EXTRAS=unity ./run pytest"),
    "tdw": ("tdw", "SIMTAILOR_EXTRAS=tdw ./run pytest"),
    "mujoco": ("mujoco", "./run python -m pip install mujoco"),
    "mitsuba": ("mitsuba", "./run python -m pip install mitsuba"),
    "blender": ("bpy", "it wants an older NumPy, see examples/blender/README.md"),
}


@dataclass
class Drawing:
    """What draws numbered scenes.

    Attributes:
        draw: takes numbers, int [B]; returns images, and masks and depth where it has them.
        reproducible: whether the same scene gives the same bytes.
        grammar, description: of its scenes, where they are graphs.
    """

    draw: Callable[[np.ndarray], Rendering]
    reproducible: bool = True
    grammar: dict | None = None
    description: RendererDescription | None = None


def read_tree(path: Path, attributes: NodeAttributes) -> dict:
    """Return a grammar of either form in the published one."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    return expanded(yaml.safe_load(path.read_text()), attributes, str(path))


@contextmanager
def graphs_drawn(renderer: str, grammar: str | dict, **stage) -> Iterator[Drawing]:
    """Draw the scenes of a grammar."""
    with create_renderer(renderer, image_size=SIZE, threads=1, **stage) as made:
        known = made.description.attributes
        raw = grammar if isinstance(grammar, dict) else read_tree(ROOT / grammar, known)
        graphs = Grammar(raw, attributes=known).sample(COUNT, generator(0, "conformance"))
        parts = {part: True for part in ("masks", "depth") if part in made.description.returns}
        yield Drawing(
            lambda numbers: made.render(graphs[numbers], **parts),
            made.description.reproducible,
            raw,
            made.description,
        )


@contextmanager
def set_drawn(catalogue, machine) -> Iterator[Drawing]:
    """Draw images of a simulated set with all parameters on."""
    parameters = SimulationParameters.parse("1_1_1_1_1_3_1_1_1")
    with machine.studio(catalogue) as studio:

        def draw(numbers: np.ndarray) -> Rendering:
            taken = studio.take(
                parameters, 0, numbers, image_size=SIZE, samples=1, field_of_view=60
            )
            return Rendering(taken.images, taken.masks.astype(np.uint8))

        yield Drawing(draw)


def page_renderer(folder: Path) -> AbstractContextManager[Drawing]:
    """Return the renderer of a user's own file, as docs/own_renderer.md has it."""
    page = (ROOT / "docs/own_renderer.md").read_text()
    blocks = re.findall(r"^```\w+\n(.*?)^```$", page, re.M | re.S)
    path = folder / "paper.py"
    path.write_text(next(block for block in blocks if "class PaperRenderer" in block))
    grammar = json.loads(next(block for block in blocks if '"num_child"' in block))
    return graphs_drawn(str(path), grammar)


def opening(name: str, folder: Path, kernels: Path, digits: Path) -> AbstractContextManager:
    """Return what opens a drawing, with all that it needs in a folder."""
    own = {
        "tabletop": partial(graphs_drawn, name, TYOL, cache=kernels),
        "digits": partial(graphs_drawn, name, "config/grammars/mnist_rot.json", cache=digits),
        "forest": partial(graphs_drawn, name, "config/grammars/tree_crowns.yaml"),
        "paper.py": partial(page_renderer, folder),
        "embedded": lambda: set_drawn(small_catalogue(), Machine("cpu", 1, str(kernels))),
    }
    if name in own:
        return own[name]()
    if name == "blender":
        path = folder / "scene.blend"
        subprocess.run([sys.executable, ROOT / "examples/blender/make_scene.py", path], check=True)
    if name in BY_PROGRAM:
        options = {"file": str(folder / "scene.blend")} if name == "blender" else {}
        stage = {"folder": str(ROOT / "examples" / name), "options": options}
        command = [sys.executable, "adapter.py"]
        return graphs_drawn("program", TYOL, command=command, **stage)
    drawn = "discs" if name == "tdw" else "bars"
    build = str(write_stand_in(folder / "Builds/3dv1.x86_64", name, ["--drawing", drawn]))
    if name == "tdw":
        settings = ThreeDWorld(build=build)
        return set_drawn(read_catalogue(settings, 3), ThreeDWorldMachine(settings, 1, None, print))
    stage = {"command": [build]} if name == "program" else {"build": build}
    return graphs_drawn(name, TYOL, **stage, **PATIENT)


DRAWN = ("tabletop", "digits", "forest", "paper.py", "program", "unity_files", "unity_mlagents",
         *BY_PROGRAM, "embedded", "tdw")  # fmt: skip


def listening() -> set[tuple[str, int]]:
    """Return the addresses that this process and its children listen on."""
    own = psutil.Process()
    found = [c for p in (own, *own.children(recursive=True)) for c in p.net_connections("inet")]
    return {tuple(c.laddr) for c in found if c.status == psutil.CONN_LISTEN}


class Opened:
    """A drawing that is open, and what there was before.

    Attributes:
        first: images of all scenes, drawn at once.
    """

    def __init__(self, folder: Path, opens: Callable[[], AbstractContextManager]) -> None:
        self.folder, self._opens, self._held = folder, opens, ExitStack()
        (folder / "temporary").mkdir()
        self.children = set(psutil.Process().children(recursive=True))
        self.ports = listening()
        self.drawing: Drawing = self.again()
        self.files = self.files_now()
        self.first = self.drawing.draw(ALL)

    def files_now(self) -> set[Path]:
        """Return the files in its folder."""
        return {path for path in self.folder.rglob("*") if path.is_file()}

    def again(self) -> Drawing:
        """Open it, once more."""
        return self._held.enter_context(self._opens())

    def close(self) -> None:
        """Close it, as often as it is open."""
        self._held.close()


@pytest.fixture(scope="module", params=DRAWN)
def opened(request, tmp_path_factory, kernel_cache, digits_cache):
    """Something that draws; skipped where a package is not installed."""
    module, how = NEEDED.get(request.param, ("sys", ""))
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed: {how}")
    folder = tmp_path_factory.mktemp(request.param.partition(".")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(tempfile, "tempdir", str(folder / "temporary"))
        patch.setattr(describing, "_asked", {})
        patch.setattr(sys, "path", list(sys.path))
        opens = partial(opening, request.param, folder, kernel_cache, digits_cache)
        made = Opened(folder, opens)
        yield made
        made.close()


def test_every_renderer_is_tried():
    of_sets = get_args(Simulation.model_fields["renderer"].annotation)
    assert {*BUILT_IN, *of_sets} <= set(DRAWN)


def test_images_have_the_size_that_was_asked_for(opened):
    images = opened.first.images
    assert images.dtype == np.uint8 and images.shape == (COUNT, SIZE, SIZE, 3)
    assert len(np.unique(images.reshape(COUNT, -1), axis=0)) == COUNT
    assert opened.drawing.draw(ALL[:0]).images.shape == (0, SIZE, SIZE, 3)


def test_masks_and_depth_are_those_of_the_images(opened):
    if opened.first.masks is None:
        pytest.skip("it draws none")
    assert opened.first.masks.shape == (COUNT, SIZE, SIZE)
    described = opened.drawing.description
    several = described is not None and described.scattered
    for image, mask in zip(opened.first.images, opened.first.masks, strict=True):
        inside = mask > 0
        assert (mask.max() >= 1 if several else mask.max() == 1) and inside.mean() >= 0.005
        if not inside.all():  # an object is not the ground
            assert np.abs(image[inside].mean(0) - image[~inside].mean(0)).max() > 5
    if opened.first.depth is not None:
        assert np.isfinite(opened.first.depth).all() and (opened.first.depth > 0).all()


def test_images_come_in_the_order_of_the_scenes(opened):
    if not opened.drawing.reproducible:
        pytest.skip("it says that the same scene gives other images")
    np.testing.assert_array_equal(opened.drawing.draw(ALL[::-1]).images, opened.first.images[::-1])
    np.testing.assert_array_equal(opened.drawing.draw(ALL[3:4]).images, opened.first.images[3:4])


def test_what_it_does_not_know_is_refused_before_anything_is_drawn(opened):
    if opened.drawing.grammar is None:
        pytest.skip("its scenes come from parameters")
    text = json.dumps(opened.drawing.grammar)
    right, wrong = ("yaw", "yow") if '"yaw"' in text else ("elevation", "elevatio")
    grammar = Grammar(json.loads(text.replace(f'"{right}"', f'"{wrong}"')))
    with pytest.raises(UserError, match=f"does not know the attribute '{wrong}'") as caught:
        check_drawable(grammar, opened.drawing.description)
    assert f"Did you mean '{right}'" in str(caught.value) and "\n" not in str(caught.value)


def test_it_listens_to_this_machine_alone(opened):
    opened.drawing.draw(ALL[:1])
    hosts = {host.removeprefix("::ffff:") for host, _ in listening() - opened.ports}
    assert hosts <= LOOPBACK


def test_it_ends_and_leaves_nothing(opened):
    """No process, no port and no file; one that is started anew draws the same."""
    opened.close()
    assert set(psutil.Process().children(recursive=True)) <= opened.children
    assert listening() <= opened.ports
    # Compiled headers are Warp's, the cache is its driver's: neither is of a simulator.
    temporary = [path.name for path in (opened.folder / "temporary").iterdir()]
    assert not [name for name in temporary if not name.startswith("wp_pch_")]
    files = {path.relative_to(opened.folder) for path in opened.files_now() - opened.files}
    assert {path.name for path in files if path.parts[0] not in ("cache", "temporary")} <= {
        ".simtailor.lock"
    }
    if opened.drawing.reproducible:
        np.testing.assert_array_equal(opened.again().draw(ALL[:2]).images, opened.first.images[:2])
