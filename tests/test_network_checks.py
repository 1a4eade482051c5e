"""Networks, objects and sizes that cannot be are refused before any job starts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simtailor.errors import UserError
from simtailor.metasim.inputs import checked_features, checked_grammars
from simtailor.metasim.settings import Experiment
from simtailor.pretrain.inputs import CHECKED_NETWORKS, checked_settings
from simtailor.pretrain.network import check_network
from simtailor.pretrain.settings import Pretrain
from simtailor.shipped import ROOT
from simtailor.tasks.table import COLUMNS, read_table
from simtailor.yaml_files import read_yaml


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(*classes: list, attribute: str = "yaw") -> None:
    """Write a grammar with one node for each of ``classes``."""
    child = {"attributes": {"immutable": False, attribute: ["Gaussian", 90, 9, 360]}}
    child |= {"num_child": ["Deterministic", 0], "child": []}
    root = {"features": ["class", attribute], "mutable": [attribute]}
    tree = {"class": ["Deterministic", "Image"], "attributes": root}
    tree |= {"num_child": ["Deterministic", len(classes)]}
    tree["child"] = [{**child, "class": c} for c in classes]
    Path("a.json").write_text(json.dumps(tree))


def experiment(**keys) -> Experiment:
    return Experiment(**{"grammar": "a.json", "target": {"grammar": "a.json"}} | keys)


MUG, BOWL = ["Random", ["mug", "bowl"]], ["Deterministic", 3]


@pytest.mark.parametrize("classes", [MUG, BOWL, ["Random", ["mug", "bowl", 0]]])
def test_objects_that_the_renderer_has_pass(classes):
    write(classes)
    assert checked_grammars(experiment())


@pytest.mark.parametrize(
    ("classes", "renderer", "words"),
    [
        (
            [["Random", ["mugg", "box"]]],
            "tabletop",
            ["the class 'mugg'", "Did you mean 'mug'?", "4 mug"],
        ),
        ([["Deterministic", 5]], "tabletop", ["the class '5'", "0 slipper"]),
        (
            [["Deterministic", "mug"]],
            "tabletop",
            ["1 to 32 objects", "has 0", '"mug" as ["Deterministic", 4]'],
        ),
        ([["Random", [1, 2]], ["Random", [3, 4]]], "digits", ["exactly one object", "has 2"]),
        ([["Random", [1, 10]]], "digits", ["the class '10'"]),
    ],
)
def test_objects_that_no_renderer_draws_are_refused(classes, renderer, words):
    write(*classes)
    with pytest.raises(UserError, match=rf"^a\.json: the renderer '{renderer}' ") as caught:
        checked_grammars(experiment(renderer=renderer))
    for word in words:
        assert word in str(caught.value)


def test_attributes_that_the_renderer_does_not_know_are_refused():
    write(MUG, attribute="yaws")
    with pytest.raises(UserError, match=r"the attribute 'yaws' .* Did you mean 'yaw'\?"):
        checked_grammars(experiment())
    write(MUG, attribute="intensity")  # of the light, not of the object
    with pytest.raises(UserError, match=r"looks at none of the mutable attributes \(object\.int"):
        checked_grammars(experiment())


def test_a_target_that_no_memory_holds_is_refused_at_once():
    write(MUG)
    with pytest.raises(UserError, match=r"target\.images: 1,000,000,000 images .* 49,152 GB"):
        checked_grammars(experiment(target={"grammar": "a.json", "images": 1_000_000_000}))


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"pyramid": [256, 8]}, r"features\.pyramid: 256, but the images have 128 pixels"),
        (
            {"kind": "timm", "model": "resnet5000"},
            r"no model 'resnet5000'.* mean 'resnet50",
        ),
        ({"kind": "timm", "weights": "random", "layers": [99]}, r"features\.layers: \[99\]"),
        (
            {"kind": "timm", "weights": "absent.pth"},
            r"absent\.pth: no such file",
        ),
        ({"kind": "timm", "weights": "bad.safetensors"}, "not in the format safetensors"),
    ],
)
def test_features_that_cannot_be_are_refused(features, words):
    Path("bad.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match=words):
        checked_features(experiment(features=features))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "resnet5000"}, r"pretrain\.model: .* Did you mean 'resnet50"),
        ({"model_options": {"in_chans": 1}}, "in_chans: 1, but the images have 3 channels"),
        ({"model_options": {"widht": 1}}, r"model_options: 'resnet10t' does not take .*widht"),
        ({"model": "vit_tiny_patch16_224", "model_options": {}}, r"image_size: 48, but 'vit_tiny"),
    ],
)
def test_a_backbone_that_cannot_be_is_refused(settings, words):
    with pytest.raises(UserError, match=words):
        checked_settings(Pretrain(**settings), "resources")
    assert not Path("resources").exists()


@pytest.mark.slow
def test_a_backbone_found_right_costs_no_torch_again():
    code = (
        "import sys; from simtailor.pretrain.inputs import checked_settings as check;"
        "from simtailor.pretrain.settings import Pretrain as Network;"
        "check(Network(image_size=40), 'resources'); print('torch' in sys.modules)"
    )
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in told] == ["True", "False"]


def test_networks_that_ship_as_checked_are_right():
    pins = (ROOT / "constraints.txt").read_text()
    known = read_yaml(CHECKED_NETWORKS)
    for name, version in known["versions"].items():
        assert re.search(rf"^{name}=={re.escape(version)}$", pins, re.MULTILINE)
    for network in known["networks"]:
        check_network(**{"options": network.pop("model_options"), **network})


@pytest.mark.parametrize("name", ["config", "gpu", "paper"])
def test_the_networks_of_the_configurations_cost_no_torch_while_planning(name):
    values = read_yaml(ROOT / f"config/{name}.yaml").get("task2sim", {}).get("pretrain", {})
    asked = Pretrain(**values).model_dump(include={"model", "model_options", "image_size"})
    assert asked in read_yaml(CHECKED_NETWORKS)["networks"]


ROW = "flowers\tFlowers\tregistry\tfolder\tphotos\t\t\tcrop\tCC0\t\n"


def test_a_table_of_another_editor_is_read():
    text = "\t".join(COLUMNS) + "\n" + ROW
    Path("tasks.tsv").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_table("tasks.tsv")["flowers"].notes == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" ".join(COLUMNS) + "\n", r":1: spaces stand between the columns.* by tabs"),
        ("\t".join(COLUMNS) + "\n" + ROW.replace("registry", ""),
         r":2: column 3 \(study\): the cell is empty\. Write one of seen, unseen, registry, extra"),
        ("\t".join(COLUMNS) + "\n" + ROW.replace("Flowers", ""),
         r":2: column 2 \(title\): the cell is empty\. Write a text"),
        ("\t".join(COLUMNS) + "\n" + ROW.replace("registry", "sean"), "Did you mean 'seen'"),
        ("\t".join(COLUMNS) + "\n" + ROW.replace("\t", "    "), ":2: 1 columns, expected 10"),
        ("\t".join(COLUMNS).encode("utf-16"), "in UTF-16"),
        ("\t".join(COLUMNS).encode() + b"\nGr\xfcn\n", r":2: byte \d+ \(0xfc\) is not UTF-8"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_by_line_column_and_fix(text, words):
    Path("tasks.tsv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=words):
        read_table("tasks.tsv")
