"""How a renderer is found: built in, by file, by place, by an installed package's entry point."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from dots import scenes

from simtailor.errors import UserError
from simtailor.render import registry
from simtailor.render.creation import create_renderer
from simtailor.render.drawable import check_drawable
from simtailor.render.registry import BUILT_IN, find_renderer, load_factory, renderer_names
from simtailor.scene import Grammar

DOTS = """
from simtailor.render.description import Needs, NodeKind, RendererDescription
from simtailor.scene.attributes import Attribute
DESCRIPTION = RendererDescription(
    name="dots", factory="{factory}", nodes={{"dot": NodeKind({{"x": Attribute("px")}})}}{more}
)
"""
CLASS = """
from dots import DotRenderer
class Dots(DotRenderer):
    pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that modules can be imported from, for one test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    modules = set(sys.modules)
    registry._installed.cache_clear()
    yield tmp_path
    registry._installed.cache_clear()
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write_package(folder: Path, package: str, name: str = "dots", more: str = "") -> None:
    """Install a package that offers a renderer into ``folder``."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("")
    text = DOTS.format(factory=f"{package}.drawing:Dots", more=more)
    (folder / package / "description.py").write_text(text)
    (folder / package / "drawing.py").write_text(CLASS)
    info = folder / f"{package}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    place = f"{package}.description:DESCRIPTION"
    (info / "entry_points.txt").write_text(f"[simtailor.renderers]\n{name} = {place}\n")


def test_built_in_renderers_are_described_and_can_be_made():
    assert set(BUILT_IN) <= set(renderer_names())
    for name, description in BUILT_IN.items():
        assert find_renderer(name) is description
        if name != "unity_mlagents" or find_spec("mlagents_envs"):  # of an extra
            assert callable(load_factory(description))
        assert description.settings.model_fields["image_size"].default == 128
        assert all(kind.attributes for kind in description.nodes.values())


def test_no_renderer_is_imported_to_plan_with_it():
    heavy = ("torch", "warp", "simtailor.render.embedded.tabletop", "simtailor.render.checked")
    program = (
        "import sys; from simtailor.render.registry import find_renderer, renderer_names; "
        "import simtailor.render.drawable; "
        "[find_renderer(name).attributes for name in renderer_names()]; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_an_installed_package_offers_its_renderer_by_name(folder):
    write_package(folder, "dotted")
    assert "dots" in renderer_names()
    found = find_renderer("dots")
    assert found.name == "dots"
    assert "dotted.drawing" not in sys.modules
    with create_renderer("dots", image_size=16) as renderer:
        assert renderer.render(scenes(3)).images.shape == (3, 16, 16, 3)
    assert find_renderer("dotted.description:DESCRIPTION").nodes == found.nodes
    with pytest.raises(UserError, match=r"'dot' is unknown.*Did you mean 'dots'"):
        find_renderer("dot")


def test_its_identity_says_version_and_files(folder):
    write_package(folder, "dotted")
    first = find_renderer("dots").identity
    assert find_renderer("dots").identity == first
    (folder / "dotted" / "drawing.py").write_text(CLASS + "# edited\n")
    second = find_renderer("dots").identity
    info = folder / "dotted-1.2.dist-info" / "METADATA"
    info.write_text(info.read_text().replace("1.2", "1.3"))
    registry._installed.cache_clear()
    assert len({first, second, find_renderer("dots").identity}) == 3


def test_two_packages_with_one_name_are_both_named(folder):
    write_package(folder, "dotted")
    write_package(folder, "spotted")
    with pytest.raises(UserError, match=r"dotted 1\.2, spotted 1\.2.*dotted\.description:DESC"):
        find_renderer("dots")


def test_a_broken_package_breaks_no_other(folder):
    write_package(folder, "dotted")
    write_package(folder, "broken", name="other")
    (folder / "broken" / "description.py").write_text("import not_there\n")
    assert {"dots", "other"} <= set(renderer_names())
    assert find_renderer("dots").name == "dots"
    with pytest.raises(UserError, match=r"other of broken 1\.2: cannot be imported: ModuleNot"):
        find_renderer("other")


FILES = {
    "absent": (None, r"^mine\.py: there is no such file"),
    "empty": ("", r"^mine\.py: expected one RendererDescription in this file, and it has 0"),
    "two": (DOTS + DOTS.replace("DESCRIPTION =", "OTHER ="), r"it has 2: DESCRIPTION, OTHER"),
    "syntax": ("def draw(:\n", r"mine\.py:1: "),
    "failing": ("x = 1\nraise OSError('no display')\n", r"OSError: no display .*mine\.py:2\)"),
    "wrong": (DOTS.replace('name="dots"', 'name="my dots"'), r"^mine\.py: .*name: use letters"),
    "files": (DOTS.replace("}}{more}", '}}, files=("desk.png",)'), r"desk\.png: there is no such"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_wrong_file_is_told_with_the_fix(folder, case):
    text, words = FILES[case]
    if text is not None:
        (folder / "mine.py").write_text(text.replace("{factory}", "mine_class:Dots")
                                        .replace("{{", "{").replace("}}", "}")
                                        .replace("{more}", ""))  # fmt: skip
    with pytest.raises(UserError, match=words):
        find_renderer("mine.py")


def test_a_class_beside_the_file_is_imported_when_it_draws(folder, monkeypatch):
    (folder / "own").mkdir()
    text = DOTS.format(factory="beside:Dots", more=', files=("desk.txt",)')
    (folder / "own" / "mine.py").write_text(text)
    (folder / "own" / "beside.py").write_text(CLASS)
    (folder / "own" / "desk.txt").write_text("oak")
    found = find_renderer("own/mine.py")
    assert "beside" not in sys.modules
    with create_renderer("own/mine.py", image_size=16) as renderer:
        renderer.render(scenes(3))
    for path in ("beside.py", "desk.txt"):
        with open(folder / "own" / path, "a") as file:
            file.write("# edited\n")
        edited = find_renderer("own/mine.py")
        assert edited.identity != found.identity
        found = edited


def test_an_absent_class_is_named(folder):
    (folder / "mine.py").write_text(DOTS.format(factory="beside:Dot", more=""))
    (folder / "beside.py").write_text(CLASS)
    with pytest.raises(UserError, match=r"beside has no 'Dot'\. Did you mean 'Dots'"):
        create_renderer("mine.py")


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        (
            'modules={"not_there": "pip install not-there"}',
            "not_there, which is not installed: pip",
        ),
        ('programs=("not-there-either",)', "the program not-there-either"),
    ],
)
def test_what_a_renderer_needs_is_checked_before_it_starts(folder, needs, words):
    (folder / "mine.py").write_text(DOTS.format(factory="no:No", more=f", needs=Needs({needs})"))
    with pytest.raises(UserError, match=words):
        create_renderer("mine.py")


def test_too_many_nodes_are_told_while_planning():
    tree = {
        "class": ["Deterministic", "Image"],
        "attributes": {"features": ["class", "yaw"], "mutable": ["yaw"], "immutable": True},
        "num_child": ["Deterministic", 3],
        "child": [
            {
                "class": kind,
                "attributes": {"immutable": False, "yaw": ["Gaussian", 180, 10, 360]},
                "num_child": ["Deterministic", 0],
                "child": [],
            }
            for kind in (["Deterministic", 0], *[["Deterministic", "Camera"]] * 2)
        ],
    }
    tabletop = find_renderer("tabletop")
    with pytest.raises(UserError, match=r"at most one node 'Camera', and this grammar has 2"):
        check_drawable(Grammar(tree, "mine.json", tabletop.attributes), tabletop)
