"""Whoever asks for a target that no rule makes learns the nearest that exist."""

import pytest

from simtailor.targets import TargetTable

TABLE = TargetTable(
    rules=["all", "reward_db", "tasks"],
    families={"simulate": "out/task2sim/sets/{parameters}", "cut": "work/{piece}"},
    patterns=[
        "out/metasim/{experiment}",
        "out/task2sim/sets/{parameters}",
        "out/task2sim/recommend/{task}.yaml",
        "out/task2sim/recommend/{task}.png",
        "out/task2sim/reward_db.json",
        "work/sets/{parameters}/{part}.json",
    ],
    names={
        "experiment": ["tyol_1attr", "tyol_2attr", "mnist_rot"],
        "parameters": ["1_0_0_0_0_1_0_1_0"],
        "task": ["emoji", "faces"],
    },
    spelling={"experiment": "an experiment", "parameters": "a set", "task": "a task"},
    results="out",
)


def test_known_targets_are_those_whose_names_are_known():
    assert len(TABLE.known()) == 3 + 1 + 2 + 2 + 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("reward_bd", "Did you mean reward_db?"),
        ("simulate", "makes out/task2sim/sets/{parameters}, one for every name: ask for one, such"),
        ("cut", "makes work/{piece}, one for every name: ask for one"),
        ("tyol_1attr", "Did you mean out/metasim/tyol_1attr?"),
        ("tyol_1atr", "Did you mean out/metasim/tyol_1attr, "),
        ("emoji", "Did you mean out/task2sim/recommend/emoji.yaml, "),
        ("ou/metasim/tyol_1attr", "Did you mean out/metasim/tyol_1attr, "),
        ("out/metasim", "name one of what is in it, such as out/metasim/tyol_1attr, "),
        ("out/metasim/", "name one of what is in it, such as out/metasim/tyol_1attr, "),
        ("out/metasim/tyol_1attr/images/a.png", "it is a part of out/metasim/tyol_1attr,"),
        ("results/metasim/mine", "the key 'results', which is 'out': out/metasim/mine"),
        ("out/task2sim/sets/9_9", "'9_9' is no name of a set. Did you mean out/task2sim/sets/1_"),
        ("out/task2sim/recommend/grün.yaml", "'grün' is no name of a task"),
        ("out/task2sim/recommend/emoji", "Did you mean out/task2sim/recommend/emoji.yaml, "),
        ("xyzzy", "Targets: all, reward_db, tasks, and the files of docs/workflow.md"),
    ],
)
def test_explanation(asked, words):
    message = TABLE.explain(asked)
    assert message.startswith((f"no rule makes '{asked}'", f"'{asked}' makes "))
    assert words in message
    assert "\n" not in message


def test_a_line_break_in_a_target_is_shown_as_one():
    message = TABLE.explain("out/metasim/ty\nol")
    assert r"'out/metasim/ty\nol'" in message and "\n" not in message


def test_an_absolute_path_is_named_from_the_folder_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = str(tmp_path / "out/metasim/tyol_1attr")
    assert TABLE.explain(asked).endswith("named from this folder on: out/metasim/tyol_1attr")
    assert "it is a part of out/metasim/tyol_1attr" in TABLE.explain(f"{asked}/images.png")
