"""Text, YAML and JSON of users: read whatever editor wrote it, or refused by line and fix."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtailor.config import load_configuration
from simtailor.errors import UserError
from simtailor.scene import Grammar
from simtailor.scene.attributes import ANGLE, Attribute
from simtailor.text_files import parse_json
from simtailor.yaml_files import line_of, read_yaml

BROKEN = {
    "key twice": (b"a: 1\nb: 2\na: 3\n", 3, ["'a' stands twice", "lines 1 and 3", "Remove"]),
    "deep key twice": (b"s:\n  x: 1\n  x: 1\n", 3, ["'x' stands twice", "lines 2 and 3"]),
    "tab": (b"a:\n\tb: 1\n", 2, ["a tab stands where YAML wants spaces", "Indent with spaces"]),
    "open bracket": (b"a: [1, 2\nb: 3\n", 2, ["column 2", "in: b: 3"]),
    "two colons": (b"a: 1\nb: c: d\n", 2, ["column 5", "in: b: c: d", "quotes"]),
    "open quote": (b"a: 'b\n", 2, ["end of stream", "quotes"]),
    "two documents": (b"a: 1\n---\nb: 2\n", 2, ["several documents", "'---'"]),
    "list": (b"- a\n", 1, ["expected keys and values", "a list"]),
    "text": (b"hello\n", 1, ["expected keys and values", "text", "in: hello"]),
    "python object": (b"a: !!python/object:os.system x\n", 1, ["os.system", "Remove the tag"]),
    "own tag": (b"a: 1\nb: !mine x\n", 2, ["!mine", "Remove the tag"]),
    "unknown anchor": (b"a: *b\n", 1, ["undefined alias 'b'"]),
    "key that is a list": (b"? [a]\n: 1\n", 1, ["a key is a list"]),
    "date out of range": (b"a: 1\nwhen: 2020-99-99\n", 2, ["month", "in: when"]),
    "octal": (b"seed: 010\n", 1, ["YAML reads 010 as 8", "plain number"]),
    "base 60": (b"a: 1\nb: 1:30\n", 2, ["YAML reads 1:30 as 90", "quotes"]),
    "control character": (b"a: 1\nb: \x00\n", 2, ["does not allow", "'\\x00'"]),
    "Latin-1": ("a: 1\nb: ü\n".encode("latin-1"), 2, ["byte 8 (0xfc)", "UTF-8"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_yaml_is_refused_by_line_and_fix(tmp_path, case):
    content, line, words = BROKEN[case]
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


NINE = "x%d: &x%d [" + ", ".join(["*x%d"] * 9) + "]\n"
MULTIPLIED = ("x0: &x0 [1]\n" + "".join(NINE % (i, i, *[i - 1] * 9) for i in range(1, 12))).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: 1\n".encode("utf-16"), "UTF-16"),
        (b"a: &a [*a]\n", "anchors"),
        (b"a: &a {b: *a}\n", "anchors"),
        (b"[" * 5000, "nested too deeply"),
        (MULTIPLIED, "more than 100,000 values"),
    ],
)
def test_yaml_without_a_guilty_line_is_refused(tmp_path, content, words):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_yaml(path)


def test_places_that_are_no_file_are_named(tmp_path):
    with pytest.raises(UserError, match="this is a folder"):
        read_yaml(tmp_path)
    with pytest.raises(UserError, match=r"absent\.yaml: no such file"):
        read_yaml(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"", {}),
        (b"# nothing\n", {}),
        (b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        (b"a: 1\rb: 2\r", {"a": 1, "b": 2}),
        (b"x: &x {p: 1}\ny:\n  <<: *x\n  q: 3\n", {"x": {"p": 1}, "y": {"p": 1, "q": 3}}),
        (b"n: 1_000\nz: 0\nf: 0.5\n", {"n": 1000, "z": 0, "f": 0.5}),
    ],
)
def test_what_editors_write_is_read(tmp_path, content, values):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    assert read_yaml(path) == values


def test_lines_of_keys_and_items(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a:\n  b: 1\n  c:\n  - 5\n  - 6\non: 2\n")
    assert [line_of(path, key) for key in (("a", "b"), ("a", "c", 1), (True,))] == [2, 5, 6]
    assert line_of(path, ("a", "absent")) == 1  # of the section that lacks it
    path.write_text('{\n\t"a": 1,\n\t"b": {\n\t\t"c": 2}}')
    assert line_of(path, ("b", "c")) == 4


GRAMMAR = """{
  "class": ["Deterministic", "Image"],
  "attributes": {"features": ["class", "yaw", "x"], "mutable": ["yaw", "x"]},
  "num_child": ["Deterministic", 1],
  "child": [{
    "class": ["Random", ["mug", "bowl"]],
    "attributes": {
      "immutable": false,
      "yaw": ["Gaussian", 90, 10, 360],
      "x": ["Uniform", 1, 9, 10]
    },
    "num_child": ["Deterministic", 0],
    "child": []
  }]
}
"""
KNOWN = {"object": {"yaw": ANGLE, "x": Attribute("px", low=0.5, high=20)}}
GRAMMARS = {
    "comma": ("360],", "360]", 10, ["not valid JSON", "column", '"x": ["Uniform", 1, 9, 10]']),
    "single quotes": ('"immutable"', "'immutable'", 8, ["double quotes"]),
    "key twice": ('"x": [', '"yaw": [', 10, ["'yaw' stands twice", "Remove"]),
    "NaN": ("90, 10", "NaN, 10", 9, ["NaN is not a number"]),
    "infinity": ("90, 10", "90, Infinity", 9, ["Infinity is not a number"]),
    "mean of an angle": ("90, 10", "500, 10", 9, ["500 is outside [-360, 360]", "attributes.yaw"]),
    "more than a turn": ('"Gaussian", 90, 10', '"Uniform", 0, 500', 9, ["more than a turn"]),
    "negative value": ("1, 9, 10", "-1, 9, 10", 10, ["-1 is outside [0, 10]"]),
    "too large": ("1, 9, 10", "1, 11, 10", 10, ["11 is outside [0, 10]", "another maximum"]),
    "beyond the renderer": ("1, 9, 10", "1, 9, 30", 10, ["draws at most 20 px. Give at most"]),
    "below the renderer": ("1, 9, 10", "0, 9, 10", 10, ["0 is below 0.5, the least"]),
    "turns": ("10, 360", "10, 400", 9, ["an angle's maximum must be a multiple of 360"]),
    "spread": ("90, 10", "90, -10", 9, ["standard deviation must not be negative"]),
    "distribution": ("Gaussian", "Gausian", 9, ["Did you mean 'Gaussian'?"]),
    "children": ('"num_child": ["Deterministic", 0]', '"num_child": ["Deterministic", 2]', 12,
                 ["child has 0 nodes"]),
    "key": ('"immutable"', '"imutable"', 8, ["Did you mean 'immutable'?"]),
}  # fmt: skip


@pytest.mark.parametrize("case", GRAMMARS)
def test_a_wrong_grammar_is_refused_by_line(tmp_path, case):
    before, after, line, words = GRAMMARS[case]
    path = tmp_path / "mine.json"
    path.write_text(GRAMMAR.replace(before, after, 1))
    with pytest.raises(UserError) as caught:
        Grammar.read(path, KNOWN)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    for word in words:
        assert word in str(caught.value)


def test_a_grammar_of_another_editor_is_read(tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(
        b"\xef\xbb\xbf" + GRAMMAR.replace("\n", "\r\n").replace("90,", "-10,").encode()
    )
    assert Grammar.read(path, KNOWN).layout.mutable.sum() == 2


texts = st.text(alphabet="ab:-[]{}&*!|>'\"#%@\n\t ,?01.~éx<", max_size=40) | st.binary(max_size=30)


@settings(deadline=None, max_examples=200)
@given(texts)
def test_any_text_is_a_configuration_or_a_user_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        load_configuration(read_yaml(path), [path])
    except UserError as error:
        assert str(path) in str(error)


WORDS = (
    "results seed device metasim task2sim tasks names simulation values packs pretrain "
    "model_options extra experiments"
)
KEYS = [*WORDS.split(), "a b", 1, True, None]
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    leaves,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(KEYS), v, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
def test_any_values_are_a_configuration_or_a_user_error(tree):
    try:
        load_configuration(tree, [])
    except UserError as error:
        assert "command line" in str(error)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet='{}[]",:0aN \n\t-e.\\', max_size=30))
def test_any_text_is_json_or_a_user_error(text):
    try:
        expected = parse_json(text, "x.json")
    except UserError as error:
        assert str(error).startswith("x.json")
    else:
        assert expected == json.loads(text)
