"""The published grammar format: read unchanged, checked, sampled and exported."""

import json
import os
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, uniform

from simtailor.errors import UserError
from simtailor.scene import Grammar
from simtailor.scene.attributes import ANGLE, UNKNOWN, Attribute
from simtailor.scene.distributions import KINDS
from simtailor.scene.grammar_nodes import NODE_KEYS

# The structure of the published digit grammars (nv-tlabs/meta-sim).
PUBLISHED = """{
  "class": ["Deterministic", "Image"],
  "attributes": {
    "features": ["class", "size_x", "loc_x", "yaw"],
    "mutable": ["loc_x", "yaw"],
    "dataset": "mnist",
    "immutable": true,
    "directed" : true,
    "size": [64, 64],
    "num_samples":1000,
    "asset_dir"  : "data/assets/mnist/train/",
    "size_x": ["Deterministic", 64, 0, 64],
    "loc_x":  ["Deterministic", 0, 0, 64],
    "yaw":    ["Deterministic", 0, 0, 360],
    "texture":["Deterministic", 0, 0, 255]
  },
  "num_child" : ["Deterministic", 2],
  "child": [
    {
      "class": ["Deterministic", "Background"],
      "attributes": {
        "immutable": true,
        "size_x": ["Deterministic", 64, 0, 64],
        "texture":["Gaussian", 0, 5, 255]
      },
      "num_child" : ["Deterministic", 0],
      "child": []
    },
    {
      "class": ["Deterministic","Scene"],
      "attributes": {"immutable": true, "size_x": ["Deterministic", 64, 0, 64]},
      "num_child" : ["Deterministic", 1],
      "child": [
        {
          "class":["Random", [3, 1, 4, 5, 9]],
          "attributes": {
            "immutable": false,
            "size_x": ["Deterministic", 28, 0, 64],
            "loc_x": ["Uniform" , 16, 48, 64],
            "yaw": ["Gaussian", 0, 10, 360],
            "texture": "Random"
          },
          "num_child" : ["Deterministic", 0],
          "child": []
        }
      ]
    }
  ]
}"""
IMAGE, SCENE, DIGIT, BACKGROUND = range(4)  # the last child comes first
COUNT = 20_000


@pytest.fixture
def grammar(tmp_path) -> Grammar:
    path = tmp_path / "published.json"
    path.write_text(PUBLISHED)
    return Grammar.read(path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("grammars") / "grammar.json"


def leaf(attributes: dict, class_entry: list | None = None) -> dict:
    return {
        "class": class_entry or ["Deterministic", "Thing"],
        "attributes": attributes,
        "num_child": ["Deterministic", 0],
        "child": [],
    }


def image(children: list[dict], features: list[str], mutable: list[str]) -> dict:
    return {
        "class": ["Deterministic", "Image"],
        "attributes": {"features": features, "mutable": mutable, "immutable": True},
        "num_child": ["Deterministic", len(children)],
        "child": children,
    }


def sampled(
    entry: list, name: str = "size", seed: int = 0, known: Attribute = UNKNOWN
) -> np.ndarray:
    """Sample one attribute of one node: values [COUNT] in its own unit."""
    tree = image([leaf({"immutable": False, name: entry})], [name], [name])
    grammar = Grammar(tree, attributes={"Thing": {name: known}})
    return grammar.sample(COUNT, np.random.default_rng(seed)).values()[:, 1, 0]


def test_published_nodes_come_in_the_published_order(grammar):
    assert grammar.layout.node_names == ("Image", "Scene", "object", "Background")
    assert grammar.layout.parents.tolist() == [-1, IMAGE, SCENE, IMAGE]


def test_published_constants_stay_as_they_are(grammar):
    constants = grammar.layout.node_constants
    assert constants[IMAGE]["size"] == [64, 64]
    assert constants[IMAGE]["dataset"] == "mnist"
    assert constants[DIGIT]["texture"] == "Random"
    assert constants[DIGIT]["immutable"] is False


def test_class_is_not_a_numeric_feature_and_unlisted_attributes_travel_along(grammar):
    assert grammar.layout.features == ("size_x", "loc_x", "yaw", "texture")
    assert grammar.layout.class_names == ("Image", "Scene", 3, 1, 4, 5, 9, "Background")


def test_only_listed_attributes_of_mutable_nodes_may_change(grammar):
    assert grammar.layout.entries() == [(DIGIT, 1), (DIGIT, 2)]
    assert [grammar.layout.entry_name(*e) for e in grammar.layout.entries()] == ["loc_x", "yaw"]


def test_maximum_tells_which_nodes_have_a_feature(grammar):
    expected = np.zeros((4, 4))
    expected[IMAGE], expected[DIGIT] = [64, 64, 360, 255], [64, 64, 360, 0]
    expected[SCENE, 0] = expected[BACKGROUND, 0] = 64
    expected[BACKGROUND, 3] = 255
    np.testing.assert_array_equal(grammar.layout.maximum, expected)


@pytest.mark.parametrize("same_class", [True, False])
def test_entry_names_differ(same_class):
    nodes = [
        leaf({"immutable": False, "yaw": ["Uniform", 0, 1, 360]}, ["Deterministic", name])
        for name in (("Car", "Car") if same_class else ("Car", "Bus"))
    ]
    layout = Grammar(image(nodes, ["yaw"], ["yaw"])).layout
    names = {layout.entry_name(*entry) for entry in layout.entries()}
    assert names == ({"Car1.yaw", "Car2.yaw"} if same_class else {"Car.yaw", "Bus.yaw"})


def changed(*path_and_value):
    """Return a change to the published tree: keys, then the new value."""
    *path, last, value = path_and_value

    def change(tree):
        for key in path:
            tree = tree[key]
        if value is KeyError:
            del tree[last]
        else:
            tree[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        (changed("class", KeyError), "root.class", "missing"),
        (changed("num_child", KeyError), "root.num_child", "missing"),
        (changed("child", 0, "atributes", {}), "root.child[0].atributes", "'attributes'"),
        (changed("child", 1, "Scene"), "root.child[1]", "expected a node"),
        (changed("child", {}), "root.child", "list of nodes"),
        (changed("num_child", ["Deterministic", 3]), "root.num_child", "says 3, but child has 2"),
        (changed("num_child", ["Random", 2]), "root.num_child", "Deterministic"),
        (changed("class", "Image"), "root.class", "'Image'"),
        (changed("class", ["Randm", ["a"]]), "root.class", "Did you mean 'Random'"),
        (changed("class", ["Random", []]), "root.class", "at least one name"),
        (changed("class", ["Random", [1, 2, 1]]), "root.class", "twice"),
        (changed("class", ["Deterministic", 1.5]), "root.class", "strings or integers"),
        (changed("attributes", []), "root.attributes", "expected an object"),
        (changed("attributes", "features", KeyError), "root.attributes.features", "list of names"),
        (changed("attributes", "mutable", ["yav"]), "root.attributes.mutable", "'yaw'"),
        (changed("attributes", "mutable", ["num_child"]), "root.attributes.mutable", "several"),
        (changed("attributes", "features", ["yaw", "yaw"]), "root.attributes.features", "twice"),
        (changed("attributes", "immutable", "no"), "root.attributes.immutable", "'no'"),
        (
            changed("attributes", "immutable", ["Uniform", 0, 1, 1]),
            "root.attributes.immutable",
            "true or false",
        ),
        (
            changed("child", 1, "child", 0, "attributes", "yaw", ["Gausian", 0, 1, 360]),
            "root.child[1].child[0].attributes.yaw",
            "Did you mean 'Gaussian'",
        ),
        (
            changed("child", 1, "child", 0, "attributes", "yaw", ["Gaussian", 0, 1]),
            "root.child[1].child[0].attributes.yaw",
            "maximum",
        ),
        (
            changed("child", 0, "attributes", "texture", ["Gaussian", 0, -5, 255]),
            "root.child[0].attributes.texture",
            "negative",
        ),
        (
            changed("child", 0, "attributes", "texture", ["Uniform", 7, 5, 255]),
            "root.child[0].attributes.texture",
            "7 is above the upper end 5",
        ),
        (
            changed("child", 0, "attributes", "texture", ["Uniform", 5, 7, 0]),
            "root.child[0].attributes.texture",
            "maximum",
        ),
        (
            changed("child", 0, "attributes", "texture", ["Uniform", 5, 7, 1e-300]),
            "root.child[0].attributes.texture",
            "1e-300",
        ),
        (
            changed("child", 0, "attributes", "texture", ["Uniform", 5, "7", 9]),
            "root.child[0].attributes.texture",
            "'7'",
        ),
        (
            changed("child", 1, "child", 0, "attributes", "immutable", True),
            "root.attributes.mutable",
            "no node with 'immutable': false",
        ),
    ],
)
def test_malformed_grammar_names_file_and_key(tmp_path, change, key, words):
    tree = json.loads(PUBLISHED)
    change(tree)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(UserError) as error:
        Grammar.read(path)
    # One line: the file is written without breaks.
    assert str(error.value).startswith(f"{path}:1: {key}: ")
    assert words in str(error.value)


@pytest.mark.parametrize(
    "entry", [116, None, [], {}, True, "x", ["Random", []], ["Deterministic"], [1, 2, 3, 4]]
)
def test_attribute_without_a_distribution_is_not_taken_for_nothing(entry):
    tree = json.loads(PUBLISHED)
    digit = tree["child"][1]["child"][0]["attributes"]
    digit["size_x"] = entry
    with pytest.raises(UserError, match=r"root.child\[1\].child\[0\].attributes.size_x: ") as error:
        Grammar(tree)
    assert entry != 116 or 'write ["Deterministic", 116, 0, MAXIMUM]' in str(error.value)
    del digit["size_x"]
    digit["loc_xx"] = entry
    with pytest.raises(UserError, match=r"attributes.loc_xx: "):
        Grammar(tree)


def test_attribute_that_is_no_feature_is_named():
    tree = json.loads(PUBLISHED)
    tree["child"][1]["child"][0]["attributes"]["yawn"] = 3
    with pytest.raises(UserError, match=r"yawn: 3 .*none of the features. Did you mean 'yaw'"):
        Grammar(tree)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 5000,
        PUBLISHED.replace("1000", "NaN").encode(),
        PUBLISHED.replace("1000", "1e999").encode(),
    ],
    ids=["empty", "unfinished", "not UTF-8", "deep", "long number", "NaN", "overflow"],
)
def test_file_that_is_no_json_is_named(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"mine\.json(:1|:10)?: "):
        Grammar.read(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"[1,\n" + b"9" * 5000 + b"]", ":2: a number has more"),
    ],
)
def test_json_beyond_what_is_read_has_a_fix(tmp_path, content, words):
    (tmp_path / "mine.json").write_bytes(content)
    with pytest.raises(UserError, match=words):
        Grammar.read(tmp_path / "mine.json")


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_unreadable_grammar_file_is_named(tmp_path, name):
    with pytest.raises(UserError, match=r"no such file|is a folder"):
        Grammar.read(tmp_path / name)


def check_reading(path, content: bytes) -> None:
    """Read a grammar: only UserError may come, and what is read can be sampled and exported."""
    path.write_bytes(content)
    try:
        grammar = Grammar.read(path)
    except UserError:
        return
    batch = grammar.sample(2, np.random.default_rng(0))
    assert np.isfinite(batch.features).all()
    json.dumps(batch.to_node_link(1), allow_nan=False)


words = st.sampled_from(
    (*KINDS, *NODE_KEYS, "Random", "features", "mutable", "immutable", "yaw", "loc_x")
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=5), inner),
    max_leaves=12,
)


@settings(deadline=None, max_examples=40)
@given(value=json_values)
def test_any_json_value_parses_or_is_a_user_error(scratch, value):
    check_reading(scratch, json.dumps(value).encode())


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_change_to_a_grammar_parses_or_is_a_user_error(scratch, data):
    tree = json.loads(PUBLISHED)
    for _ in range(data.draw(st.integers(1, 3))):
        spot, key = tree, None
        while isinstance(spot, dict | list) and spot and (key is None or data.draw(st.booleans())):
            keys = sorted(spot) if isinstance(spot, dict) else range(len(spot))
            holder, key = spot, data.draw(st.sampled_from(keys))
            spot = holder[key]
        if key is not None:
            holder[key] = data.draw(json_values)
    check_reading(scratch, json.dumps(tree).encode())


@settings(deadline=None, max_examples=150)
@given(
    position=st.integers(0, len(PUBLISHED)),
    removed=st.integers(0, 6),
    added=st.sampled_from([b"", b"[", b"{}", b'"', b",", b"-", b"1e999", b"NaN", b"\xc3", b"null"]),
)
def test_any_text_parses_or_is_a_user_error(scratch, position, removed, added):
    text = PUBLISHED.encode()
    check_reading(scratch, text[:position] + added + text[position + removed :])


def test_gaussian_has_mean_spread_and_shape():
    values = sampled(["Gaussian", 40, 4, 64])
    assert values.mean() == pytest.approx(40, abs=0.15)
    assert values.std() == pytest.approx(4, abs=0.12)
    assert (abs(values - 40) < 4).mean() == pytest.approx(0.6827, abs=0.02)


def test_uniform_fills_its_range_evenly():
    values = sampled(["Uniform", 10, 30, 64])
    assert values.min() >= 10 - 1e-5
    assert values.max() <= 30 + 1e-5
    counts, _ = np.histogram(values, bins=10, range=(10, 30))
    np.testing.assert_allclose(counts / COUNT, 0.1, atol=0.012)


MIXTURE = ["Mixture", [[3, 20, 2], [1, 44, 4]], 64]


def test_mixture_has_the_moments_of_its_parts():
    values = sampled(MIXTURE)
    mean, variance = 26, 0.75 * 2**2 + 0.25 * 4**2 + 0.75 * 6**2 + 0.25 * 18**2
    assert values.mean() == pytest.approx(mean, abs=0.3)
    assert values.std() == pytest.approx(variance**0.5, abs=0.3)
    assert (values > 32).mean() == pytest.approx(0.25, abs=0.015)


@pytest.mark.parametrize("size", [2, 7, 50])
def test_hypercube_of_a_mixture_has_one_value_in_each_equally_likely_range(size):
    grammar = Grammar(image([leaf({"immutable": False, "size": MIXTURE})], ["size"], ["size"]))
    values = grammar.sample(size, np.random.default_rng(0), hypercube=size).values()[:, 1, 0]
    below = 0.75 * norm(20, 2).cdf(values) + 0.25 * norm(44, 4).cdf(values)
    np.testing.assert_array_equal(np.sort(np.floor(below * size)), np.arange(size))


@pytest.mark.parametrize(
    "entry",
    [
        ["Mixture", 64],
        ["Mixture", [], 64],
        ["Mixture", [[1, 20]], 64],
        ["Mixture", [[1, 20, "2"]], 64],
        ["Mixture", [[0, 20, 2]], 64],
        ["Mixture", [[1, 20, 0]], 64],
        ["Mixture", [[1, 20, 2], [1, 65, 2]], 64],
        ["Mixture", [[1, 20, 2]], 0],
    ],
)
def test_malformed_mixtures_are_errors_that_name_the_attribute(entry):
    with pytest.raises(UserError, match="size"):
        Grammar(image([leaf({"immutable": False, "size": entry})], ["size"], ["size"]))


def test_deterministic_is_always_its_value():
    np.testing.assert_allclose(sampled(["Deterministic", 28, 5, 64]), 28)


def test_angles_wrap_and_other_values_are_not_clipped():
    angles = sampled(["Gaussian", 0, 10, 360], "heading", known=ANGLE)
    assert angles.min() >= 0
    assert angles.max() <= 360
    assert ((angles > 180).mean()) == pytest.approx(0.5, abs=0.02)
    lengths = sampled(["Gaussian", 0, 10, 360], "yaw")  # nobody said that it is an angle
    assert lengths.min() < -10


def test_random_classes_are_equally_likely(grammar):
    batch = grammar.sample(COUNT, np.random.default_rng(1))
    names = np.array(grammar.layout.class_names, dtype=object)[batch.classes[:, DIGIT]]
    shares = [(names == digit).mean() for digit in (3, 1, 4, 5, 9)]
    np.testing.assert_allclose(shares, 0.2, atol=0.015)


def test_entries_are_drawn_independently(grammar):
    values = grammar.sample(COUNT, np.random.default_rng(1)).values()[:, DIGIT]
    yaw = (values[:, 2] + 180) % 360
    assert abs(np.corrcoef(values[:, 1], yaw)[0, 1]) < 0.03


@pytest.mark.parametrize("entry", [["Gaussian", 40, 4, 64], ["Uniform", 10, 30, 64]])
@pytest.mark.parametrize("size", [2, 7, 50])
def test_hypercube_has_one_value_in_each_equally_likely_range(entry, size):
    kind, first, second, _ = entry
    law = norm(first, second) if kind == "Gaussian" else uniform(first, second - first)
    grammar = Grammar(image([leaf({"immutable": False, "size": entry})], ["size"], ["size"]))
    for seed in range(10):
        graphs = grammar.sample(3 * size, np.random.default_rng(seed), hypercube=size)
        ranges = np.floor(law.cdf(graphs.values()[:, 1, 0]) * size).reshape(3, size)
        np.testing.assert_array_equal(np.sort(ranges, 1), np.tile(np.arange(size), (3, 1)))
        assert size == 2 or not (ranges[0] == ranges[1]).all()


def test_incomplete_hypercube_covers_everything_too():
    entry = ["Uniform", 0, 60, 64]
    grammar = Grammar(image([leaf({"immutable": False, "size": entry})], ["size"], ["size"]))
    last = grammar.sample(16, np.random.default_rng(0), hypercube=10).values()[10:, 1, 0]
    assert sorted(last // 10) == list(range(6))


def test_entries_of_a_hypercube_are_shuffled_apart(grammar):
    values = grammar.sample(COUNT, np.random.default_rng(1), hypercube=50).values()[:, DIGIT]
    assert abs(np.corrcoef(values[:, 1], (values[:, 2] + 180) % 360)[0, 1]) < 0.03


def test_classes_come_equally_often_in_a_hypercube(grammar):
    digits = [grammar.layout.class_names.index(name) for name in (3, 1, 4, 5, 9)]

    def counts(size: int) -> np.ndarray:
        drawn = grammar.sample(1000 * size, np.random.default_rng(1), hypercube=size)
        of_cubes = drawn.classes[:, DIGIT].reshape(1000, size, 1)
        return (of_cubes == digits).sum(1)

    assert (counts(10) == 2).all()
    some = counts(7)
    assert set(some.ravel()) == {1, 2}
    np.testing.assert_allclose(some.mean(0), 7 / 5, atol=0.06)


def test_values_of_a_hypercube_are_spread_over_the_classes(grammar):
    """A class has a fifth of 50 scenes: one in each tenth of the yaws."""
    batch = grammar.sample(50, np.random.default_rng(3), hypercube=50)
    yaw = (batch.values()[:, DIGIT, 2] + 180) % 360
    for digit in np.unique(batch.classes[:, DIGIT]):
        ranks = np.searchsorted(np.sort(yaw), np.sort(yaw[batch.classes[:, DIGIT] == digit]))
        assert (ranks // 5).tolist() == list(range(10))


def test_scene_alone_in_its_class_lies_anywhere_in_its_hypercube():
    """Three classes do not divide four scenes: two of them have one scene each."""
    classes = ["Random", ["bowl", "box", "mug"]]
    node = leaf({"immutable": False, "size": ["Uniform", 0, 1, 1]}, classes)
    graphs = Grammar(image([node], ["size"], ["size"])).sample(
        8000, np.random.default_rng(0), hypercube=4
    )
    classes = graphs.classes[:, 1].reshape(-1, 4)
    alone = (classes[:, :, None] == classes[:, None]).sum(2) == 1
    values = graphs.values()[:, 1, 0].reshape(-1, 4)[alone]
    assert ((values < 0.25) | (values > 0.75)).mean() == pytest.approx(0.5, abs=0.035)


def test_same_seed_same_sample(grammar):
    first, second, other = (grammar.sample(50, np.random.default_rng(s)) for s in (7, 7, 8))
    for name in ("classes", "features", "seeds"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(first.features, other.features)
    assert not np.array_equal(first.seeds, other.seeds)


def test_class_order_does_not_depend_on_the_hash_seed(tmp_path):
    tree = json.loads(PUBLISHED)
    tree["child"][1]["child"][0]["class"] = ["Random", ["cup", "shoe", "fork", "ball", "pen"]]
    path = tmp_path / "grammar.json"
    path.write_text(json.dumps(tree))
    code = (
        "import sys, numpy; from simtailor.scene import Grammar; g = Grammar.read(sys.argv[1]);"
        "print(g.layout.class_names, g.sample(9, numpy.random.default_rng(0)).classes.tolist())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, path],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    first, second = (process.communicate()[0] for process in processes)
    assert b"'cup', 'shoe', 'fork', 'ball', 'pen'" in first
    assert first == second


def test_export_is_node_link_data_of_plain_types(grammar):
    batch = grammar.sample(3, np.random.default_rng(0))
    exported = batch.to_node_link(2)
    assert json.loads(json.dumps(exported, allow_nan=False)) == exported
    assert [n["id"] for n in exported["nodes"]] == [IMAGE, SCENE, DIGIT, BACKGROUND]
    edges = {frozenset((e["source"], e["target"])) for e in exported["links"]}
    assert edges == {frozenset(e) for e in ((IMAGE, SCENE), (SCENE, DIGIT), (IMAGE, BACKGROUND))}


def test_export_has_values_with_their_maxima_and_constants(grammar):
    batch = grammar.sample(3, np.random.default_rng(0))
    nodes = batch.to_node_link(2)["nodes"]
    digit = nodes[DIGIT]
    assert digit["cls"] in (3, 1, 4, 5, 9)
    assert digit["cls"] == grammar.layout.class_names[batch.classes[2, DIGIT]]
    assert digit["attr"]["yaw"] == pytest.approx(batch.features[2, DIGIT, 2] * 360)
    assert (digit["attr"]["yaw_max"], digit["attr"]["loc_x_max"]) == (360, 64)
    assert digit["attr"]["texture"] == "Random"
    assert nodes[IMAGE]["attr"]["mutable"] == ["loc_x", "yaw"]
    assert "yaw" not in nodes[SCENE]["attr"]


def test_export_does_not_share_state_with_the_grammar(grammar):
    before = deepcopy(grammar.layout.node_constants)
    grammar.sample(1, np.random.default_rng(0)).to_node_link(0)["nodes"][IMAGE]["attr"]["x"] = 1
    assert grammar.layout.node_constants == before
