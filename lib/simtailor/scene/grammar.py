"""Probabilistic scene grammar: the published JSON format, checked and sampled in batches.

The format is that of Meta-Sim (Kar et al., "Meta-Sim: Learning to Generate Synthetic
Datasets", ICCV 2019). A node has ``class``, ``attributes``, ``num_child`` and ``child``:

- ``class``: ``["Deterministic", name]`` or ``["Random", [name, ...]]`` (equally likely);
- an attribute: ``["Deterministic", value, _, maximum]``, ``["Gaussian", mean, std, maximum]``
  or ``["Uniform", low, high, maximum]``; anything else is a constant that is kept as it is;
- the root's attributes hold ``features`` (what graphs are encoded by) and ``mutable`` (what
  may be changed, in nodes whose ``immutable`` is false);
- ``num_child``: ``["Deterministic", count]``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from simtailor.errors import UserError, nearest_name
from simtailor.scene.attributes import attribute
from simtailor.scene.graph import SceneGraphBatch, SceneGraphLayout
from simtailor.seeds import scene_seeds

DISTRIBUTIONS = ("Deterministic", "Gaussian", "Uniform")
SMALLEST_MAXIMUM = 1e-6
NODE_KEYS = ("class", "attributes", "num_child", "child")


@dataclass(frozen=True)
class Distribution:
    """Distribution of one attribute.

    Attributes:
        kind: ``Deterministic``, ``Gaussian`` or ``Uniform``.
        first: the value, the mean or the lower end.
        second: unused, the standard deviation or the upper end.
        maximum: what the value is divided by to give the feature; greater than 0.
    """

    kind: str
    first: float
    second: float
    maximum: float

    def sample(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Draw float64 [count] in the attribute's own unit."""
        if self.kind == "Gaussian":
            return random.normal(self.first, self.second, count)
        if self.kind == "Uniform":
            return random.uniform(self.first, self.second, count)
        return np.full(count, self.first)

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Return the values below which ``shares`` in (0, 1) of all lie: float64 as ``shares``."""
        if self.kind == "Gaussian":
            return self.first + self.second * ndtri(shares)
        if self.kind == "Uniform":
            return self.first + (self.second - self.first) * shares
        return np.full(shares.shape, self.first)


@dataclass(frozen=True)
class GrammarNode:
    """One node of the grammar.

    Attributes:
        classes: one class name, or several that are equally likely.
        parent: index of the parent node, -1 for the root.
        distributions: of the numeric attributes.
        constants: the other attributes.
    """

    classes: tuple[str | int, ...]
    parent: int
    distributions: dict[str, Distribution] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)


class Grammar:
    """A checked grammar that samples batches of scene graphs.

    Args:
        tree: the published format as nested dictionaries and lists.
        source: where the tree comes from, for error messages.

    Raises:
        UserError: the tree is malformed. The message names the source and the key.
    """

    def __init__(self, tree: Any, source: str = "grammar") -> None:
        self.source = source
        self.nodes = _parse(tree, source)
        self.layout = self._layout()

    @classmethod
    def read(cls, path: str | Path) -> Grammar:
        """Read a grammar file in the published JSON format."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot read this grammar file: {error}") from error
        try:
            tree = json.loads(text, parse_constant=_reject_number, parse_float=_finite_float)
        except (ValueError, RecursionError) as error:  # ValueError: also overlong integers
            raise UserError(f"{path}: not valid JSON: {error}") from error
        return cls(tree, str(path))

    def sample(
        self, count: int, random: np.random.Generator, hypercube: int = 1
    ) -> SceneGraphBatch:
        """Sample ``count`` graphs.

        Angles are wrapped into [0, maximum). Other values are not clipped.

        Args:
            count: number of graphs.
            random: source of the numbers.
            hypercube: so many graphs at a time are a Latin hypercube (McKay et al., "A Comparison
                of Three Methods for Selecting Values of Input Variables", 1979), so that their
                means are nearly those of the grammar: every class comes as often as any other,
                and of every attribute there is one value in each of as many equally likely
                ranges. Where the classes divide the hypercube, each has its values far apart.
                Graphs of different hypercubes are independent. 1 draws every graph by itself.
        """
        layout = self.layout
        index_of_class = {name: i for i, name in enumerate(layout.class_names)}
        shape = (count, len(self.nodes))
        classes = np.zeros(shape, dtype=np.int64)
        features = np.zeros((*shape, len(layout.features)), dtype=np.float32)
        cubes = np.arange(count) // hypercube
        for n, node in enumerate(self.nodes):
            choices = np.array([index_of_class[name] for name in node.classes])
            if len(choices) == 1:
                drawn = np.zeros(count, np.int64)
            elif hypercube == 1:
                drawn = random.integers(len(choices), size=count)
            else:
                drawn = _evenly(random, len(choices), cubes)
            classes[:, n] = choices[drawn]
        groups = _groups(cubes, classes) if hypercube > 1 else cubes
        for n, node in enumerate(self.nodes):
            for name, distribution in node.distributions.items():
                if name not in layout.features:
                    continue
                if hypercube == 1:
                    values = distribution.sample(random, count)
                else:
                    values = distribution.quantiles(_latin_shares(random, cubes, groups))
                if attribute(name).period:
                    values %= distribution.maximum
                features[:, n, layout.features.index(name)] = values / distribution.maximum
        return SceneGraphBatch(layout, classes, features, scene_seeds(random, count))

    def _layout(self) -> SceneGraphLayout:
        class_names: dict[str | int, None] = {}  # a dictionary keeps the order, a set does not
        for node in self.nodes:
            class_names.update(dict.fromkeys(node.classes))
        root = self.nodes[0].constants
        # Numeric attributes that the root does not list travel along, so that exports are whole.
        names = dict.fromkeys(
            [*root["features"], *(d for n in self.nodes for d in n.distributions)]
        )
        features = tuple(name for name in names if name != "class")
        maximum = np.zeros((len(self.nodes), len(features)), dtype=np.float32)
        mutable = np.zeros(maximum.shape, dtype=bool)
        for n, node in enumerate(self.nodes):
            for f, name in enumerate(features):
                if name in node.distributions:
                    maximum[n, f] = node.distributions[name].maximum
                    mutable[n, f] = name in root["mutable"] and not node.constants["immutable"]
        return SceneGraphLayout(
            class_names=tuple(class_names),
            node_names=tuple(
                str(node.classes[0])
                if len(node.classes) == 1 and isinstance(node.classes[0], str)
                else "object"
                for node in self.nodes
            ),
            node_constants=tuple(node.constants for node in self.nodes),
            parents=np.array([node.parent for node in self.nodes], dtype=np.int64),
            features=features,
            maximum=maximum,
            mutable=mutable,
        )


def _evenly(random: np.random.Generator, choices: int, cubes: np.ndarray) -> np.ndarray:
    """Draw [n] indices below ``choices``, in each cube each as often as any other or once more."""
    ranks, _ = _ranks(random.uniform(size=len(cubes)), cubes)
    first = random.integers(choices, size=len(cubes))
    return (ranks + first[cubes]) % choices


def _groups(cubes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return which graphs are of one cube and of equal classes, by number: int [n].

    Where these are not equally many, whole cubes: a scene alone in its class would lie in the
    middle of its cube more often than the grammar's scenes do.

    Args:
        cubes: int [n]; classes: int [n, N].
    """
    keys = np.column_stack([cubes, classes])
    groups = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    return groups if len(set(np.bincount(groups))) == 1 else cubes


def _latin_shares(random: np.random.Generator, cubes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Draw shares in (0, 1), one in each of as many equal ranges as a cube has members.

    Args:
        cubes: int [n], the Latin hypercube of each graph.
        groups: int [n], parts of the cubes; members of one get shares far apart.
    """
    count = len(cubes)
    rank, size = _ranks(random.uniform(size=count), groups)
    rank, size = _ranks((rank + random.uniform(size=count)) / size, cubes)
    # Rounding may bring a share to 0 or 1, which for a Gaussian lie infinitely far out.
    return ((rank + random.uniform(size=count)) / size).clip(1e-12, 1 - 1e-12)


def _ranks(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank from 0 of each value in its group, and the group's size: int [n] each."""
    sizes = np.bincount(groups)
    ranks = np.empty(len(values), np.int64)
    first = np.repeat(sizes.cumsum() - sizes, sizes)
    ranks[np.lexsort((values, groups))] = np.arange(len(values)) - first
    return ranks, sizes[groups]


def _reject_number(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits} is too large")
    return value


def _parse(tree: Any, source: str) -> list[GrammarNode]:
    """Check the tree and return its nodes in the published order.

    The published sampler pops from a stack, so the last child comes first. Players that
    read exported graphs rely on that order.
    """
    nodes: list[GrammarNode] = []
    stack = [(-1, tree, "root")]
    while stack:
        parent, node, where = stack.pop()
        fail = _Failure(source, where)
        if not isinstance(node, dict):
            raise fail("", f"expected a node, an object with the keys {', '.join(NODE_KEYS)}")
        for key in node:
            if key not in NODE_KEYS:
                raise fail(key, "unknown key." + nearest_name(key, NODE_KEYS))
        for key in NODE_KEYS:
            if key not in node:
                raise fail(key, "this key is missing")
        distributions, constants = _parse_attributes(node["attributes"], fail)
        if parent < 0:
            _check_root(constants, distributions, fail)
        children = _parse_children(node, fail)
        index = len(nodes)
        nodes.append(
            GrammarNode(_parse_classes(node["class"], fail), parent, distributions, constants)
        )
        stack.extend((index, c, f"{where}.child[{i}]") for i, c in enumerate(children))
    _check_ranges(nodes, source)
    _check_mutable(nodes, source)
    return nodes


class _Failure:
    """Builds errors that name the grammar file and the path of the key in it."""

    def __init__(self, source: str, where: str) -> None:
        self.source, self.where = source, where

    def __call__(self, key: str, problem: str) -> UserError:
        return UserError(f"{self.source}: {self.where}{'.' if key else ''}{key}: {problem}")


def _parse_classes(value: Any, fail: _Failure) -> tuple[str | int, ...]:
    expected = 'expected ["Deterministic", name] or ["Random", [name, ...]]'
    if not isinstance(value, list) or len(value) != 2:
        raise fail("class", f"{expected}, got {value!r}")
    kind, names = value
    if kind == "Deterministic":
        names = [names]
    elif kind != "Random":
        raise fail("class", f"{expected}, got {kind!r}." + nearest_name(kind, ("Random",)))
    if not isinstance(names, list) or not names:
        raise fail("class", f"{expected}, with at least one name")
    if any(isinstance(n, bool) or not isinstance(n, str | int) for n in names):
        raise fail("class", f"class names are strings or integers, got {names!r}")
    if len(set(names)) != len(names):
        raise fail("class", f"a class is named twice in {names!r}")
    return tuple(names)


def _parse_attributes(value: Any, fail: _Failure) -> tuple[dict[str, Distribution], dict[str, Any]]:
    if not isinstance(value, dict):
        raise fail("attributes", f"expected an object, got {type(value).__name__}")
    distributions, constants = {}, {}
    for name, entry in value.items():
        if isinstance(entry, list) and entry and isinstance(entry[0], str):
            if entry[0] in DISTRIBUTIONS:
                distributions[name] = _parse_distribution(name, entry, fail)
                continue
            if len(entry) == 4 and all(_is_number(v) for v in entry[1:]):
                suggestion = nearest_name(entry[0], DISTRIBUTIONS)
                raise fail(
                    f"attributes.{name}",
                    f"unknown distribution {entry[0]!r}; known: {', '.join(DISTRIBUTIONS)}."
                    + suggestion,
                )
        constants[name] = entry
    immutable = value.get("immutable", True)
    if not isinstance(immutable, bool):
        raise fail("attributes.immutable", f"expected true or false, got {immutable!r}")
    constants["immutable"] = immutable
    return distributions, constants


def _parse_distribution(name: str, entry: list[Any], fail: _Failure) -> Distribution:
    key = f"attributes.{name}"
    if len(entry) != 4 or not all(_is_number(v) for v in entry[1:]):
        raise fail(key, f"expected [{entry[0]!r}, number, number, maximum], got {entry!r}")
    kind, first, second, maximum = entry[0], *(float(v) for v in entry[1:])
    if maximum < SMALLEST_MAXIMUM:
        raise fail(
            key, f"the maximum (last entry) must be at least {SMALLEST_MAXIMUM:g}, got {maximum:g}"
        )
    period = attribute(name).period
    if period and maximum % period:
        raise fail(key, f"an angle's maximum must be a multiple of {period:g}, got {maximum:g}")
    if kind == "Gaussian" and second < 0:
        raise fail(key, f"the standard deviation must not be negative, got {second:g}")
    if kind == "Uniform" and second < first:
        raise fail(key, f"the lower end {first:g} is above the upper end {second:g}")
    return Distribution(kind, first, second, maximum)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e30
        and math.isfinite(value)
    )


def _parse_children(node: dict[str, Any], fail: _Failure) -> list[Any]:
    children, count = node["child"], node["num_child"]
    if not isinstance(children, list):
        raise fail("child", f"expected a list of nodes, got {type(children).__name__}")
    if not isinstance(count, list) or len(count) != 2 or count[0] != "Deterministic":
        raise fail("num_child", f'expected ["Deterministic", count], got {count!r}')
    if count[1] != len(children) or isinstance(count[1], bool):
        raise fail("num_child", f"says {count[1]!r}, but child has {len(children)} nodes")
    return children


def _check_root(
    constants: dict[str, Any], distributions: dict[str, Distribution], fail: _Failure
) -> None:
    for key in ("features", "mutable"):
        names = constants.get(key)
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise fail(f"attributes.{key}", f"the root needs a list of names, got {names!r}")
        if len(set(names)) != len(names):
            raise fail(f"attributes.{key}", f"a name stands twice in {names!r}")
    for name in constants["mutable"]:
        if name not in constants["features"]:
            raise fail(
                "attributes.mutable",
                f"{name!r} is not one of the features." + nearest_name(name, constants["features"]),
            )
        if name == "class":
            raise fail("attributes.mutable", "the class of a node cannot be changed")


def _check_mutable(nodes: list[GrammarNode], source: str) -> None:
    carried = {
        name for node in nodes if not node.constants["immutable"] for name in node.distributions
    }
    for name in nodes[0].constants["mutable"]:
        if name not in carried:
            raise UserError(
                f"{source}: root.attributes.mutable: {name!r} is mutable, but no node with "
                f"'immutable': false has this attribute." + nearest_name(name, carried)
            )


def _check_ranges(nodes: list[GrammarNode], source: str) -> None:
    """Generated values are kept in [0, maximum]: a prior that lies outside would be cut off."""
    for node in nodes:
        if node.constants["immutable"]:
            continue
        for name in nodes[0].constants["mutable"]:
            distribution = node.distributions.get(name)
            if distribution is None or attribute(name).period:
                continue
            values = [distribution.first]
            if distribution.kind == "Uniform":
                values.append(distribution.second)
            if min(values) < 0 or max(values) > distribution.maximum:
                raise UserError(
                    f"{source}: node {node.classes[0]!r}, attributes.{name}: "
                    f"{max(values, key=lambda v: max(-v, v - distribution.maximum)):g} is outside "
                    f"[0, {distribution.maximum:g}], the range of a mutable attribute"
                )
