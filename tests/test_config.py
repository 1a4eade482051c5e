"""The configuration: precedence of its layers, and errors that say where to look."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simtailor.config import experiment_names, load_configuration, load_experiment
from simtailor.errors import UserError
from simtailor.layers import merged
from simtailor.metasim.inputs import checked_grammars
from simtailor.metasim.settings import Experiment

PROJECT = Path(__file__).parents[1]
OWN = "description: A shoe\ngrammar: shoe.json\ntarget:\n  grammar: target.json\n"
CONFIG, SECOND, EXPERIMENT = "config/config.yaml", "mine.yaml", "config/experiments/shoe.yaml"
COMMAND_LINE = "command line (--config)"


@dataclass
class Project:
    """The layers of a project in the current folder, as Snakemake merges them."""

    config: str = ""
    own: str | None = OWN
    second: str | None = None
    command_line: Mapping[str, Any] | None = None

    def load(self, name: str = "shoe") -> Experiment:
        Path("config/experiments").mkdir(parents=True, exist_ok=True)
        files = [CONFIG]
        Path(CONFIG).write_text(self.config)
        if self.own is not None:
            Path(EXPERIMENT).write_text(self.own)
        if self.second is not None:
            Path(SECOND).write_text(self.second)
            files.append(SECOND)
        values: dict[str, Any] = {}
        for file in files:
            values = merged(values, yaml.safe_load(Path(file).read_text()) or {})
        values = merged(values, self.command_line or {})
        return load_experiment(load_configuration(values, files), name, files)

    def error(self, name: str = "shoe") -> str:
        with pytest.raises(UserError) as caught:
            self.load(name)
        return str(caught.value)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def defaults(text: str) -> str:
    return f"# Comment\nmetasim:\n  defaults:\n{indented(text, 4)}"


def over(text: str) -> str:
    return f"# Comment\nmetasim:\n  experiments:\n    shoe:\n{indented(text, 6)}"


def indented(text: str, width: int) -> str:
    return "".join(" " * width + line + "\n" for line in text.splitlines())


LAYERS = {
    "config file": lambda text: (Project(config=defaults(text)), CONFIG, "metasim.defaults."),
    "experiment file": lambda text: (Project(own=OWN + text), EXPERIMENT, ""),
    "second file, defaults": lambda text: (
        Project(config=defaults("seed: 1"), second=defaults(text)),
        SECOND,
        "metasim.defaults.",
    ),
    "second file, experiment": lambda text: (
        Project(config=over("seed: 1"), second=over(text)),
        SECOND,
        "metasim.experiments.shoe.",
    ),
    "command line, defaults": lambda text: (
        Project(command_line=yaml.safe_load(defaults(text))),
        COMMAND_LINE,
        "metasim.defaults.",
    ),
    "command line, experiment": lambda text: (
        Project(second=over("seed: 1"), command_line=yaml.safe_load(over(text))),
        COMMAND_LINE,
        "metasim.experiments.shoe.",
    ),
}
MISTAKES = {
    "unknown key": ("training:\n  epoch: 3", "training.epoch", ["Did you mean 'epochs'?"]),
    "unknown section": ("trainin:\n  epochs: 3", "trainin", ["Did you mean 'training'?"]),
    "deep unknown key": (
        "training:\n  search:\n    # Comment\n    candidats: 3",
        "training.search.candidats",
        ["Did you mean 'candidates'?", "Known: rounds, candidates, images"],
    ),
    "wrong type": ("training:\n  epochs: many", "training.epochs", ["integer", "'many'"]),
    "fraction": ("stage:\n  image_size: 64.5", "stage.image_size", ["integer", "64.5"]),
    "truth value": ("seed: true", "seed", ["integer", "True"]),
    "section without keys": ("training: 7", "training", ["dictionary", "7"]),
    "too small": ("training:\n  epochs: 0", "training.epochs", ["greater than 0", "got 0"]),
    "too large": ("evaluation:\n  held_out: 0.95", "evaluation.held_out", ["0.9", "0.95"]),
    "not finite": ("training:\n  learning_rate: .inf", "training.learning_rate", ["finite"]),
    "not a number": ("training:\n  learning_rate: .nan", "training.learning_rate", ["nan"]),
    "item of a list": (
        "features:\n  pyramid:\n  - 8\n  - -4",
        "features.pyramid.1",
        ["greater than or equal to 1", "-4"],
    ),
    "unknown choice": (
        "generator: transprot",
        "generator",
        ["'transprot'", "Did you mean 'transport'?"],
    ),
    "contradiction": (
        "training:\n  batch_size: 50\n  scenes_per_epoch: 10",
        "training",
        ["scenes_per_epoch (10)", "batch_size (50)"],
    ),
    "nothing left to train on": (
        "evaluation:\n  held_out: 0.6\n  validation: 0.4",
        "evaluation",
        ["100% of the target", "at least 20%"],
    ),
}


def line_of(file: str, dotted: str) -> int:
    """Return the number of the line on which the last part of a unique key stands."""
    lines = Path(file).read_text().splitlines()
    last = dotted.rpartition(".")[2]
    if last.isdigit():
        return 1 + [i for i, line in enumerate(lines) if line.strip().startswith("- ")][int(last)]
    (number,) = [i for i, line in enumerate(lines, 1) if line.strip().startswith(f"{last}:")]
    return number


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("layer", LAYERS)
def test_mistake_is_named_with_place_key_value_and_fix(layer, mistake):
    text, key, hints = MISTAKES[mistake]
    project, file, prefix = LAYERS[layer](text)
    message = project.error()
    place = file if file == COMMAND_LINE else f"{file}:{line_of(file, key)}"
    assert message.startswith(f"{place}: {prefix}{key}: ")
    assert len(message.splitlines()) == 1
    for hint in hints:
        assert hint in message


@pytest.mark.parametrize(
    ("text", "key", "hints"),
    [
        ("sed: 3", "sed", ["Did you mean 'seed'?"]),
        ("seed: one", "seed", ["integer", "'one'"]),
        ("device: gpu", "device", ["'gpu'"]),
        ("metasim:\n  default: {}", "metasim.default", ["Did you mean 'defaults'?"]),
    ],
)
def test_mistake_outside_of_experiments_is_named(text, key, hints):
    line = text.count("\n") + 1
    for project, place in [
        (Project(config=text), f"{CONFIG}:{line}"),
        (Project(config="seed: 1", second=text), f"{SECOND}:{line}"),
        (Project(config="seed: 1", command_line=yaml.safe_load(text)), COMMAND_LINE),
    ]:
        message = project.error()
        assert message.startswith(f"{place}: {key}: ")
        for hint in hints:
            assert hint in message


def test_all_mistakes_are_named_at_once():
    project = Project(config=defaults("sed: 1"), own=OWN + "training:\n  epochs: 0\n")
    first, second = sorted(project.error().splitlines())
    assert first.startswith(f"{CONFIG}:4: metasim.defaults.sed: ")
    assert second.startswith(f"{EXPERIMENT}:6: training.epochs: ")


def test_of_several_layers_the_one_that_holds_is_named():
    bad = "training:\n  epochs: -{}"
    project = Project(config=defaults(bad.format(1)), own=OWN + bad.format(2))
    assert project.error().startswith(f"{EXPERIMENT}:6: training.epochs: ")
    assert "got -2" in project.error()
    project.second = over(bad.format(3))
    assert project.error().startswith(f"{SECOND}:6: metasim.experiments.shoe.training.epochs: ")
    project.command_line = yaml.safe_load(over(bad.format(4)))
    message = project.error()
    assert message.startswith(f"{COMMAND_LINE}: metasim.experiments.shoe.training.epochs: ")
    assert "got -4" in message
    project.command_line = yaml.safe_load(over("training:\n  epochs: 5"))
    assert project.load().training.epochs == 5


def test_second_file_is_not_blamed_for_what_it_does_not_say():
    project = Project(config="seed: -1\n", second="device: cpu\n")
    assert project.error().startswith(f"{CONFIG}:1: seed: ")


def test_contradiction_completed_on_the_command_line_is_named_there():
    project = Project(
        second=over("training:\n  batch_size: 50\n  scenes_per_epoch: 100"),
        command_line=yaml.safe_load(over("training:\n  scenes_per_epoch: 10")),
    )
    assert project.error().startswith(f"{COMMAND_LINE}: metasim.experiments.shoe.training: ")


def test_missing_key_names_the_experiment_file():
    message = Project(config=defaults("seed: 1"), own="target:\n  grammar: a.json\n").error()
    assert message == f"{EXPERIMENT}: grammar: this key is missing"


def test_missing_key_of_an_experiment_without_file_names_what_holds_it():
    named = yaml.safe_load(over("grammar: a.json"))
    message = Project(own=None, second=over("grammar: a.json")).error()
    assert message == f"{SECOND}:4: metasim.experiments.shoe.target: this key is missing"
    message = Project(own=None, command_line=named).error()
    assert message == f"{COMMAND_LINE}: metasim.experiments.shoe.target: this key is missing"


@pytest.mark.parametrize("target", ["{}", "{grammar: a.json, folder: photos}"])
def test_target_needs_exactly_one_source(target):
    message = Project(own=f"grammar: a.json\ntarget: {target}\n").error()
    assert (
        message == f"{EXPERIMENT}:2: target: give one of 'grammar', 'folder', 'picture' and 'build'"
    )


def test_unknown_experiment_names_the_nearest_one():
    message = Project().error("sheo")
    for words in (EXPERIMENT.replace("shoe", "sheo"), "metasim.experiments.sheo", "Known: shoe."):
        assert words in message
    assert message.endswith("Did you mean 'shoe'?")
    assert "'shoes'" in Project().error("shoes.seed3")


@pytest.mark.parametrize(
    "text", ["a: [", "- a\n- b\n", "\x00", "when: 2020-99-99\n", "a: b: c\n", "{: :"]
)
def test_broken_experiment_file_is_named(text):
    assert Project(own=text).error().startswith(f"{EXPERIMENT}:1: ")


def test_experiment_file_that_is_not_utf8_is_named():
    Project().load()
    Path(EXPERIMENT).write_bytes(b"description: \xff\n")
    assert Project(own=None).error().startswith(f"{EXPERIMENT}:1: byte 13 (0xff) is not UTF-8")


def test_key_that_is_no_string_is_an_error():
    assert Project(own=OWN + "7: 3\n").error().startswith(f"{EXPERIMENT}:5: 7: ")


def test_layers_hold_each_over_the_one_before():
    project = Project()
    assert project.load().training.epochs == Experiment.model_fields["training"].default.epochs
    steps = [
        ("config", defaults("training:\n  epochs: 2\n  batch_size: 7")),
        ("own", OWN + "training:\n  epochs: 3\n"),
        ("second", over("training:\n  epochs: 4")),
        ("command_line", yaml.safe_load(over("training:\n  epochs: 5"))),
    ]
    for epochs, (layer, value) in enumerate(steps, 2):
        setattr(project, layer, value)
        experiment = project.load()
        assert experiment.training.epochs == epochs
        assert experiment.training.batch_size == 7  # what a later layer leaves out stays
    assert experiment.grammar == "shoe.json"


def test_defaults_of_a_second_file_do_not_reach_over_the_experiment():
    project = Project(own=OWN + "seed: 3\n", second=defaults("seed: 4\ngenerator: gcn"))
    assert (project.load().seed, project.load().generator) == (3, "gcn")


@pytest.mark.parametrize("layer", ["defaults", "over"])
def test_target_of_the_other_kind_replaces_the_target(layer):
    if layer == "over":
        project = Project(second=over("target:\n  folder: photos\n  images: 30"))
        expected = (None, "photos", 30)
    else:
        project = Project(config=defaults("target:\n  folder: photos\n  images: 30"))
        expected = ("target.json", None, 30)
    target = project.load().target
    assert (target.grammar, target.folder, target.images) == expected


def test_seed_of_the_name_holds_over_all_others():
    project = Project(config="seed: 1\n")
    assert project.load("shoe").seed == 1
    project.own = OWN + "seed: 2\n"
    assert project.load("shoe").seed == 2
    assert project.load("shoe.seed30").seed == 30
    assert project.load("shoe.seed0").seed == 0
    assert project.load("shoe.seed30").grammar == "shoe.json"


def test_seed_of_the_project_is_zero_by_default():
    assert Project().load().seed == 0


def test_names_come_from_files_and_keys():
    Project().load()
    configuration = load_configuration({"metasim": {"experiments": {"boot": {}}}}, [])
    assert experiment_names(configuration) == ["boot", "shoe"]


PUBLISHED = {
    *(f"tyol_{count}attr" for count in (1, 2, 3, 5, 8)),
    *(f"tyol_multi_{count}attr" for count in (1, 3, 5, 8)),
    "mnist_rot",
    "mnist_rot_trans",
}


def test_example_experiments_load(monkeypatch):
    monkeypatch.chdir(PROJECT)
    files = [CONFIG] if Path(CONFIG).exists() else []
    values = yaml.safe_load(Path(CONFIG).read_text()) if files else {}
    configuration = load_configuration(values, files)
    names = [p.stem for p in Path("config/experiments").glob("*.yaml")]
    assert set(names) >= PUBLISHED
    for name in names:
        experiment = load_experiment(configuration, name, files)
        assert experiment.description, name
        checked_grammars(experiment)
        for file in filter(None, (experiment.grammar, experiment.target.grammar)):
            layout = experiment.read_grammar(file).layout
            assert layout.mutable.any(), name
            assert not (layout.mutable & ~experiment.contract.effective(layout)).any(), name


trees = st.recursive(
    st.integers() | st.none() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.sampled_from("abcd"), trees, max_size=4)


def paths(tree: Any, prefix: tuple = ()) -> dict[tuple, Any]:
    """Return all values of a tree that are not mappings, and empty mappings, by path."""
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree}
    return {k: v for key, value in tree.items() for k, v in paths(value, (*prefix, key)).items()}


@settings(deadline=None, max_examples=200)
@given(mappings, mappings)
def test_merged_holds_second_over_first(first, second):
    before = deepcopy((first, second))
    result = merged(first, second)
    assert (first, second) == before
    leaves = paths(result) if result else {}
    for path, value in paths(second).items() if second else ():
        if value != {}:
            assert leaves[path] == value
    for path, value in paths(first).items() if first else ():
        covered = any(
            path[: len(p)] == p[: len(path)] for p in paths(second) if second
        )  # one lies within the other
        if not covered:
            assert leaves[path] == value
    assert set(leaves) <= set(paths(first)) | set(paths(second))
    assert merged(result, second) == result
    assert merged(first, {}) == first == merged({}, first)


def test_numbers_of_the_command_line_are_read_as_those_of_a_file():
    """Snakemake gives what stands within braces after --config as words."""
    Path("mine.yaml").write_text('task2sim: {tasks: {names: ["07"]}}\n')
    explore = {"explore": {"sets": "4"}, "abstain_below": "0.25"}
    network = {"compile": "true", "model_options": {"channels": ["8", "16"]}}
    classifier = {"set": "1_0_0_0_0_1_0_0_0"}  # which YAML takes for a number
    spoken = {"tasks": {"names": ["07"]}, "controller": explore, "pretrain": network}
    spoken["classifier"] = classifier
    held = load_configuration({"task2sim": spoken}, ["mine.yaml"]).task2sim
    assert (held.controller.explore.sets, held.controller.abstain_below) == (4, 0.25)
    assert (held.pretrain.compile, held.pretrain.model_options) == (True, {"channels": [8, 16]})
    assert held.classifier.set == "1_0_0_0_0_1_0_0_0"
    assert held.tasks.names == ["07"]  # a file's quotes hold
    with pytest.raises(UserError, match=r"explore.sets: .*got 'four'"):
        load_configuration({"task2sim": {"controller": {"explore": {"sets": "four"}}}}, [])
