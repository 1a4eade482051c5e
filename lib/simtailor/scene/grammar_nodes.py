"""Nodes of a scene grammar from the published JSON format, checked key by key."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from simtailor.errors import UserError, nearest_name
from simtailor.scene.attributes import UNKNOWN, Attribute, NodeAttributes
from simtailor.scene.choices import Choices, parse_count, parse_weights
from simtailor.scene.distributions import (
    KINDS,
    Distribution,
    check_range,
    is_number,
    parse_distribution,
)

MAIN = "object"  # the name of a node whose class is random or a number
NODE_KEYS = ("class", "attributes", "num_child", "child")
# Names in "mutable": how often each class, and each count, comes is learnt.
CLASS, COUNT = "class", "num_child"
ONCE = Choices((1,))
MOST_NODES = 512  # of a graph, all copies counted
# Attributes of the published grammars that may be no distributions: kept as they are.
CONSTANTS = ("asset_dir", "dataset", "directed", "features", "immutable", "mutable", "num_samples",
             "output_dir", "size", "split", "texture")  # fmt: skip


@dataclass(frozen=True)
class GrammarNode:
    """One node of the graphs: a node of the grammar, or a copy where that comes several times.

    Attributes:
        classes: one class name, or several.
        parent: index of the parent node, -1 for the root.
        distributions: of the numeric attributes.
        constants: the other attributes, of the names ``CONSTANTS``.
        class_weights: of the classes, None where they are equally likely.
        source: number of the node of the grammar; the copies of one share it.
        slot: this copy's number, from 0; it is there where more than so many are drawn.
        counts: how many copies are there.
    """

    classes: tuple[str | int, ...]
    parent: int
    distributions: dict[str, Distribution] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    class_weights: tuple[float, ...] | None = None
    source: int = 0
    slot: int = 0
    counts: Choices = ONCE

    @property
    def name(self) -> str:
        """The class, or ``object`` where that is random or a number."""
        return name_of(self.classes)

    @property
    def class_choices(self) -> Choices:
        """The classes and how likely each is."""
        return Choices(self.classes, self.class_weights)

    @property
    def learns_class(self) -> bool:
        """Whether how often each class comes may be learnt, if the root says so."""
        return not self.constants["immutable"] and len(self.classes) > 1

    @property
    def learns_count(self) -> bool:
        """Whether how often each count comes may be learnt, if the root says so."""
        return not self.constants["immutable"] and len(self.counts.values) > 1


def name_of(classes: tuple[str | int, ...]) -> str:
    """Return the name of a node that has one of these classes."""
    named = len(classes) == 1 and isinstance(classes[0], str)
    return str(classes[0]) if named else MAIN


def parse_nodes(tree: Any, source: str, attributes: NodeAttributes) -> list[GrammarNode]:
    """Check the tree and return its nodes in the published order.

    The published sampler pops from a stack, so the last child comes first. Players that
    read exported graphs rely on that order. A child that comes up to n times has n nodes, its
    copies, one after the other, each with all below it.

    Raises:
        MalformedError: the tree is no grammar.
    """
    nodes: list[GrammarNode] = []
    stack: list[tuple[int, Any, tuple[str | int, ...], int, Choices]] = [(-1, tree, (), 0, ONCE)]
    places: list[_Failure] = []
    sources: dict[tuple[str | int, ...], int] = {}
    while stack:
        parent, node, where, slot, counts = stack.pop()
        fail = _Failure(source, where)
        if not isinstance(node, dict):
            raise fail("", f"expected a node, an object with the keys {', '.join(NODE_KEYS)}")
        for key in node:
            if key not in NODE_KEYS:
                raise fail(key, "unknown key." + nearest_name(key, NODE_KEYS))
        for key in NODE_KEYS:
            if key not in node:
                raise fail(key, "this key is missing")
        classes, weights = _parse_classes(node["class"], fail)
        known = attributes.get(name_of(classes), {})
        distributions, constants = _parse_attributes(node["attributes"], known, fail)
        if parent < 0:
            _check_root(constants, distributions, fail)
        features = nodes[0].constants["features"] if nodes else constants["features"]
        _check_constants(constants, features, fail)
        children = _parse_children(node, fail)
        index = len(nodes)
        places.append(fail)
        number = sources.setdefault(where, len(sources))
        nodes.append(
            GrammarNode(classes, parent, distributions, constants, weights, number, slot, counts)
        )
        if len(nodes) > MOST_NODES:
            raise fail("num_child", f"more than {MOST_NODES} nodes in all; let fewer be drawn")
        for i, (child, drawn) in enumerate(children):
            copies = reversed(range(max(drawn.values)))
            stack.extend((index, child, (*where, "child", i), copy, drawn) for copy in copies)
    for node, fail in zip(nodes, places, strict=True):
        for name in nodes[0].constants["mutable"]:
            if name in node.distributions and not node.constants["immutable"]:
                known = attributes.get(node.name, {}).get(name, UNKNOWN)
                with _told_of(name, fail):
                    check_range(node.distributions[name], known)
    _check_mutable(nodes, places[0])
    return nodes


class MalformedError(UserError):
    """A mistake in a grammar.

    Attributes:
        location: of the key in the tree, such as ``("child", 0, "attributes", "yaw")``.
        problem: path of the key, what is wrong and what to do.
    """

    def __init__(self, source: str, location: tuple[str | int, ...], problem: str) -> None:
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location)
        self.location, self.problem = location, f"root{path}: {problem}"
        super().__init__(f"{source}: {self.problem}")


class _Failure:
    """Builds errors that name the grammar file and the path of the key in it."""

    def __init__(self, source: str, where: tuple[str | int, ...]) -> None:
        self.source, self.where = source, where

    def __call__(self, key: str, problem: str) -> MalformedError:
        first, _, rest = key.partition(".")
        return MalformedError(
            self.source, (*self.where, *(part for part in (first, rest) if part)), problem
        )


def _parse_classes(
    value: Any, fail: _Failure
) -> tuple[tuple[str | int, ...], tuple[float, ...] | None]:
    """Return the names of a node's classes, and their weights if they have some."""
    expected = 'expected ["Deterministic", name] or ["Random", [name, ...]]'
    weighted = isinstance(value, list) and len(value) == 3 and value[0] == "Random"
    if not isinstance(value, list) or not (len(value) == 2 or weighted):
        raise fail("class", f"{expected}, got {value!r}")
    kind, names = value[:2]
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
    weights = None
    if weighted:
        with _told_at("class", fail):
            weights = parse_weights(value[2], len(names))
    return tuple(names), weights


def _parse_attributes(
    value: Any, known: Mapping[str, Attribute], fail: _Failure
) -> tuple[dict[str, Distribution], dict[str, Any]]:
    if not isinstance(value, dict):
        raise fail("attributes", f"expected an object, got {type(value).__name__}")
    distributions, constants = {}, {}
    for name, entry in value.items():
        if isinstance(entry, list) and entry and isinstance(entry[0], str):
            if entry[0] in KINDS:
                with _told_of(name, fail):
                    distributions[name] = parse_distribution(entry, known.get(name, UNKNOWN))
                continue
            if len(entry) == 4 and all(is_number(v) for v in entry[1:]):
                suggestion = nearest_name(entry[0], KINDS)
                raise fail(
                    f"attributes.{name}",
                    f"unknown distribution {entry[0]!r}; known: {', '.join(KINDS)}." + suggestion,
                )
        constants[name] = entry
    immutable = value.get("immutable", True)
    if not isinstance(immutable, bool):
        raise fail("attributes.immutable", f"expected true or false, got {immutable!r}")
    constants["immutable"] = immutable
    return distributions, constants


def _check_constants(constants: dict[str, Any], features: list[str], fail: _Failure) -> None:
    """Check that what is no distribution is meant so: a feature needs one in every node."""
    for name, entry in constants.items():
        if name in CONSTANTS and name not in features:
            continue
        value = f"{entry:g}" if is_number(entry) else "VALUE"
        write = f'write ["Deterministic", {value}, 0, MAXIMUM]'
        if name not in features:
            known = (*features, *CONSTANTS)
            write = f"it is none of the features.{nearest_name(name, known)} For a number, {write}"
        raise fail(
            f"attributes.{name}",
            f"{reprlib.repr(entry)} is no distribution; {write}, or another of "
            f"{', '.join(KINDS)}. Or remove it.",
        )


@contextmanager
def _told_at(key: str, fail: _Failure) -> Iterator[None]:
    """Tell of what is wrong with a value where it stands."""
    try:
        yield
    except ValueError as error:
        raise fail(key, str(error)) from None


def _told_of(name: str, fail: _Failure) -> AbstractContextManager[None]:
    """Tell of what is wrong with an attribute's distribution where it stands."""
    return _told_at(f"attributes.{name}", fail)


def _parse_children(node: dict[str, Any], fail: _Failure) -> list[tuple[Any, Choices]]:
    """Return the children and how often each is there.

    ``num_child`` is the number of children, each there once; or how often the one child is
    there; or, of several, a list with that of each.
    """
    children, count = node["child"], node["num_child"]
    if not isinstance(children, list):
        raise fail("child", f"expected a list of nodes, got {type(children).__name__}")
    if isinstance(count, list) and count and isinstance(count[0], list):
        if len(count) != len(children) or len(children) < 2:
            raise fail(
                "num_child", f"has {len(count)} counts, but child has {len(children)} nodes; a "
                "list of counts is for two or more, one for each"
            )  # fmt: skip
        with _told_at("num_child", fail):
            counts = [parse_count(entry) for entry in count]
        if all(drawn == ONCE for drawn in counts):
            raise fail("num_child", f'write ["Deterministic", {len(children)}]')
        return list(zip(children, counts, strict=True))
    if isinstance(count, list) and len(count) == 2 and count[0] == "Deterministic":
        if count[1] != len(children) or isinstance(count[1], bool):
            raise fail("num_child", f"says {count[1]!r}, but child has {len(children)} nodes")
        return [(child, ONCE) for child in children]
    with _told_at("num_child", fail):
        drawn = parse_count(count)
    if len(children) != 1:
        raise fail(
            "num_child",
            f"a drawn count is that of one child, but child has {len(children)} nodes; give a "
            'list with one count for each, such as [["Deterministic", 1], ["Uniform", 1, 3]]',
        )
    return [(children[0], drawn)]


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
        if name not in constants["features"] and name != COUNT:
            raise fail(
                "attributes.mutable",
                f"{name!r} is not one of the features." + nearest_name(name, constants["features"]),
            )


def _check_mutable(nodes: list[GrammarNode], fail: _Failure) -> None:
    carried = {
        name for node in nodes if not node.constants["immutable"] for name in node.distributions
    }
    carried |= {CLASS for node in nodes if node.learns_class}
    carried |= {COUNT for node in nodes if node.learns_count}
    for name in nodes[0].constants["mutable"]:
        if name not in carried and name in (CLASS, COUNT):
            raise fail(
                "attributes.mutable",
                f"{name!r} is mutable, but no node with 'immutable': false draws it from several",
            )
        if name not in carried:
            raise fail(
                "attributes.mutable",
                f"{name!r} is mutable, but no node with 'immutable': false has this attribute."
                + nearest_name(name, carried),
            )
