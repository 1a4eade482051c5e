"""The short YAML form of grammars: there and back without loss, and mistakes in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from simtailor.convert_grammar import main
from simtailor.errors import UserError
from simtailor.render.embedded.contracts import TABLETOP
from simtailor.scene.grammar import Grammar
from simtailor.scene.short_form import expanded, shortened

ROOT = Path(__file__).parent.parent
SHORT = """
object:
  class: [mug, bowl]
  yaw: normal(180, 10)
  loc_x: uniform(80, 120) max 200
Light:
  intensity: 0.5 max 2
Camera:
  camera_pitch: mixture((1, 60, 5), (2, 80, 2.5))
"""


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config/grammars").glob("*.json")), ids=lambda path: path.stem
)
def test_every_shipped_grammar_goes_there_and_back(path):
    tree = json.loads(path.read_text())
    text = shortened(tree)
    assert expanded(yaml.safe_load(text), {}, "short") == tree
    assert len(text.splitlines()) < len(path.read_text().splitlines())


def test_what_no_shipped_grammar_has_goes_there_and_back():
    def node(kind, attributes, children=()):
        return {"class": kind, "attributes": attributes, "child": list(children),
                "num_child": ["Deterministic", len(children)]}  # fmt: skip

    light = {"immutable": True, "intensity": ["Gaussian", 0.5, 1e-07, 2.5], "texture": "a: b"}
    tree = node(
        ["Deterministic", "Scene"],
        {"features": ["yaw", "class"], "mutable": ["yaw"], "immutable": True, "size": [3, 4]},
        [
            node(["Random", ["mug"]], {"immutable": False, "yaw": ["Deterministic", 5, 7, 360]}),
            node(["Deterministic", "Light"], light, [node(["Deterministic", 3], {})]),
            node(["Deterministic", "Light"], light),
        ],
    )
    for part in (tree["child"][1]["child"][0], tree):
        part["attributes"].setdefault("immutable", True)
    assert expanded(yaml.safe_load(shortened(tree)), {}, "short") == tree


def test_a_short_grammar_draws_what_it_says(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text(SHORT)
    grammar = Grammar.read(path, TABLETOP.attributes)
    graphs = grammar.sample(4000, np.random.default_rng(0))
    assert grammar.layout.node_names[0] == "Image"
    yaw, place = graphs.find("object", "yaw"), graphs.find("object", "loc_x")
    assert abs(yaw.mean() - 180) < 1
    assert abs(yaw.std() - 10) < 0.5
    assert place.min() > 79.9
    assert place.max() < 120.1
    assert (graphs.find("Light", "intensity") == 0.5).all()
    pitch = graphs.find("Camera", "camera_pitch")
    assert abs((pitch > 71).mean() - 2 / 3) < 0.05
    names = [grammar.layout.features[f] for _, f in np.argwhere(grammar.layout.mutable)]
    assert sorted(names) == ["camera_pitch", "loc_x", "yaw"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class: [a, b]\n  yaw: norml(1, 2)", ["object.yaw", "'normal'"]),
        ("class: 0\n  yaw: normal(1)", ["object.yaw", "two numbers"]),
        ("class: 0\n  loc_x: normal(100, 5)", ["object.loc_x", "max 200"]),
        ("class: 0\n  yaw: [1, 2]", ["object.yaw", "no distribution"]),
        ("class: 0\n  yaw: mixture((1, 2))", ["object.yaw", "no mixture"]),
        ("yaw: 3", ["object", "'class'"]),
        ("class: 0\n  yaw: normal(1, -2)", ["attributes.yaw", "negative"]),
        ("{class: 0, yaw: normal(1, 2)}", ["object.yaw", "quotes"]),
    ],
)
def test_a_mistake_names_the_key_and_what_to_write(text, words, tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text(f"object:\n  {text}\n")
    with pytest.raises(UserError) as error:
        Grammar.read(path, TABLETOP.attributes)
    for word in ("short.yaml", *words):
        assert word in str(error.value)


def test_the_command_converts_both_ways(tmp_path, capsys):
    original = ROOT / "config/grammars/tyol_8attr.json"
    assert main([str(original)]) == 0
    short = tmp_path / "short.yaml"
    short.write_text(capsys.readouterr().out)
    assert main([str(short)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(original.read_text())
    short.write_text("object: 3")
    assert main([str(short)]) == 1
    assert "short.yaml" in capsys.readouterr().err
