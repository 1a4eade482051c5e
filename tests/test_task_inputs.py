"""What a task needs is checked while the workflow is planned."""

import json
from pathlib import Path

import pytest
from PIL import Image
from shapes import CLASSES, bar_grammar

from simtailor.errors import UserError
from simtailor.metasim.inputs import check_task, checked_grammars, settings_of_job
from simtailor.metasim.labels import object_classes
from simtailor.metasim.settings import Evaluation, Experiment, Training
from simtailor.render.creation import create_renderer
from simtailor.render.registry import renderer_names
from simtailor.scene import Grammar

TREE = {
    "class": ["Deterministic", "Image"],
    "attributes": {"features": ["class", "yaw"], "mutable": ["yaw"], "immutable": True},
    "num_child": ["Deterministic", 1],
}


def write(name: str, *classes: list) -> None:
    """Write a grammar with one node for each of ``classes``."""
    attributes = {"immutable": False, "yaw": ["Gaussian", 0, 10, 360]}
    nodes = [
        {"class": c, "attributes": attributes, "num_child": ["Deterministic", 0], "child": []}
        for c in classes
    ]
    tree = {**TREE, "num_child": ["Deterministic", len(nodes)], "child": nodes}
    Path(name).write_text(json.dumps(tree))


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("prior.json", ["Random", ["mug", "bowl"]])
    write("target.json", ["Random", ["bowl", "mug"]])


def experiment(network: str = "digits", size: int = 32, **target) -> Experiment:
    return Experiment(
        grammar="prior.json",
        target=target or {"grammar": "target.json"},
        stage={"image_size": size},
        task={"network": network},
    )


def fill(folder: str, count: int = 20) -> None:
    Path(folder).mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (4, 4)).save(Path(folder) / f"{i}.png")


def test_grammars_with_the_same_classes_pass_in_any_order():
    assert set(checked_grammars(experiment())) == {"grammar", "target_grammar"}


@pytest.mark.parametrize(
    "classes",
    [
        [["Deterministic", "mug"]],
        [["Deterministic", 0]],
        [["Random", ["mug", "bowl"]], ["Random", ["mug", "bowl"]]],
    ],
)
def test_prior_needs_one_node_of_random_class(classes):
    write("prior.json", *classes)
    write("target.json", *classes)
    with pytest.raises(UserError, match=r"^prior\.json: task\.network: .* exactly one node"):
        checked_grammars(experiment())
    check_task(experiment("none"))


def test_target_grammar_needs_labels():
    write("prior.json", ["Random", [0, 1]])
    write("target.json", ["Deterministic", 0])
    with pytest.raises(UserError, match=r"^target\.json: task\.network: .*\(the classes: 0, 1\)"):
        checked_grammars(experiment())


@pytest.mark.parametrize("network", ["digits", "none"])
def test_class_that_the_prior_lacks_is_named_with_the_nearest(network):
    write("target.json", ["Random", ["bowl", "mugs"]])
    with pytest.raises(UserError, match=r"^target\.json: the class 'mugs' .* Did you mean 'mug'"):
        checked_grammars(experiment(network))


def test_folder_needs_class_subfolders():
    fill("photos")
    with pytest.raises(
        UserError, match=r"^photos: target\.folder: .* subfolder named by its class"
    ):
        checked_grammars(experiment(folder="photos"))
    checked_grammars(experiment("none", folder="photos"))
    fill("sorted/mug")
    fill("sorted/bowl")
    checked_grammars(experiment(folder="sorted"))
    fill("sorted/bawl")
    with pytest.raises(UserError, match=r"'bawl' .* Did you mean 'bowl'"):
        checked_grammars(experiment(folder="sorted"))


def test_images_must_be_large_enough():
    with pytest.raises(UserError, match=r"^stage\.image_size: 12, .* at least 16"):
        checked_grammars(experiment(size=12))
    small = experiment().model_copy(update={"training": Training(image_size=12)})
    with pytest.raises(UserError, match=r"^training\.image_size: 12, .* at least 16"):
        checked_grammars(small)


def test_unknown_renderer_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"'tabeltop' .* Did you mean 'tabletop'"):
        checked_grammars(experiment("none").model_copy(update={"renderer": "tabeltop"}))


def test_names_of_renderers_are_those_that_register():
    with pytest.raises(UserError, match=f"known: {', '.join(renderer_names())}"):
        create_renderer("none of them")


def test_digits_are_trained_on_at_the_size_of_the_stage():
    for name in ("prior.json", "target.json"):
        write(name, ["Random", [3, 7]])
    digits = experiment(size=64).model_copy(update={"renderer": "digits"})
    checked_grammars(digits)
    small = digits.model_copy(update={"training": Training(image_size=32)})
    with pytest.raises(
        UserError, match=r"^training\.image_size: 32, .* set training.image_size: 64"
    ):
        checked_grammars(small)


def test_enough_of_the_target_is_left_to_train_on():
    fill("photos")
    few = experiment("none", folder="photos")
    few = few.model_copy(update={"evaluation": Evaluation(held_out=0.75, validation=0.05)})
    with pytest.raises(UserError, match=r"^evaluation\.held_out: 0\.75 .* leave 3 of 20 target"):
        checked_grammars(few)


def test_training_depends_on_the_task_and_the_target_does_not():
    tasks = {
        job: settings_of_job(experiment(), job).task.network
        for job in ("target", "training", "results")
    }
    assert tasks == {"target": "none", "training": "digits", "results": "digits"}


def test_classes_are_sorted_names_of_the_only_object():
    assert object_classes(bar_grammar((0, 0))) == tuple(sorted(CLASSES))
    write("numbers.json", ["Random", [3, 1, 2]])
    assert object_classes(Grammar.read("numbers.json")) == ("1", "2", "3")
    write("two.json", ["Random", [3, 1]], ["Deterministic", 4])
    assert object_classes(Grammar.read("two.json")) == ()
